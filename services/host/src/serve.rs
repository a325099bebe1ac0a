//! HTTP servers over a [`TcpListener`]: axum's own loop, and one with bounds.
//!
//! `axum::serve` works on a listener as it is, and waits for slow clients without end. [`Http`]
//! bounds what a client may do; services use it. Who asks for it gets HTTP/2 on the same socket, from
//! clients that know that it is there (gRPC); no TLS, so no negotiation.

mod preface;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::response::Response;
use http::HeaderValue;
use http::header::DATE;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Shutdown;
use crate::net::{TcpListener, TcpStream};
use preface::Peeked;

/// How long accepting rests after an error such as EMFILE, which would otherwise come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);

impl axum::serve::Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match TcpListener::accept(self).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}

/// Bounds on what clients may do, and the loop that keeps to them.
#[derive(Clone, Copy, Debug)]
pub struct Http {
    /// Connections at a time; more are closed at once.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// For a request's head, and between requests on one connection.
    pub head_timeout: Duration,
    /// It goes on serving for so long after a stop is asked for: who was told of this instance goes on
    /// sending until the news of its end has reached everybody.
    pub delay: Duration,
    /// After that, for requests in flight.
    pub grace: Duration,
    /// HTTP/2 beside HTTP/1.1, if it is wanted.
    pub http2: Option<Http2>,
}

/// Bounds on what clients may do that speak HTTP/2.
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    /// Requests at a time on one connection; more wait at the client.
    pub streams_max: u32,
    /// After such a silence the client is asked for a sign of life,
    pub ping_after: Duration,
    /// and without one within this time the connection is closed.
    pub ping_timeout: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_bytes_max: 16 * 1_024,
            head_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            grace: Duration::from_secs(30),
            http2: None,
        }
    }
}

/// Drives a connection of either version to its end, gracefully once a stop is asked for. Errors are
/// the client's: a cut connection, a malformed head (answered with 400), a timeout.
macro_rules! drive {
    ($connection:expr, $shutdown:expr) => {{
        let connection = $connection;
        tokio::pin!(connection);
        let _ = tokio::select! {
            result = connection.as_mut() => result,
            () = $shutdown.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
    }};
}

impl Http {
    /// Serves `app` until a stop is asked for, `delay` is over and the requests in flight are done, or `grace`
    /// is over. Says when it is, for what else is in progress.
    pub async fn serve(
        self,
        mut listener: TcpListener,
        app: Router,
        shutdown: Shutdown,
    ) -> Instant {
        let (close, closed) = Shutdown::new();
        let stop = async {
            shutdown.requested().await;
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
        };
        tokio::pin!(stop);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok(_) if connections.len() >= self.connections_max => {}
                Ok((stream, _)) => {
                    connections.spawn(self.connection(stream, app.clone(), closed.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
        drop(listener);
        close.request();
        let end = Instant::now() + self.grace;
        // Whoever is not done by then is cut off with the set.
        let _ = timeout_at(end, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        end
    }

    async fn connection(self, stream: TcpStream, app: Router, shutdown: Shutdown) {
        let service = TowerToHyperService::new(dated(app));
        let Some(limits) = self.http2 else {
            let connection = self.http1().serve_connection(TokioIo::new(stream), service);
            return drive!(connection, shutdown);
        };
        let looked = tokio::select! {
            looked = timeout(self.head_timeout, Peeked::look(stream)) => looked,
            () = shutdown.requested() => return,
        };
        let Ok(Ok((is_http2, stream))) = looked else {
            return;
        };
        let stream = TokioIo::new(stream);
        if is_http2 {
            let connection = self.http2(limits).serve_connection(stream, service);
            drive!(connection, shutdown);
        } else {
            drive!(self.http1().serve_connection(stream, service), shutdown);
        }
    }

    fn http1(self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .auto_date_header(false) // see `dated`
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(self.head_bytes_max);
        builder
    }

    fn http2(self, limits: Http2) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .auto_date_header(false) // see `dated`
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(self.head_bytes_max as u32)
            .keep_alive_interval(limits.ping_after)
            .keep_alive_timeout(limits.ping_timeout);
        builder
    }
}

/// Adds the `Date` header (RFC 9110, 6.6.1). hyper's own comes from a cache for each thread: in the
/// simulation, where one thread runs every host, it would show one host's clock to all.
fn dated(app: Router) -> Router {
    app.layer(axum::middleware::map_response(
        async |mut response: Response| {
            let date = httpdate::fmt_http_date(SystemTime::now());
            if let Ok(date) = HeaderValue::try_from(date) {
                response.headers_mut().entry(DATE).or_insert(date);
            }
            response
        },
    ))
}
