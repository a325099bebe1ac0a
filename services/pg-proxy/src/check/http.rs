//! The request and the response of `option httpchk`. A response is read as far as its rules need
//! it, and never beyond a buffer.

use super::status::CheckStatus;
use crate::config::checks::{HttpCheck, HttpExpect, HttpPattern};

/// Headers that a response may have before it counts as invalid.
const HEADERS_MAX: usize = 128;

/// The bytes of the request.
pub(super) fn request(check: &HttpCheck) -> Vec<u8> {
    let mut text = format!("{} {} {}\r\n", check.method, check.uri, check.version);
    let mut line = |name: &str, value: &str| {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    };
    for (name, value) in &check.headers {
        line(&name.to_ascii_lowercase(), value);
    }
    if !check.body.is_empty() {
        line("content-length", &check.body.len().to_string());
    }
    if check.version != "HTTP/1.0" {
        line("connection", "close");
    }
    text.push_str("\r\n");
    text.push_str(&check.body);
    text.into_bytes()
}

/// What the rules say of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More bytes are needed.
    More,
    /// It is over.
    Done {
        status: CheckStatus,
        code: u16,
        info: String,
    },
}

/// Judges what has come so far; `last` when nothing more will.
pub(super) fn judge(check: &HttpCheck, received: &[u8], last: bool) -> Verdict {
    let head = match Head::parse(received) {
        Parsed::Head(head) => head,
        Parsed::Partial if !last => return Verdict::More,
        Parsed::Partial | Parsed::Invalid => return failed(CheckStatus::Layer7Response, 0, ""),
    };
    let default = [HttpExpect {
        pattern: HttpPattern::Status(vec![(200, 399)]),
        inverse: false,
        comment: None,
    }];
    let expects = match &check.expects[..] {
        [] => &default[..],
        expects => expects,
    };
    let body = Body::of(&head, &received[head.length..]);
    let complete = last || body.complete;
    for expect in expects {
        let (matched, status, reason) = match &expect.pattern {
            HttpPattern::Status(ranges) => (
                ranges
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&head.code)),
                CheckStatus::Layer7Status,
                head.reason.as_str(),
            ),
            HttpPattern::StatusRegex(regex) => (
                regex.is_match(head.code.to_string().as_bytes()),
                CheckStatus::Layer7Status,
                head.reason.as_str(),
            ),
            HttpPattern::String(_) | HttpPattern::Regex(_) => {
                if body.data.is_empty() {
                    if !complete {
                        return Verdict::More;
                    }
                    let reason = "HTTP content check could not find a response body";
                    return failed(CheckStatus::Layer7Response, head.code, reason);
                }
                let matched = match &expect.pattern {
                    HttpPattern::String(text) => contains(&body.data, text.as_bytes()),
                    HttpPattern::Regex(regex) => regex.is_match(&body.data),
                    _ => false,
                };
                if !matched && !complete {
                    return Verdict::More;
                }
                let reason = match expect.inverse {
                    true => "HTTP check matched unwanted content",
                    false => "HTTP content check did not match",
                };
                (matched, CheckStatus::Layer7Response, reason)
            }
        };
        if matched == expect.inverse {
            let mut reason = reason.to_owned();
            if let Some(comment) = &expect.comment {
                reason.push_str(" comment: ");
                reason.push_str(comment);
            }
            return failed(status, head.code, &reason);
        }
    }
    Verdict::Done {
        status: CheckStatus::Layer7Ok,
        code: head.code,
        info: String::new(),
    }
}

fn failed(status: CheckStatus, code: u16, info: &str) -> Verdict {
    Verdict::Done {
        status,
        code,
        info: info.to_owned(),
    }
}

pub(super) fn contains(data: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || data.windows(wanted.len()).any(|window| window == wanted)
}

/// The first line and the headers that matter.
struct Head {
    code: u16,
    reason: String,
    length: usize,
    content_length: Option<usize>,
    chunked: bool,
}

enum Parsed {
    Head(Head),
    Partial,
    Invalid,
}

impl Head {
    fn parse(received: &[u8]) -> Parsed {
        let start = received.len().min(5);
        if received[..start] != b"HTTP/"[..start] {
            return Parsed::Invalid;
        }
        let end = received.windows(4).position(|window| window == b"\r\n\r\n");
        let end = match end {
            Some(end) => end,
            // A first line that is no status line need not be waited out.
            None => return Parsed::Partial,
        };
        let text = String::from_utf8_lossy(&received[..end]);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let code = words.next().and_then(|word| word.parse::<u16>().ok());
        let (Some(code @ 100..=999), "HTTP/1.0" | "HTTP/1.1") = (code, version) else {
            return Parsed::Invalid;
        };
        let mut head = Self {
            code,
            reason: words.next().unwrap_or_default().trim().to_owned(),
            length: end + 4,
            content_length: None,
            chunked: false,
        };
        for (number, line) in lines.enumerate() {
            let Some((name, value)) = line.split_once(':') else {
                return Parsed::Invalid;
            };
            if number >= HEADERS_MAX {
                return Parsed::Invalid;
            }
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                match value.parse() {
                    Ok(length) => head.content_length = Some(length),
                    Err(_) => return Parsed::Invalid,
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.to_ascii_lowercase().contains("chunked");
            }
        }
        Parsed::Head(head)
    }
}

struct Body {
    data: Vec<u8>,
    complete: bool,
}

impl Body {
    fn of(head: &Head, received: &[u8]) -> Self {
        if head.chunked {
            return Self::of_chunks(received);
        }
        match head.content_length {
            Some(length) => Self {
                data: received[..received.len().min(length)].to_vec(),
                complete: received.len() >= length,
            },
            None => Self {
                data: received.to_vec(),
                complete: false,
            },
        }
    }

    /// Whole chunks, and no complaint about what is not one: the text is searched, not believed.
    fn of_chunks(mut rest: &[u8]) -> Self {
        let mut data = Vec::new();
        loop {
            let line = rest.windows(2).position(|window| window == b"\r\n");
            let size = line.and_then(|end| {
                let text = std::str::from_utf8(&rest[..end]).ok()?;
                let digits = text.split(';').next()?.trim();
                Some((end + 2, usize::from_str_radix(digits, 16).ok()?))
            });
            let Some((start, size)) = size else {
                return Self {
                    data,
                    complete: false,
                };
            };
            if size == 0 {
                return Self {
                    data,
                    complete: true,
                };
            }
            let end = start.saturating_add(size);
            let Some(chunk) = rest.get(start..end) else {
                return Self {
                    data,
                    complete: false,
                };
            };
            data.extend_from_slice(chunk);
            rest = rest.get(end + 2..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expecting(pattern: HttpPattern, inverse: bool) -> HttpCheck {
        HttpCheck {
            expects: vec![HttpExpect {
                pattern,
                inverse,
                comment: None,
            }],
            ..HttpCheck::default()
        }
    }

    fn done(status: CheckStatus, code: u16, info: &str) -> Verdict {
        failed(status, code, info)
    }

    #[test]
    fn requests_are_haproxys_byte_for_byte() {
        assert_eq!(
            request(&HttpCheck::default()),
            b"OPTIONS / HTTP/1.0\r\n\r\n"
        );
        let check = HttpCheck {
            method: "POST".into(),
            uri: "/y".into(),
            version: "HTTP/1.1".into(),
            headers: vec![("Host".into(), "h".into())],
            body: "hello".into(),
            ..HttpCheck::default()
        };
        let expected =
            "POST /y HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
        assert_eq!(request(&check), expected.as_bytes());
    }

    #[test]
    fn statuses_are_judged_as_soon_as_the_head_is_there() {
        let check = HttpCheck::default();
        assert_eq!(judge(&check, b"HTTP/1.1 200 OK\r\n", false), Verdict::More);
        let ok = judge(&check, b"HTTP/1.1 200 OK\r\n\r\n", false);
        assert_eq!(ok, done(CheckStatus::Layer7Ok, 200, ""));
        let bad = judge(&check, b"HTTP/1.0 503 Service Unavailable\r\n\r\n", false);
        assert_eq!(
            bad,
            done(CheckStatus::Layer7Status, 503, "Service Unavailable")
        );
        assert_eq!(
            judge(&check, b"SSH-2.0", false),
            done(CheckStatus::Layer7Response, 0, "")
        );
        assert_eq!(
            judge(&check, b"", true),
            done(CheckStatus::Layer7Response, 0, "")
        );
    }

    #[test]
    fn bodies_are_searched_whatever_their_frame() {
        let check = expecting(HttpPattern::String("role:primary".into()), false);
        let head = "HTTP/1.1 200 OK\r\n";
        for frame in [
            "Content-Length: 14\r\n\r\n[role:primary]",
            "Transfer-Encoding: chunked\r\n\r\n6\r\n[role:\r\n8\r\nprimary]\r\n0\r\n\r\n",
            "\r\n[role:primary]",
        ] {
            let text = format!("{head}{frame}");
            let verdict = judge(&check, text.as_bytes(), false);
            assert_eq!(verdict, done(CheckStatus::Layer7Ok, 200, ""), "{frame}");
        }
        let text = format!("{head}Content-Length: 4\r\n\r\nnone");
        let expected = done(
            CheckStatus::Layer7Response,
            200,
            "HTTP content check did not match",
        );
        assert_eq!(judge(&check, text.as_bytes(), false), expected);
    }

    proptest! {
        #[test]
        fn no_response_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), last: bool) {
            let check = expecting(HttpPattern::String("x".into()), true);
            let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            let _ = judge(&check, &bytes, last);
            response.extend(bytes);
            let _ = judge(&check, &response, last);
        }
    }
}
