//! One client connection: hyper's server over it, the client's timeouts, and what hyper leaves to
//! do around a request that is none.

mod wire;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use squall_host::Shutdown;
use squall_host::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::app::App;
use crate::config::settings::Settings;
use crate::handle::handle;
use crate::reply::{Content, HEADERS_TOO_LARGE, Reply, title};
use crate::request::{Client, Request};
use crate::tunnel::Tunnel;
use wire::Wire;

/// hyper takes no smaller buffer than this.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// How long, at most and between two reads, edge reads on after an answer to a request that it did
/// not read to its end, so that the answer is not lost (nginx's `lingering_time`,
/// `lingering_timeout`).
const LINGERING_TIME: Duration = Duration::from_secs(30);
const LINGERING_TIMEOUT: Duration = Duration::from_secs(5);
/// A page for what is no request must be taken within this.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the parts that work on one connection tell each other. One task runs them all, so relaxed
/// order does. Times are microseconds since the connection was opened, 0 for none.
pub(crate) struct State {
    app: Arc<App>,
    pub(crate) client: Arc<Client>,
    /// Whether a request is between its head and the end of its reply.
    serving: AtomicBool,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_blocked_since: AtomicU64,
    closing: AtomicBool,
    lingers: AtomicBool,
    /// A request that ended before its reply did, to be logged once the connection has ended.
    unfinished: Mutex<Option<Box<Request>>>,
    tunnel: Mutex<Option<Box<Tunnel>>>,
}

impl State {
    fn now(&self) -> u64 {
        self.client.opened.elapsed().as_micros() as u64 + 1
    }

    /// A head is complete. Returns its number on this connection, from 1.
    pub(crate) fn begin_request(&self) -> u64 {
        self.head_ended();
        self.serving.store(true, Relaxed);
        self.client.requests.fetch_add(1, Relaxed) + 1
    }

    /// The reply is handed out.
    pub(crate) fn finished(&self) {
        self.serving.store(false, Relaxed);
        self.idle_since.store(self.now(), Relaxed);
    }

    pub(crate) fn leave_unfinished(&self, request: Box<Request>) {
        *self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    pub(crate) fn set_tunnel(&self, tunnel: Box<Tunnel>) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// Logs the request that the connection's end has ended, if there is one.
    fn log_unfinished(&self) {
        let request = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(request) = request {
            self.app.log(&request);
        }
    }

    fn head_began(&self) {
        if self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
            self.app.counters.reading.fetch_add(1, Relaxed);
        }
    }

    fn head_ended(&self) {
        if self.head_since.swap(0, Relaxed) != 0 {
            self.app.counters.reading.fetch_sub(1, Relaxed);
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    pub(crate) fn set_lingers(&self, lingers: bool) {
        self.lingers.store(lingers, Relaxed);
    }

    /// When the client will have been too slow; `None` while it is edge's turn.
    fn deadline(&self, settings: &Settings) -> Option<Instant> {
        let blocked = self.write_blocked_since.load(Relaxed);
        let head = self.head_since.load(Relaxed);
        let (since, timeout) = if blocked != 0 {
            (blocked, settings.send_timeout)
        } else if self.serving.load(Relaxed) {
            return None;
        } else if head != 0 {
            (head, settings.client_header_timeout)
        } else if self.client.requests() == 0 {
            (0, settings.client_header_timeout)
        } else {
            (self.idle_since.load(Relaxed), settings.keepalive_timeout)
        };
        Some(self.client.opened + Duration::from_micros(since) + timeout)
    }
}

/// How hyper's part of a connection ended.
enum End {
    Closed,
    /// What came is no request; this is the status for it.
    Broken(u16),
    TimedOut,
}

/// Serves one connection until it ends, or until it is idle and edge stops.
pub(crate) async fn serve(app: Arc<App>, stream: TcpStream, client: Client, shutdown: Shutdown) {
    let server = app.server(client.local, "").0.clone();
    let settings = &server.settings;
    let state = Arc::new(State {
        app: app.clone(),
        client: Arc::new(client),
        serving: AtomicBool::new(false),
        idle_since: AtomicU64::new(0),
        head_since: AtomicU64::new(0),
        write_blocked_since: AtomicU64::new(0),
        closing: AtomicBool::new(false),
        lingers: AtomicBool::new(false),
        unfinished: Mutex::new(None),
        tunnel: Mutex::new(None),
    });
    let (count, size) = settings.large_client_header_buffers;
    let head_bytes_max = (settings.client_header_buffer_bytes + count * size).max(BUFFER_BYTES_MIN);
    let wire = Wire::new(stream, state.clone());
    let service = service_fn(|request| handle(app.clone(), state.clone(), request));
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .auto_date_header(false)
        // As nginx with `ignore_invalid_headers on`, its default.
        .ignore_invalid_headers(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .max_buf_size(head_bytes_max)
        .serve_connection(TokioIo::new(wire), service);
    let (end, mut wire, early) = drive(connection, &state, settings, shutdown).await;
    state.log_unfinished();
    let tunnel = state
        .tunnel
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(tunnel) = tunnel {
        tunnel.run(&mut wire.stream, early).await;
        return;
    }
    let partial = state.head_since.load(Relaxed) != 0;
    match end {
        End::Broken(status) => {
            refuse(&app, &state, &server, status, &mut wire).await;
            linger(&mut wire).await;
        }
        End::TimedOut if partial => log_broken(&app, &state, &server, 408, wire.request_line(), 0),
        End::Closed if partial => log_broken(&app, &state, &server, 400, wire.request_line(), 0),
        End::TimedOut => {}
        End::Closed => {
            let _ = tokio::time::timeout(PAGE_TIMEOUT, wire.stream.shutdown()).await;
            if state.lingers.load(Relaxed) {
                linger(&mut wire).await;
            }
        }
    }
    state.head_ended();
}

/// Runs hyper's connection beside the timers and the request to stop.
async fn drive<S, B>(
    connection: http1::Connection<TokioIo<Wire>, S>,
    state: &State,
    settings: &Settings,
    shutdown: Shutdown,
) -> (End, Wire, Bytes)
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = Box::pin(connection);
    let mut stop = std::pin::pin!(shutdown.requested());
    let first = Instant::now() + settings.client_header_timeout;
    let mut timer = std::pin::pin!(tokio::time::sleep_until(first));
    let ended = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            if state.is_closing() || stop.as_mut().poll(cx).is_pending() {
                break;
            }
            // Idle connections end now, others after their reply.
            state.closing.store(true, Relaxed);
            connection.as_mut().graceful_shutdown();
            // hyper waits for the first request of a connection, nginx does not.
            if state.client.requests() == 0 && state.head_since.load(Relaxed) == 0 {
                return Poll::Ready(Some(Ok(())));
            }
        }
        loop {
            let deadline = state.deadline(settings);
            if deadline.is_some_and(|deadline| deadline < timer.deadline()) {
                timer.as_mut().reset(deadline.unwrap_or(first));
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return Poll::Ready(None),
                Some(deadline) => timer.as_mut().reset(deadline),
                None => timer
                    .as_mut()
                    .reset(Instant::now() + settings.client_header_timeout),
            }
        }
    })
    .await;
    // With this, the request that was at work is over, too.
    let parts = (*Pin::into_inner(connection)).into_parts();
    let wire = parts.io.into_inner();
    let end = match ended {
        None => {
            tracing::debug!("client timed out (110: Connection timed out)");
            End::TimedOut
        }
        Some(result) => {
            if let Err(error) = &result {
                tracing::debug!("client connection ended: {error}");
            }
            wire.swallowed().map_or(End::Closed, End::Broken)
        }
    };
    (end, wire, parts.read_buf)
}

/// Sends nginx's page for what is no request, and logs it.
async fn refuse(
    app: &Arc<App>,
    state: &State,
    server: &Arc<crate::config::server::Server>,
    status: u16,
    wire: &mut Wire,
) {
    let reply = Reply::page(status);
    let body = match &reply.content {
        Content::Whole(body) => body.clone(),
        _ => Default::default(),
    };
    let shown = if status == HEADERS_TOO_LARGE {
        400
    } else {
        status
    };
    let head = format!(
        "HTTP/1.1 {shown} {}\r\nServer: squall-edge\r\nDate: {}\r\nContent-Type: text/html\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        title(shown).unwrap_or_default(),
        app.date.get().to_str().unwrap_or_default(),
        body.len(),
    );
    log_broken(
        app,
        state,
        server,
        shown,
        wire.request_line(),
        body.len() as u64,
    );
    let page = async {
        wire.stream.write_all(head.as_bytes()).await?;
        wire.stream.write_all(&body).await?;
        wire.stream.shutdown().await
    };
    // A client that does not take it has no use for it.
    let _ = tokio::time::timeout(PAGE_TIMEOUT, page).await;
}

fn log_broken(
    app: &Arc<App>,
    state: &State,
    server: &Arc<crate::config::server::Server>,
    status: u16,
    line: String,
    body_bytes: u64,
) {
    let slots = app.config.slots.len();
    let mut request = Request::broken(state.client.clone(), server.clone(), slots, line);
    request.status = status;
    request.body_bytes_sent = body_bytes;
    app.log(&request);
}

/// Reads and forgets, so that the kernel does not answer what is still coming with a reset that
/// takes the reply with it.
async fn linger(wire: &mut Wire) {
    let reading = async {
        let mut buffer = [0; 4096];
        loop {
            match tokio::time::timeout(LINGERING_TIMEOUT, wire.stream.read(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(LINGERING_TIME, reading).await;
}
