//! What a health check does: `option tcp-check`, `pgsql-check`, `httpchk` and the `tcp-check` and
//! `http-check` lines (configuration.txt 4.2), as steps.

use regex::bytes::Regex;
use squall_host::diagnostic::Origin;

use super::Notes;
use super::value;

/// What is done to a server to see whether it lives.
#[derive(Clone, Debug, Default)]
pub enum CheckKind {
    /// A connection, nothing else: no `option` given.
    #[default]
    Connect,
    /// `option tcp-check` with its rules; without rules a connection.
    Tcp(Vec<Step>),
    /// `option pgsql-check user NAME`.
    Pgsql {
        /// The user of the startup message.
        user: String,
    },
    /// `option httpchk`.
    Http(HttpCheck),
}

/// One `tcp-check` line.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// `comment`.
    pub comment: Option<String>,
}

/// What one step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// `connect [port N]`: a new connection.
    Connect {
        /// Instead of the server's.
        port: Option<u16>,
    },
    /// `send`, `send-binary`.
    Send(Vec<u8>),
    /// `expect`.
    Expect(Expect),
}

/// What must (or must not) be in what was received.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What is looked for.
    pub pattern: Pattern,
    /// `!`
    pub inverse: bool,
    /// Bytes that must be there before a mismatch counts.
    pub min_recv: Option<usize>,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// `string`
    String(String),
    /// `rstring`
    Regex(Regex),
    /// `binary`
    Binary(Vec<u8>),
    /// `rbinary`: on the hexadecimal text of the bytes
    HexRegex(Regex),
}

/// `option httpchk`, `http-check send`, `http-check expect`.
#[derive(Clone, Debug)]
pub struct HttpCheck {
    /// `OPTIONS` unless said otherwise.
    pub method: String,
    /// `/` unless said otherwise.
    pub uri: String,
    /// `HTTP/1.0` unless said otherwise.
    pub version: String,
    /// More headers, in order.
    pub headers: Vec<(String, String)>,
    /// A body; `Content-Length` follows from it.
    pub body: String,
    /// All must hold; none means any status from 200 to 399.
    pub expects: Vec<HttpExpect>,
}

/// One `http-check expect` line.
#[derive(Clone, Debug)]
pub struct HttpExpect {
    /// What is looked for.
    pub pattern: HttpPattern,
    /// `!`
    pub inverse: bool,
    /// `comment`
    pub comment: Option<String>,
}

/// What is looked for in a response.
#[derive(Clone, Debug)]
pub enum HttpPattern {
    /// `status 200,300-399`
    Status(Vec<(u16, u16)>),
    /// `rstatus`
    StatusRegex(Regex),
    /// `string`, in the body
    String(String),
    /// `rstring`, in the body
    Regex(Regex),
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            method: "OPTIONS".to_owned(),
            uri: "/".to_owned(),
            version: "HTTP/1.0".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            expects: Vec::new(),
        }
    }
}

/// Which check the `option` lines chose, and the rules of both kinds until it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckLines {
    pub(crate) chosen: Chosen,
    pub(crate) tcp: Vec<Step>,
    pub(crate) http: HttpCheck,
    pub(crate) pgsql_user: String,
    pub(crate) rules_origin: Option<(Origin, &'static str)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Chosen {
    #[default]
    Nothing,
    Tcp,
    Pgsql,
    Http,
}

impl CheckLines {
    /// The check that the lines of a section, and of its defaults, amount to.
    pub(crate) fn finish(&self, notes: &mut Notes) -> CheckKind {
        if let Some((origin, wanted)) = &self.rules_origin {
            let fits = match *wanted {
                "tcp-check" => self.chosen == Chosen::Tcp,
                _ => self.chosen == Chosen::Http,
            };
            if !fits {
                let option = if *wanted == "tcp-check" {
                    "tcp-check"
                } else {
                    "httpchk"
                };
                notes.without_effect(origin, format!("{wanted} without 'option {option}'"));
            }
        }
        match self.chosen {
            Chosen::Nothing => CheckKind::Connect,
            Chosen::Tcp => CheckKind::Tcp(self.tcp.clone()),
            Chosen::Pgsql => CheckKind::Pgsql {
                user: self.pgsql_user.clone(),
            },
            Chosen::Http => CheckKind::Http(self.http.clone()),
        }
    }

    /// `option httpchk [method] uri [version]`.
    pub(crate) fn option_httpchk(&mut self, words: &[String]) {
        self.chosen = Chosen::Http;
        match words {
            [] => {}
            [uri] => self.http.uri.clone_from(uri),
            [method, uri, rest @ ..] => {
                self.http.method.clone_from(method);
                self.http.uri.clone_from(uri);
                // Old files put headers behind the version: "HTTP/1.1\r\nHost:\ www".
                if let Some(version) = rest.first() {
                    let text = rest.join(" ");
                    let mut lines = text.split("\r\n");
                    self.http.version = lines.next().unwrap_or(version).trim().to_owned();
                    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
                        let header = (name.trim().to_owned(), value.trim().to_owned());
                        self.http.headers.push(header);
                    }
                }
            }
        }
    }

    /// `option pgsql-check user NAME`.
    pub(crate) fn option_pgsql(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        match words {
            [user, name] if user == "user" && !name.is_empty() => {
                self.chosen = Chosen::Pgsql;
                self.pgsql_user.clone_from(name);
            }
            _ => notes.wrong(origin, "'option pgsql-check' wants 'user <username>'"),
        }
    }

    /// A `tcp-check` line.
    pub(crate) fn tcp_check(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        self.rules_origin = Some((origin.clone(), "tcp-check"));
        if words.first().is_some_and(|word| word == "comment") {
            return;
        }
        if let Some(step) = tcp_step(words, origin, notes) {
            self.tcp.push(step);
        }
    }

    /// An `http-check` line.
    pub(crate) fn http_check(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        self.rules_origin = Some((origin.clone(), "http-check"));
        let rest = words.get(1..).unwrap_or_default();
        match words.first().map(String::as_str) {
            Some("expect") => {
                if let Some(expect) = http_expect(rest, origin, notes) {
                    self.http.expects.push(expect);
                }
            }
            Some("send") => self.http_send(rest, origin, notes),
            Some("comment") => {}
            Some("send-state") => {
                notes.unsupported(origin, "http-check send-state", "");
            }
            Some(other) => {
                let help = "http-check send and http-check expect are played";
                notes.unsupported(origin, &format!("http-check {other}"), help);
            }
            None => notes.wrong(origin, "'http-check' wants a rule"),
        }
    }

    fn http_send(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned();
            let done = match word.as_str() {
                "meth" => value().map(|value| self.http.method = value),
                "uri" => value().map(|value| self.http.uri = value),
                "ver" => value().map(|value| self.http.version = value),
                "body" => value().map(|value| self.http.body = value),
                "hdr" => value()
                    .zip(value())
                    .map(|header| self.http.headers.push(header)),
                "comment" => value().map(drop),
                other => {
                    notes.unsupported(origin, &format!("http-check send {other}"), "");
                    return;
                }
            };
            if done.is_none() {
                notes.wrong(origin, format!("'http-check send {word}' wants a value"));
                return;
            }
        }
    }
}

fn tcp_step(words: &[String], origin: &Origin, notes: &mut Notes) -> Option<Step> {
    let (rule, rest) = words.split_first().or_else(|| {
        notes.wrong(origin, "'tcp-check' wants a rule");
        None
    })?;
    let mut comment = None;
    let action = match rule.as_str() {
        "connect" => Action::Connect {
            port: tcp_connect(rest, &mut comment, origin, notes)?,
        },
        "send" | "send-binary" => {
            let data = rest.first().or_else(|| {
                notes.wrong(origin, format!("'tcp-check {rule}' wants data"));
                None
            })?;
            if rest.get(1).is_some_and(|word| word == "comment") {
                comment = rest.get(2).cloned();
            }
            Action::Send(match rule.as_str() {
                "send" => data.as_bytes().to_vec(),
                _ => notes.take(origin, hex(data))?,
            })
        }
        "expect" => {
            let head = ExpectHead::read(rest, origin, notes)?;
            comment = head.comment;
            let text = head.pattern;
            let pattern = match head.kind.as_str() {
                "string" => Pattern::String(text),
                "rstring" => Pattern::Regex(notes.take(origin, regex(&text))?),
                "binary" => Pattern::Binary(notes.take(origin, hex(&text))?),
                "rbinary" => Pattern::HexRegex(notes.take(origin, regex(&text))?),
                other => {
                    notes.unsupported(origin, &format!("tcp-check expect {other}"), "");
                    return None;
                }
            };
            Action::Expect(Expect {
                pattern,
                inverse: head.inverse,
                min_recv: head.min_recv,
            })
        }
        other => {
            let help = "tcp-check connect, send, send-binary and expect are played";
            notes.unsupported(origin, &format!("tcp-check {other}"), help);
            return None;
        }
    };
    Some(Step { action, comment })
}

fn tcp_connect(
    words: &[String],
    comment: &mut Option<String>,
    origin: &Origin,
    notes: &mut Notes,
) -> Option<Option<u16>> {
    let mut port = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().map(String::as_str).unwrap_or_default();
        match word.as_str() {
            "default" | "linger" => {}
            "port" => port = Some(notes.take(origin, value::port(value()))?),
            "comment" => *comment = Some(value().to_owned()),
            other => {
                notes.unsupported(origin, &format!("tcp-check connect {other}"), "");
                return None;
            }
        }
    }
    Some(port)
}

/// What `tcp-check expect` and `http-check expect` share.
struct ExpectHead {
    kind: String,
    pattern: String,
    inverse: bool,
    min_recv: Option<usize>,
    comment: Option<String>,
}

impl ExpectHead {
    fn read(words: &[String], origin: &Origin, notes: &mut Notes) -> Option<Self> {
        let (mut inverse, mut min_recv, mut comment) = (false, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "!" => inverse = !inverse,
                "comment" => comment = words.next().cloned(),
                "min-recv" => {
                    let value = words.next().map(String::as_str).unwrap_or_default();
                    let number = value::number("min-recv", value, 0..=i32::MAX as u32);
                    min_recv = Some(notes.take(origin, number)? as usize);
                }
                "ok-status" | "error-status" | "tout-status" | "on-success" | "on-error"
                | "status-code" => {
                    notes.unsupported(origin, &format!("expect {word}"), "");
                    return None;
                }
                kind => {
                    let kind = match kind.strip_prefix('!') {
                        Some(kind) => {
                            inverse = !inverse;
                            kind
                        }
                        None => kind,
                    };
                    // The rest of the line is the pattern.
                    let pattern = words.map(String::as_str).collect::<Vec<_>>().join(" ");
                    if pattern.is_empty() {
                        notes.wrong(origin, format!("'expect {kind}' wants a pattern"));
                        return None;
                    }
                    return Some(Self {
                        kind: kind.to_owned(),
                        pattern,
                        inverse,
                        min_recv,
                        comment,
                    });
                }
            }
        }
        notes.wrong(origin, "'expect' wants something to match, as 'string ok'");
        None
    }
}

fn http_expect(words: &[String], origin: &Origin, notes: &mut Notes) -> Option<HttpExpect> {
    let head = ExpectHead::read(words, origin, notes)?;
    let text = head.pattern;
    let pattern = match head.kind.as_str() {
        "status" => HttpPattern::Status(notes.take(origin, statuses(&text))?),
        "rstatus" => HttpPattern::StatusRegex(notes.take(origin, regex(&text))?),
        "string" => HttpPattern::String(text),
        "rstring" => HttpPattern::Regex(notes.take(origin, regex(&text))?),
        other => {
            notes.unsupported(origin, &format!("http-check expect {other}"), "");
            return None;
        }
    };
    Some(HttpExpect {
        pattern,
        inverse: head.inverse,
        comment: head.comment,
    })
}

fn statuses(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let one = |word: &str| {
        let code: u16 = word
            .parse()
            .map_err(|_| format!("'{word}' is no status code"))?;
        if (100..=999).contains(&code) {
            Ok(code)
        } else {
            Err(format!("'{word}' is no status code"))
        }
    };
    text.split(',')
        .map(|range| match range.split_once('-') {
            Some((from, to)) => Ok((one(from)?, one(to)?)),
            None => one(range).map(|code| (code, code)),
        })
        .collect()
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().to_owned();
        format!("'{text}' is no regular expression: {reason}")
    })
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("'{text}' is not a string of hexadecimal digit pairs");
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(bad());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| bad()))
        .collect()
}
