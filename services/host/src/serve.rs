//! HTTP/1.1 servers over a [`TcpListener`]: axum's own loop, and one with bounds.
//!
//! `axum::serve` works on a listener as it is, and waits for slow clients without end. [`Http`]
//! bounds what a client may do; services use it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::response::Response;
use http::HeaderValue;
use http::header::DATE;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::Shutdown;
use crate::net::{TcpListener, TcpStream};

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
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_bytes_max: 16 * 1_024,
            head_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            grace: Duration::from_secs(30),
        }
    }
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
        let mut builder = http1::Builder::new();
        builder
            .auto_date_header(false) // see `dated`
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(self.head_bytes_max);
        let connection =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(dated(app)));
        tokio::pin!(connection);
        // Errors are the client's: a cut connection, a malformed head (answered with 400), a timeout.
        let _ = tokio::select! {
            result = connection.as_mut() => result,
            () = shutdown.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
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
