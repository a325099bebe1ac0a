//! HTTP/1.1 calls to one server over kept connections, and what is known after a call that failed:
//! that nothing was sent, or nothing at all.
//!
//! Deliberately absent: any retry but the one that cannot be told apart from a first try (a kept
//! connection turned out dead before anything was sent on it); any knowledge of what is called.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use squall_host::launch::chain;
use squall_host::net::Net;
use tokio::time::{Instant, timeout};

use crate::config::StoreAddress;
use crate::metrics::Metrics;

/// Connections without work that are kept.
const IDLE_MAX: usize = 64;
/// A connection that had no work for so long is not trusted: servers close theirs, ours after 30 s.
const IDLE_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest answer: a list of about a million accounts.
const ANSWER_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// The header that makes a repeated transaction harmless.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Calls to one server.
pub(crate) struct Client {
    net: Net,
    server: StoreAddress,
    host: HeaderValue,
    timeout: Duration,
    idle: Mutex<Vec<Line>>,
    metrics: Arc<Metrics>,
}

/// A connection that is ready for a request.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    used: Instant,
    is_kept: bool,
}

/// What is asked.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Bytes,
    pub(crate) idempotency_key: Option<HeaderValue>,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The server has not seen the request and never will.
    #[error("{0}")]
    NotSent(String),
    /// The server may have done what it was asked, may do it yet, or never.
    #[error("{0}")]
    Unknown(String),
}

impl Call {
    /// A `GET`.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: Bytes::new(),
            idempotency_key: None,
        }
    }

    /// A `POST` of JSON.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            body: body.into(),
            idempotency_key: None,
        }
    }
}

impl Client {
    pub(crate) fn new(
        net: Net,
        server: StoreAddress,
        timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        let host = HeaderValue::try_from(server.to_string());
        Self {
            net,
            host: host.unwrap_or_else(|_| HeaderValue::from_static("kvstore")),
            server,
            timeout,
            idle: Mutex::default(),
            metrics,
        }
    }

    /// Makes the call: connects if need be, sends, and reads the whole answer.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        loop {
            let line = self.line().await?;
            let is_kept = line.is_kept;
            match self.send(line, call).await {
                // The server had closed it. The next one is another kept one, or new.
                Err(CallError::NotSent(_)) if is_kept => {}
                outcome => return outcome,
            }
        }
    }

    /// A connection: one that was kept, or a new one.
    pub(crate) async fn line(&self) -> Result<Line, CallError> {
        let why = match timeout(self.timeout, self.kept_or_new()).await {
            Ok(Ok(line)) => return Ok(line),
            Ok(Err(why)) => why,
            Err(_) => format!("no connection within {:?}", self.timeout),
        };
        self.metrics.store_calls.add();
        Err(CallError::NotSent(format!("{}: {why}", self.server)))
    }

    async fn kept_or_new(&self) -> Result<Line, String> {
        loop {
            let kept = self.idle().pop();
            let Some(mut line) = kept else { break };
            if line.used.elapsed() < IDLE_TIME_MAX && line.sender.ready().await.is_ok() {
                return Ok(line);
            }
        }
        let connecting = self.net.connect_name(&self.server.host, self.server.port);
        let stream = connecting.await.map_err(|error| chain(&error))?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| chain(&error))?;
        // It ends with the connection; whoever waits for an answer hears of its errors.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Line {
            sender,
            used: Instant::now(),
            is_kept: false,
        })
    }

    /// Makes the call on this connection, which is kept for another if it can be.
    pub(crate) async fn send(&self, mut line: Line, call: &Call) -> Result<Answer, CallError> {
        self.metrics.store_calls.add();
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.path.parse().map_err(|error| {
            CallError::NotSent(format!("{}: {error}", call.path)) // only a path that is far too long
        })?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &call.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        let asking = async {
            let sent = line.sender.try_send_request(request).await;
            let response = sent.map_err(|mut error| {
                let is_unsent = error.take_message().is_some();
                let why = self.told(call, &chain(error.error()));
                match is_unsent {
                    true => CallError::NotSent(why),
                    false => CallError::Unknown(why),
                }
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| {
                CallError::Unknown(self.told(call, &format!("status {status}, then {error}")))
            })?;
            let body = body.to_bytes();
            Ok(Answer { status, body })
        };
        let late = || {
            let why = format!("no answer within {:?}", self.timeout);
            Err(CallError::Unknown(self.told(call, &why)))
        };
        let outcome = timeout(self.timeout, asking).await;
        let outcome = outcome.unwrap_or_else(|_| late());
        match &outcome {
            Ok(_) => self.keep(line),
            Err(CallError::Unknown(_)) => self.metrics.store_calls_unknown.add(),
            Err(CallError::NotSent(_)) => {}
        }
        outcome
    }

    /// An error as Go tells it.
    fn told(&self, call: &Call, why: &str) -> String {
        let (method, path) = (&call.method, &call.path);
        format!("{method} \"http://{}{path}\": {why}", self.server)
    }

    /// Takes a connection back, for another call.
    pub(crate) fn keep(&self, mut line: Line) {
        let mut idle = self.idle();
        if !line.sender.is_closed() && idle.len() < IDLE_MAX {
            line.used = Instant::now();
            line.is_kept = true;
            idle.push(line);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
