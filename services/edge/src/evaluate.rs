//! The values of variables for a request (nginx's documentation of each module names them).

use std::fmt::Write;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName};

use crate::app::App;
use crate::clock;
use crate::config::names::Definition;
use crate::request::{Attempt, Request};
use crate::template::{Part, Template};
use crate::uri;
use crate::variables::Variable;

/// Maps whose values use maps; nginx refuses a cycle when it meets one.
const DEPTH_MAX: u8 = 16;

impl App {
    /// A template's text for a request.
    pub(crate) fn text(&self, template: &Template, request: &Request) -> String {
        let mut out = String::new();
        self.write(template, request, &mut out, 0);
        out
    }

    /// Whether a condition such as `access_log … if=` holds: neither empty nor `0`.
    pub(crate) fn holds(&self, template: &Template, request: &Request) -> bool {
        !matches!(self.text(template, request).as_str(), "" | "0")
    }

    fn write(&self, template: &Template, request: &Request, out: &mut String, depth: u8) {
        for part in template.parts() {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable) => {
                    self.value(variable, request, out, depth);
                }
            }
        }
    }

    /// Appends a variable's value; says whether it has one.
    pub(crate) fn value(
        &self,
        variable: &Variable,
        request: &Request,
        out: &mut String,
        depth: u8,
    ) -> bool {
        use Variable as V;
        match variable {
            V::Args => return optional(out, request.args.as_deref()),
            // As eight-bit characters; only its identity is of use.
            V::BinaryRemoteAddr => match request.client.peer.ip() {
                std::net::IpAddr::V4(ip) => out.extend(ip.octets().map(char::from)),
                std::net::IpAddr::V6(ip) => out.extend(ip.octets().map(char::from)),
            },
            V::BodyBytesSent => number(out, request.body_bytes_sent),
            V::BytesSent => number(out, request.header_bytes_sent + request.body_bytes_sent),
            V::Connection => number(out, request.client.serial),
            V::ConnectionRequests => number(out, request.client.requests()),
            V::ConnectionTime => seconds(out, request.client.opened.elapsed()),
            V::ContentLength => return header(out, &request.headers, &CONTENT_LENGTH),
            V::ContentType => return header(out, &request.headers, &CONTENT_TYPE),
            V::DocumentRoot => self.write(&request.location.settings.root, request, out, depth),
            V::Host if request.host.is_empty() => out.push_str(&request.server.name),
            V::Host => out.push_str(&request.host),
            V::Hostname => out.push_str(self.host.name()),
            V::IsArgs if request.args.as_ref().is_some_and(|args| !args.is_empty()) => {
                out.push('?')
            }
            V::IsArgs => {}
            V::Msec => clock::msec(out),
            V::NginxVersion => out.push_str(env!("CARGO_PKG_VERSION")),
            V::Nothing => return false,
            V::Pid => number(out, 1),
            V::Pipe => out.push('.'),
            V::ProxyAddXForwardedFor => {
                let name = HeaderName::from_static("x-forwarded-for");
                if header(out, &request.headers, &name) {
                    out.push_str(", ");
                }
                let _ = write!(out, "{}", request.client.peer.ip());
            }
            V::ProxyHost | V::ProxyPort if request.proxy_host.is_empty() => return false,
            V::ProxyHost => out.push_str(&request.proxy_host),
            V::ProxyPort => number(out, u64::from(request.proxy_port)),
            V::RemoteAddr => {
                let _ = write!(out, "{}", request.client.peer.ip());
            }
            V::RemotePort => number(out, u64::from(request.client.peer.port())),
            V::Request => match &request.broken_line {
                Some(line) => out.push_str(line),
                None => {
                    out.push_str(request.method.as_str());
                    out.push(' ');
                    if let (Some(scheme), Some(host)) =
                        (request.uri.scheme_str(), request.uri.authority())
                    {
                        let _ = write!(out, "{scheme}://{host}");
                    }
                    out.push_str(request.raw_uri());
                    out.push(' ');
                    out.push_str(request.version_text());
                }
            },
            V::RequestBody => match &request.body {
                Some(body) => out.push_str(&String::from_utf8_lossy(body)),
                None => return false,
            },
            V::RequestCompletion if request.completed => out.push_str("OK"),
            V::RequestCompletion => {}
            V::RequestFilename => out.push_str(&self.file_name(request, &request.path)),
            V::RequestId => out.push_str(request.id.get_or_init(random_id)),
            V::RequestLength => number(out, request_length(request)),
            V::RequestMethod | V::ServerProtocol if request.is_nameless() => return false,
            V::RequestMethod => out.push_str(request.method.as_str()),
            V::RequestTime => seconds(out, request.started.elapsed()),
            V::RequestUri if request.is_nameless() => return false,
            V::RequestUri => out.push_str(request.raw_uri()),
            V::Scheme => out.push_str("http"),
            V::ServerAddr => {
                let _ = write!(out, "{}", request.client.local.ip());
            }
            V::ServerName => out.push_str(&request.server.name),
            V::ServerPort => number(out, u64::from(request.client.local.port())),
            V::ServerProtocol => out.push_str(request.version_text()),
            V::Status => {
                let _ = write!(out, "{:03}", request.status);
            }
            V::TimeIso8601 => clock::iso8601(out),
            V::TimeLocal => clock::local(out),
            V::UpstreamAddr => return list(out, request, |out, a| out.push_str(&a.name)),
            V::UpstreamBytesReceived => {
                return list(out, request, |out, a| number(out, a.bytes_received));
            }
            V::UpstreamBytesSent => return list(out, request, |out, a| number(out, a.bytes_sent)),
            V::UpstreamConnectTime => {
                return list(out, request, |out, a| time(out, a.connect_time));
            }
            V::UpstreamHeaderTime => return list(out, request, |out, a| time(out, a.header_time)),
            V::UpstreamResponseLength => {
                return list(out, request, |out, a| number(out, a.response_bytes));
            }
            V::UpstreamResponseTime => {
                return list(out, request, |out, a| time(out, a.response_time));
            }
            V::UpstreamStatus => {
                return list(out, request, |out, a| match a.status {
                    0 => out.push('-'),
                    status => number(out, u64::from(status)),
                });
            }
            V::Uri if request.is_nameless() => return false,
            V::Uri => out.push_str(&request.path),
            V::Argument(name) => {
                let args = request.args.as_deref().unwrap_or_default();
                return optional(out, uri::argument(args, name));
            }
            V::Cookie(name) => return cookie(out, &request.headers, name),
            V::RequestHeader(name) => return header(out, &request.headers, name),
            V::SentHeader(name) => return header(out, &request.sent_headers, name),
            V::UpstreamHeader(name) => return header(out, &request.upstream_headers, name),
            V::Capture(at) => {
                return optional(
                    out,
                    request.captures.get(usize::from(*at)).map(String::as_str),
                );
            }
            V::Slot(slot) => match self.config.slots[*slot].definition {
                Some(Definition::Map(map)) if depth < DEPTH_MAX => {
                    self.mapped(map, request, out, depth + 1);
                }
                Some(Definition::Map(_)) => {
                    let name = &self.config.slots[*slot].name;
                    tracing::warn!("cycle while evaluating variable \"{name}\"");
                    return false;
                }
                _ => out.push_str(request.slots[*slot].as_deref().unwrap_or_default()),
            },
        }
        true
    }

    fn mapped(&self, map: usize, request: &Request, out: &mut String, depth: u8) {
        let map = &self.config.maps[map];
        let mut key = String::new();
        self.write(&map.key, request, &mut key, depth);
        let (value, pattern) = map.find(&key);
        let Some(pattern) = pattern else {
            return self.write(value, request, out, depth);
        };
        // The value may use the captures of the expression that matched.
        let captures = pattern.regex.captures(&key);
        for part in value.parts() {
            let group = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Variable(Variable::Capture(at)) => Some(usize::from(*at)),
                Part::Variable(Variable::Slot(slot)) => {
                    let named = pattern.named.iter().find(|(_, named)| named == slot);
                    named.map(|(group, _)| *group)
                }
                Part::Variable(_) => None,
            };
            match (group, &captures, part) {
                (Some(group), Some(captures), _) => {
                    out.push_str(captures.get(group).map_or("", |m| m.as_str()));
                }
                (_, _, Part::Variable(variable)) => {
                    self.value(variable, request, out, depth);
                }
                (_, _, Part::Text(_)) => {}
            }
        }
    }
}

fn number(out: &mut String, value: u64) {
    let _ = write!(out, "{value}");
}

/// Seconds with milliseconds, as nginx writes times.
fn seconds(out: &mut String, time: Duration) {
    let _ = write!(out, "{}.{:03}", time.as_secs(), time.subsec_millis());
}

fn time(out: &mut String, time: Option<Duration>) {
    match time {
        Some(time) => seconds(out, time),
        None => out.push('-'),
    }
}

fn optional(out: &mut String, value: Option<&str>) -> bool {
    out.push_str(value.unwrap_or_default());
    value.is_some()
}

/// All values of a header, joined as nginx joins them since 1.23.
fn header(out: &mut String, headers: &HeaderMap, name: &HeaderName) -> bool {
    let separator = if *name == COOKIE { "; " } else { ", " };
    let mut found = false;
    for value in headers.get_all(name) {
        if found {
            out.push_str(separator);
        }
        found = true;
        match value.to_str() {
            Ok(text) => out.push_str(text),
            Err(_) => out.push_str(&String::from_utf8_lossy(value.as_bytes())),
        }
    }
    found
}

fn cookie(out: &mut String, headers: &HeaderMap, name: &str) -> bool {
    let values = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|v| v.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';'));
    let found = pairs.find_map(|pair| {
        let (key, value) = pair.trim_start().split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(value)
    });
    optional(out, found)
}

/// One value for each attempt: `, ` between servers, ` : ` between groups.
fn list(out: &mut String, request: &Request, write: impl Fn(&mut String, &Attempt)) -> bool {
    for (at, attempt) in request.attempts.iter().enumerate() {
        if at > 0 {
            out.push_str(if attempt.opens_group { " : " } else { ", " });
        }
        write(out, attempt);
    }
    !request.attempts.is_empty()
}

fn request_length(request: &Request) -> u64 {
    let line = request.method.as_str().len() + request.raw_uri().len() + 12;
    let headers = request
        .headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len() + 4);
    let body = request.body.as_ref().map_or(0, bytes::Bytes::len);
    (line + headers.sum::<usize>() + 2 + body) as u64
}

/// `$request_id`: 16 random bytes in hexadecimal.
fn random_id() -> String {
    let mut bytes = [0; 16];
    crate::random::fill(&mut bytes);
    bytes
        .iter()
        .fold(String::with_capacity(32), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}
