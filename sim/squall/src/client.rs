//! HTTP load of a test's own: who sends what, how often, and how long it waits.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use squall_host::{Diagnostic, Origin};
use squall_scenario::file::client::{PAUSE_MIN, TIMEOUT};
use squall_scenario::file::{self, Draws, Extract, Located, Pace, Url};

use crate::test::here;

/// A client in the making; its methods can be chained.
pub struct Client<'a> {
    pub(crate) client: &'a mut file::Client,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
}

impl Client<'_> {
    /// So many requests a second, whether or not they are answered (open loop).
    #[track_caller]
    pub fn rate(mut self, per_s: u32) -> Self {
        match Duration::from_secs(1).checked_div(per_s) {
            Some(period) if !period.is_zero() => self.client.pace = Pace::Open { period },
            _ => self.problem("a rate of nothing", "leave the client out"),
        }
        self.client.users = 1;
        self
    }

    /// So many users who send a request, wait for its answer, and pause (closed loop).
    #[track_caller]
    pub fn users(mut self, users: u32, pause: Duration) -> Self {
        if pause < PAUSE_MIN {
            let message = "users who do not pause would never let time pass when they are refused";
            self.problem(message, "let them pause for at least 1 ms");
        } else if users == 0 {
            self.problem("no user", "leave the client out");
        } else {
            self.client.pace = Pace::Closed { pause };
            self.client.users = users;
        }
        self
    }

    /// Sends this in place of a `GET`.
    pub fn method(self, method: Method, body: &str) -> Self {
        self.client.method = method;
        self.client.body = body.to_owned();
        self
    }

    /// With this header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.client.headers.push((name, value)),
            _ => self.problem(
                &format!("`{name}: {value}` is no header that can be sent"),
                "use letters, digits and `-` for its name, visible characters for its value",
            ),
        }
        self
    }

    /// From resolving the name to the end of the answer; 30 s unless said otherwise.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.client.timeout = timeout;
        self
    }

    /// Uses a connection for more than one request.
    pub fn keep_alive(self) -> Self {
        self.client.keep_alive = true;
        self
    }

    /// Where the JSON of an answer says who served it, as `$.backend_id`.
    #[track_caller]
    pub fn backend(mut self, place: &str) -> Self {
        match Extract::json(place) {
            Some(place) => self.client.backend = Some(place),
            None => self.problem(
                &format!("`{place}` is no place in an answer"),
                "write `$.backend_id` for a key of its JSON",
            ),
        }
        self
    }

    #[track_caller]
    fn problem(&mut self, message: &str, help: &str) {
        let problem = Diagnostic::at(here(), message);
        self.problems.push(problem.help(help));
    }
}

/// `GET` ten times in a second.
pub(crate) fn client(
    name: &str,
    url: &str,
    here: &Origin,
    problems: &mut Vec<Diagnostic>,
) -> file::Client {
    let line = here.line;
    // RFC 5737's addresses for examples; no run sees it.
    let nowhere = Url {
        host: "192.0.2.1".to_owned(),
        port: 80,
        path: "/".to_owned(),
    };
    let target = Url::parse(url).unwrap_or_else(|why| {
        let message = format!("`{url}` is no address that a client can call: {why}");
        problems.push(Diagnostic::at(here.clone(), message).help("write for example http://api/"));
        nowhere
    });
    file::Client {
        name: Located {
            line,
            value: name.to_owned(),
        },
        method: Method::GET,
        url: Located {
            line,
            value: target,
        },
        headers: Vec::new(),
        body: String::new(),
        draws: Draws::default(),
        pace: Pace::Open {
            period: Duration::from_millis(100),
        },
        users: 1,
        timeout: TIMEOUT,
        keep_alive: false,
        keep_body: false,
        backend: None,
        database: None,
        value: None,
    }
}
