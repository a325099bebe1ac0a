//! `clients`: who sends which requests, how often, and what is read from the answers.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::draw::{self, Draws, Part, Place};
use super::{Located, duration_or};
use crate::units;
use crate::yaml::{Expect, Fields, Node, Problems, Value};

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its name, for `load:` and for reports.
    pub name: Located<String>,
    /// What it sends.
    pub method: Method,
    /// Where to.
    pub url: Located<Url>,
    /// Beside `host` and `user-agent`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// May be empty.
    pub body: String,
    /// What `${NAME}` stands for in the path, the headers and the body; drawn anew for each request.
    pub draws: Draws,
    /// How often.
    pub pace: Pace,
    /// Closed loops that run beside each other; 1 for an open loop.
    pub users: u32,
    /// From resolving the name to the end of the answer.
    pub timeout: Duration,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// Each answer is kept in the record, if it is not too long.
    pub keep_body: bool,
    /// Where the answer says who served it.
    pub backend: Option<Extract>,
    /// Where the answer says which database was behind it.
    pub database: Option<Extract>,
    /// Where the answer has a number that invariants judge.
    pub value: Option<Extract>,
}

/// When the next request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Every so often, whether or not the last one is answered (open loop).
    Open {
        /// From sending one to sending the next.
        period: Duration,
    },
    /// So long after the last one was answered (closed loop), as a script with `sleep` does.
    Closed {
        /// From an answer to the next request.
        pause: Duration,
    },
}

/// An `http://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// A name or an address.
    pub host: String,
    /// 80 unless said otherwise.
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
}

/// Where in an answer a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extract {
    /// In the JSON of the body, by keys and indexes: `$.backend_id`, `$.servers[0].name`.
    Json(Vec<String>),
    /// In a header.
    Header(HeaderName),
    /// In Prometheus' text format; of a number. The sum over the series of this name, whatever their labels.
    Metric(String),
    /// In the body as a text: the first group of this regular expression, where it fits first.
    Text(String),
    /// Not in it, but in what a proxy logs of the connection that the request made; of a database.
    Log {
        /// The proxy: a service or a workload.
        of: String,
        /// A regular expression; its first group is the name.
        matches: String,
    },
}

impl Url {
    /// Reads `http://HOST[:PORT][/PATH]`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.trim().parse().map_err(|error| format!("{error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(other) => return Err(format!("only http is spoken here, not {other}")),
            None => return Err("it does not begin with http://".to_owned()),
        }
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a user and password in it are not sent".to_owned());
        }
        let after_host = &authority.as_str()[authority.host().len()..];
        let port = match after_host.strip_prefix(':') {
            Some(port) => port
                .parse()
                .map_err(|_| "the port is no number up to 65535")?,
            None => 80,
        };
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

impl Extract {
    /// `$.a.b[0]` as `a`, `b`, `0`; `$[0].a` in a list.
    pub fn json(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let path = text.trim().strip_prefix('$')?;
        for (number, part) in path.split('.').enumerate() {
            let (key, indexes) = part
                .split_once('[')
                .map_or((part, None), |(k, i)| (k, Some(i)));
            // Before the first dot there is nothing but `$`, and what a list has in it.
            match (number, key.is_empty()) {
                (0, true) => {}
                (0, false) | (_, true) => return None,
                (_, false) => steps.push(key.to_owned()),
            }
            if let Some(indexes) = indexes {
                for index in indexes.strip_suffix(']')?.split("][") {
                    index.parse::<u32>().ok()?;
                    steps.push(index.to_owned());
                }
            }
        }
        (!steps.is_empty()).then_some(Self::Json(steps))
    }
}

/// As a browser waits, roughly: [`Client::timeout`] unless said otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The keys that say what is sent.
pub(super) const METHODS: [(&str, Method); 6] = [
    ("get", Method::GET),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("delete", Method::DELETE),
    ("patch", Method::PATCH),
    ("head", Method::HEAD),
];

/// The longest that a client may be told to wait.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The most closed loops of one client.
const USERS_MAX: u32 = 1000;

/// The shortest pause: a client that gets no answer at all would otherwise spin on the spot.
pub const PAUSE_MIN: Duration = Duration::from_millis(1);

pub(super) fn read_all(node: Option<&Node>, problems: &mut Problems) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    let Some(node) = node else {
        return clients;
    };
    for node in node.expect_list("clients", problems) {
        let Some(client) = read(node, problems) else {
            continue;
        };
        match clients
            .iter()
            .find(|other| other.name.value == client.name.value)
        {
            Some(other) => problems.add(
                client.name.line,
                format!(
                    "a second client `{}`; the first is in line {}",
                    client.name.value, other.name.line
                ),
                "give each client a name of its own",
            ),
            None => clients.push(client),
        }
    }
    clients
}

fn read(node: &Node, problems: &mut Problems) -> Option<Client> {
    let mut fields = node.fields("a client", problems)?;
    let name = fields
        .require(
            "name",
            "reports call it by its name: `name: load`",
            problems,
        )
        .and_then(|node| {
            let value = node.expect_text("name", problems)?.to_owned();
            Some(Located {
                line: node.line,
                value,
            })
        });
    let target = read_target(&mut fields, problems);
    let (headers_node, body_node) = (fields.take("headers"), fields.take("body"));
    let headers = read_headers(headers_node, problems);
    let body = body_node
        .and_then(|node| node.expect_text("body", problems))
        .unwrap_or_default();
    let places = places(target.as_ref(), headers_node, body_node);
    let draws = draw::read(&mut fields, &places, problems);
    let pace = read_pace(&mut fields, problems);
    let users = read_users(&mut fields, pace, problems);
    let timeout = duration_or(&mut fields, "timeout", TIMEOUT, problems);
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        problems.add(
            fields.line,
            "a timeout is longer than nothing and not longer than an hour",
            "write for example `timeout: 30s`",
        );
    }
    let keep_body = fields
        .take("keep_body")
        .and_then(|node| read_bool(node, "keep_body", problems))
        .unwrap_or_default();
    let keep_alive = fields
        .take("keep_alive")
        .and_then(|node| read_bool(node, "keep_alive", problems))
        .unwrap_or(false);
    let backend = read_extract(&mut fields, "backend", problems);
    let database = read_extract(&mut fields, "database", problems);
    let value = read_extract(&mut fields, "value", problems);
    fields.finish(problems);
    let (method, url) = target?;
    Some(Client {
        name: name?,
        method,
        url,
        headers,
        body: body.to_owned(),
        draws,
        pace: pace?,
        users: users?,
        timeout,
        keep_alive,
        keep_body,
        backend,
        database,
        value,
    })
}

/// Where `${NAME}` can stand.
fn places(
    target: Option<&(Method, Located<Url>)>,
    headers: Option<&Node>,
    body: Option<&Node>,
) -> Vec<Place> {
    let mut places = Vec::new();
    if let Some((_, url)) = target {
        places.push(Place {
            line: url.line,
            part: Part::Path,
            text: url.value.path.clone(),
        });
    }
    let mut add = |part, node: &Node| {
        places.extend(node.text().map(|text| Place {
            line: node.line,
            part,
            text: text.to_owned(),
        }));
    };
    if let Some(Value::Map(entries)) = headers.map(|node| &node.value) {
        entries.iter().for_each(|(_, node)| add(Part::Header, node));
    }
    body.into_iter().for_each(|node| add(Part::Body, node));
    places
}

fn read_target(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<(Method, Located<Url>)> {
    let mut found: Vec<(Method, &Node)> = Vec::new();
    for (key, method) in METHODS {
        found.extend(fields.take(key).map(|node| (method, node)));
    }
    let [(method, node)] = found.as_slice() else {
        problems.add(
            fields.line,
            format!(
                "a client sends one kind of request, and this one has {}",
                found.len()
            ),
            "write for example `get: http://localhost:8080/data`",
        );
        return None;
    };
    let text = node.expect_text("the address", problems)?;
    match Url::parse(text) {
        Ok(value) => Some((
            method.clone(),
            Located {
                line: node.line,
                value,
            },
        )),
        Err(why) => {
            let message = format!("`{text}` is no address that a client can call: {why}");
            problems.add(
                node.line,
                message,
                "write for example http://localhost:8080/data",
            );
            None
        }
    }
}

fn read_headers(node: Option<&Node>, problems: &mut Problems) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let entries = node.map(|node| node.expect_map("headers", problems));
    for (key, node) in entries.unwrap_or_default() {
        let name = HeaderName::try_from(&key.text);
        let value = node
            .expect_text(&key.text, problems)
            .map(HeaderValue::try_from);
        match (name, value) {
            (Ok(name), Some(Ok(value))) => headers.push((name, value)),
            (_, None) => {}
            (Err(_), _) => problems.add(
                key.line,
                format!("`{}` is no name of a header", key.text),
                "use letters, digits and `-`",
            ),
            (_, Some(Err(_))) => problems.add(
                node.line,
                format!("the value of `{}` cannot be sent", key.text),
                "a header's value is one line of visible characters",
            ),
        }
    }
    headers
}

fn read_pace(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Pace> {
    match (fields.take("rate"), fields.take("every")) {
        (Some(node), None) => {
            let text = node.expect_text("rate", problems)?;
            let period = problems.quantity(node.line, units::rate(text))?;
            Some(Pace::Open { period })
        }
        (None, Some(node)) => {
            let text = node.expect_text("every", problems)?;
            let pause = problems.quantity(node.line, units::duration(text))?;
            closed(pause, node.line, problems)
        }
        (rate, every) => {
            let have = if rate.and(every).is_some() {
                "both"
            } else {
                "neither"
            };
            problems.add(
                fields.line,
                format!("a client has either `rate` or `every`, and this one {have}"),
                "write `rate: 50/s` for so many a second, or `every: 500ms` for a pause after each answer",
            );
            None
        }
    }
}

pub(super) fn closed(pause: Duration, line: u32, problems: &mut Problems) -> Option<Pace> {
    if pause < PAUSE_MIN {
        let message = "a client that does not pause would never let time pass when it is refused";
        problems.add(line, message, "write at least `every: 1ms`");
        return None;
    }
    Some(Pace::Closed { pause })
}

fn read_users(fields: &mut Fields<'_>, pace: Option<Pace>, problems: &mut Problems) -> Option<u32> {
    let Some(node) = fields.take("users") else {
        return Some(1);
    };
    let text = node.expect_text("users", problems)?;
    match text.parse() {
        Ok(users) if (1..=USERS_MAX).contains(&users) => {
            if users > 1 && matches!(pace, Some(Pace::Open { .. })) {
                let message = "`users` go with `every`; a client with a `rate` is one stream";
                problems.add(node.line, message, "leave `users` out, or raise the rate");
                return None;
            }
            Some(users)
        }
        _ => {
            let message = format!("`{text}` is no number of users");
            problems.add(
                node.line,
                message,
                format!("write a number from 1 to {USERS_MAX}"),
            );
            None
        }
    }
}

fn read_bool(node: &Node, what: &str, problems: &mut Problems) -> Option<bool> {
    match node.expect_text(what, problems)? {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        other => {
            let message = format!("`{what}: {other}` is neither true nor false");
            problems.add(
                node.line,
                message,
                format!("write `{what}: true` or `{what}: false`"),
            );
            None
        }
    }
}

fn read_extract(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Extract> {
    let node = fields.take(key)?;
    if let Value::Map(_) = &node.value {
        let mut inner = node.fields("where to read a value", problems)?;
        if key == "database"
            && let Some(of) = inner.take("log")
        {
            return read_log(of, inner, problems);
        }
        if key == "value"
            && let Some(name) = inner.take("metric")
        {
            return read_metric(name, inner, problems);
        }
        if let Some(matches) = inner.take("matches") {
            inner.finish(problems);
            let help = "write for example `{matches: 'count value = ([0-9]+)'}`";
            return read_pattern(matches, help, problems).map(Extract::Text);
        }
        let header = inner.require("header", "write `{header: X-Upstream-Addr}`", problems);
        inner.finish(problems);
        let header = header?;
        let text = header.expect_text("header", problems)?;
        if let Ok(name) = HeaderName::try_from(text) {
            return Some(Extract::Header(name));
        }
        problems.add(
            header.line,
            format!("`{text}` is no name of a header"),
            "use letters, digits and `-`",
        );
        return None;
    }
    let text = node.expect_text(key, problems)?;
    let place = Extract::json(text);
    if place.is_none() {
        problems.add(
            node.line,
            format!("`{text}` is no place in an answer"),
            "write `$.backend_id` for a key of its JSON, or `{header: X-Upstream-Addr}`",
        );
    }
    place
}

/// `{metric: http_requests_total}`
fn read_metric(name: &Node, fields: Fields<'_>, problems: &mut Problems) -> Option<Extract> {
    fields.finish(problems);
    let text = name.expect_text("metric", problems)?;
    // https://prometheus.io/docs/concepts/data_model: the names that need no quotes.
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let is_name =
        text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if !is_name {
        problems.add(
            name.line,
            format!("`{text}` is no name of a metric"),
            "write its name without labels, as in `{metric: http_requests_total}`: its series are added up",
        );
        return None;
    }
    Some(Extract::Metric(text.to_owned()))
}

/// `{log: haproxy, matches: 'pg_pool/(pg[0-9]+)'}`
fn read_log(of: &Node, mut fields: Fields<'_>, problems: &mut Problems) -> Option<Extract> {
    const HELP: &str = "write for example `matches: 'pg_pool/(pg[0-9]+)'`";
    let matches = fields.require("matches", HELP, problems);
    fields.finish(problems);
    let of = of.expect_text("log", problems)?.to_owned();
    let matches = read_pattern(matches?, HELP, problems)?;
    Some(Extract::Log { of, matches })
}

/// A regular expression with a group.
fn read_pattern(node: &Node, help: &str, problems: &mut Problems) -> Option<String> {
    let text = node.expect_text("matches", problems)?;
    let why = match regex::Regex::new(text) {
        Ok(pattern) if pattern.captures_len() > 1 => return Some(text.to_owned()),
        Ok(_) => "it has no group, as `([0-9]+)`".to_owned(),
        Err(error) => {
            let why = error.to_string();
            why.lines().last().unwrap_or_default().to_owned()
        }
    };
    let message = format!("`{text}` is no regular expression that finds something: {why}");
    problems.add(node.line, message, help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        let url = Url::parse("http://localhost:8080/data?x=1").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_str()),
            ("localhost", 8080, "/data?x=1")
        );
        let url = Url::parse("http://nginx").unwrap();
        assert_eq!((url.port, url.path.as_str()), (80, "/"));
        for bad in [
            "https://x/",
            "localhost:8080",
            "/data",
            "http://",
            "http://a:99999/",
            "http://u@a/",
            "",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_in_json_are_split() {
        assert_eq!(
            Extract::json("$.a.b[0][12].c").unwrap(),
            Extract::Json(["a", "b", "0", "12", "c"].map(str::to_owned).into())
        );
        assert_eq!(
            Extract::json("$[0].a").unwrap(),
            Extract::Json(["0", "a"].map(str::to_owned).into())
        );
        for bad in [
            "a", "$", "$a", "$[0]a", "$.", "$.a..b", "$.a[x]", "$.a[0", "$.[0]",
        ] {
            assert!(Extract::json(bad).is_none(), "{bad}");
        }
    }
}
