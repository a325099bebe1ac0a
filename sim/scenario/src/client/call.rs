//! One HTTP request over the host's network, and what is read from its answer.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use regex::Regex;
use squall_host::Host;
use squall_record::{Failure, Outcome};
use tokio::task::AbortHandle;

use crate::client::draft::Draft;
use crate::client::metric;
use crate::file::{Client, Extract};
use crate::recorder::Servers;

/// The longest answer that is read.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The most connections that are kept for later.
const IDLE_MAX: usize = 256;

/// Sends the requests of one client.
pub(super) struct Caller {
    host: Host,
    client: Arc<Client>,
    /// The client's regular expressions, by their text.
    patterns: BTreeMap<String, Regex>,
    /// Connections that can be used again, the last used at the end.
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closes the socket at once, also when an answer is still on its way.
        self.task.abort();
    }
}

impl Caller {
    pub(super) fn new(host: Host, client: Arc<Client>) -> Self {
        let places = [&client.backend, &client.database, &client.value].into_iter();
        let patterns = places.filter_map(|place| match place {
            // The scenario's reader took it for one.
            Some(Extract::Text(text)) => Some((text.clone(), Regex::new(text).ok()?)),
            _ => None,
        });
        Self {
            patterns: patterns.collect(),
            host,
            client,
            idle: Mutex::default(),
        }
    }

    /// Sends one request; comes back within the client's timeout.
    pub(super) async fn call(&self, draft: Draft) -> (Outcome, Servers) {
        let failed = |failure| (Outcome::Failure(failure), Servers::default());
        match tokio::time::timeout(self.client.timeout, self.exchange(draft)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => failed(failure),
            Err(_) => failed(Failure::Timeout),
        }
    }

    async fn exchange(&self, draft: Draft) -> Result<(Outcome, Servers), Failure> {
        let mut request = self.request(draft);
        while let Some(mut connection) = self.take_idle() {
            match connection.sender.try_send_request(request).await {
                Ok(response) => return self.finish(connection, response).await,
                // The server closed it while it lay idle, before any of the request was sent: every
                // HTTP client takes another connection then (RFC 9112, 9.3.1).
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(of_http(&error.into_error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.sender.send_request(request).await;
        self.finish(connection, response.map_err(|error| of_http(&error))?)
            .await
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let url = &self.client.url.value;
        let addresses = self.host.net.resolve(&url.host).await;
        let mut failure = Failure::NoSuchName;
        for address in addresses.unwrap_or_default() {
            match self.host.net.connect((address, url.port).into()).await {
                Ok(stream) => {
                    let (sender, connection) = http1::handshake(TokioIo::new(stream))
                        .await
                        .map_err(|error| of_http(&error))?;
                    let task = tokio::spawn(async move {
                        // Its error is the request's error, too, which is where it is counted.
                        drop(connection.await);
                    });
                    let task = task.abort_handle();
                    return Ok(Connection { sender, task });
                }
                Err(error) => failure = of_io(&error),
            }
        }
        Err(failure)
    }

    async fn finish(
        &self,
        connection: Connection,
        response: Response<Incoming>,
    ) -> Result<(Outcome, Servers), Failure> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| {
                let http = error.downcast_ref::<hyper::Error>();
                http.map_or(Failure::Malformed, of_http)
            })?;
        let body = body.to_bytes();
        let servers = self.servers(&head.headers, &body);
        if self.client.keep_alive {
            self.put_idle(connection);
        }
        Ok((Outcome::Status(head.status.as_u16()), servers))
    }

    fn request(&self, draft: Draft) -> Request<Full<Bytes>> {
        let client = &self.client;
        let mut request = Request::new(Full::from(draft.body));
        *request.method_mut() = client.method.clone();
        let headers = request.headers_mut();
        let url = &client.url.value;
        let host = match url.port {
            80 => url.host.clone(),
            port => format!("{}:{port}", url.host),
        };
        // The scenario's reader took the address for one, so its parts fit into a request.
        headers.extend(
            HeaderValue::try_from(host)
                .ok()
                .map(|host| (header::HOST, host)),
        );
        headers.insert(header::USER_AGENT, HeaderValue::from_static("squall"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in draft.headers {
            headers.insert(name, value);
        }
        *request.uri_mut() = draft.path.parse().unwrap_or_default();
        request
    }

    fn servers(&self, headers: &HeaderMap, body: &[u8]) -> Servers {
        let (backend, database, value) = (
            &self.client.backend,
            &self.client.database,
            &self.client.value,
        );
        let is_json = |extract: &Option<Extract>| matches!(extract, Some(Extract::Json(_)));
        let json: Option<serde_json::Value> =
            (is_json(backend) || is_json(database) || is_json(value))
                .then(|| serde_json::from_slice(body).ok())
                .flatten();
        let read = |extract: &Option<Extract>| match extract.as_ref()? {
            Extract::Header(name) => Some(headers.get(name)?.to_str().ok()?.to_owned()),
            Extract::Json(path) => at_path(json.as_ref()?, path),
            // Its judge reads it, from the proxy's log.
            Extract::Log { .. } => None,
            Extract::Metric(name) => {
                let sum = metric::sum(std::str::from_utf8(body).ok()?, name)?;
                Some(sum.to_string())
            }
            Extract::Text(pattern) => {
                let text = std::str::from_utf8(body).ok()?;
                let found = self.patterns.get(pattern)?.captures(text)?;
                Some(found.get(1)?.as_str().to_owned())
            }
        };
        Servers {
            backend: read(backend),
            database: read(database),
            value: read(value).and_then(|text| text.parse().ok()),
            body: self.client.keep_body.then(|| whole(body)).flatten(),
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        if !self.client.keep_alive {
            return None;
        }
        let mut idle = self
            .idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn put_idle(&self, connection: Connection) {
        let mut idle = self
            .idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }
}

fn at_path(json: &serde_json::Value, path: &[String]) -> Option<String> {
    let mut at = json;
    for step in path {
        at = match at {
            serde_json::Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
    }
    match at {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(at.to_string()),
        _ => None,
    }
}

fn of_http(error: &hyper::Error) -> Failure {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return match of_io(error) {
                // The kernel says so, too, of a connection whose peer is gone: the request was sent then, and
                // who reads this outcome is to know that it was not.
                Failure::Unreachable => Failure::GaveUp,
                failure => failure,
            };
        }
        source = inner.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Failure::Closed
    } else if error.is_parse() {
        Failure::Malformed
    } else {
        Failure::Other
    }
}

fn of_io(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::Reset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Failure::Unreachable,
        io::ErrorKind::TimedOut => Failure::GaveUp,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => Failure::Closed,
        _ => Failure::Other,
    }
}

/// The longest answer that is kept, in bytes: the accounts of more than a thousand users.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// The answer, as text; none of one that is too long, so that nobody takes a part for the whole.
fn whole(body: &[u8]) -> Option<String> {
    (body.len() <= KEPT_BYTES_MAX).then(|| String::from_utf8_lossy(body).into_owned())
}
