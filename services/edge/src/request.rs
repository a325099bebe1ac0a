//! One request and all that becomes known of it, until its line is in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};
use tokio::time::Instant;

use crate::config::location::Location;
use crate::config::server::Server;

/// What requests of one client connection share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// `$connection`.
    pub(crate) serial: u64,
    pub(crate) opened: Instant,
    /// `$connection_requests`.
    pub(crate) requests: AtomicU64,
}

impl Client {
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A request on its way through edge.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) client: Arc<Client>,
    pub(crate) started: Instant,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// `$request` of what never became a request.
    pub(crate) broken_line: Option<String>,
    pub(crate) server: Arc<Server>,
    pub(crate) location: Arc<Location>,
    /// `$host`.
    pub(crate) host: String,
    /// `$uri`: decoded, and perhaps rewritten.
    pub(crate) path: String,
    pub(crate) args: Option<String>,
    /// Whether path and arguments are still those of the request line.
    pub(crate) untouched: bool,
    /// Whether the location's prefix is that of the path.
    pub(crate) at_location: bool,
    pub(crate) internal: bool,
    /// Values of `set` and of named captures.
    pub(crate) slots: Vec<Option<String>>,
    pub(crate) captures: Vec<String>,
    /// `None` until it is read.
    pub(crate) body: Option<Bytes>,
    pub(crate) proxy_host: Arc<str>,
    pub(crate) proxy_port: u16,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) upstream_headers: HeaderMap,
    pub(crate) sent_headers: HeaderMap,
    /// 0 until it is known.
    pub(crate) status: u16,
    pub(crate) header_bytes_sent: u64,
    pub(crate) body_bytes_sent: u64,
    pub(crate) completed: bool,
    pub(crate) id: std::sync::OnceLock<String>,
}

/// One try of an upstream.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) name: Arc<str>,
    /// The first of its group, after an internal redirection to another one.
    pub(crate) opens_group: bool,
    pub(crate) status: u16,
    pub(crate) started: Instant,
    pub(crate) connect_time: Option<Duration>,
    pub(crate) header_time: Option<Duration>,
    pub(crate) response_time: Option<Duration>,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) response_bytes: u64,
}

impl Attempt {
    pub(crate) fn new(name: Arc<str>, opens_group: bool) -> Self {
        Self {
            name,
            opens_group,
            status: 0,
            started: Instant::now(),
            connect_time: None,
            header_time: None,
            response_time: None,
            bytes_received: 0,
            bytes_sent: 0,
            response_bytes: 0,
        }
    }
}

impl Request {
    pub(crate) fn new(
        client: Arc<Client>,
        server: Arc<Server>,
        slots: usize,
        parts: Parts,
    ) -> Self {
        Self {
            client,
            started: Instant::now(),
            location: server.fallback.clone(),
            server,
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            broken_line: None,
            host: String::new(),
            path: String::new(),
            args: None,
            untouched: true,
            at_location: true,
            internal: false,
            slots: vec![None; slots],
            captures: Vec::new(),
            body: None,
            proxy_host: "".into(),
            proxy_port: 0,
            attempts: Vec::new(),
            upstream_headers: HeaderMap::new(),
            sent_headers: HeaderMap::new(),
            status: 0,
            header_bytes_sent: 0,
            body_bytes_sent: 0,
            completed: false,
            id: std::sync::OnceLock::new(),
        }
    }

    /// What never became a request, for the log alone.
    pub(crate) fn broken(
        client: Arc<Client>,
        server: Arc<Server>,
        slots: usize,
        line: String,
    ) -> Self {
        let (parts, ()) = http::Request::new(()).into_parts();
        client.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = Self::new(client, server, slots, parts);
        let mut words = line.split(' ');
        // Where the line itself was good, it says as much as that of a request.
        if let (Some(method), Some(uri), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
            && let Ok(method) = method.parse()
            && let Ok(uri) = uri.parse::<Uri>()
            && uri.path().starts_with('/')
        {
            request.path = uri.path().to_owned();
            request.args = uri.query().map(str::to_owned);
            request.method = method;
            request.uri = uri;
        }
        request.broken_line = Some(line);
        request
    }

    /// Whether not even its first line could be made sense of.
    pub(crate) fn is_nameless(&self) -> bool {
        self.broken_line.is_some() && self.path.is_empty()
    }

    /// The path and query of the request line, as it came.
    pub(crate) fn raw_uri(&self) -> &str {
        match self.uri.path_and_query() {
            Some(path_and_query) => path_and_query.as_str(),
            None => "/",
        }
    }

    pub(crate) fn version_text(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }
}
