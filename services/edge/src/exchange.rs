//! One request and its response on one connection to an upstream.
//!
//! hyper's connection is driven from the request's own future, and then from the body that is
//! streamed to the client: no task, no pool but [`crate::pool`]. Timeouts are nginx's: they run
//! between two steps of progress, not over the whole.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use squall_host::net::{Net, TcpStream};
use tokio::time::{Instant, Sleep};

use squall_host::meter::{Meter, Metered};

/// One open connection to an upstream.
pub(crate) struct Link {
    sender: SendRequest<Full<Bytes>>,
    connection: Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    /// The connection once hyper is done with it.
    ended: Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) address: SocketAddr,
    pub(crate) opened: Instant,
    pub(crate) requests: u64,
    /// What the meter read when the current request began.
    base: (u64, u64),
}

/// Why a try of an upstream failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Connect(io::Error),
    ConnectTimeout,
    SendTimeout,
    ReadTimeout,
    Closed,
    Receive(io::Error),
    InvalidHeader,
    TooBigHeader,
}

/// The waits of one exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) send: Duration,
    pub(crate) read: Duration,
}

impl Link {
    /// Connects within `timeout`.
    pub(crate) async fn connect(
        net: &Net,
        address: SocketAddr,
        timeout: Duration,
        header_bytes_max: usize,
    ) -> Result<Self, Failure> {
        let stream = match tokio::time::timeout(timeout, net.connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Failure::Connect(error)),
            Err(_) => return Err(Failure::ConnectTimeout),
        };
        Self::over(stream, address, header_bytes_max).await
    }

    async fn over(
        stream: TcpStream,
        address: SocketAddr,
        header_bytes_max: usize,
    ) -> Result<Self, Failure> {
        let (metered, meter) = Metered::new(stream);
        let handshake = http1::Builder::new()
            .title_case_headers(true)
            .max_header_size(header_bytes_max)
            .handshake(TokioIo::new(metered))
            .await;
        let (sender, connection) = handshake.map_err(|error| Failure::from_hyper(&error))?;
        Ok(Self {
            sender,
            connection: Some(connection),
            ended: None,
            meter,
            address,
            opened: Instant::now(),
            requests: 0,
            base: (0, 0),
        })
    }

    /// Lets the connection do what it can; says whether it is over.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            // Its error comes out at the response or at the body.
            self.ended = self.connection.take();
        }
        self.connection.is_none()
    }

    /// The stream below, and what hyper has read from it beyond the response.
    pub(crate) fn into_stream(self) -> Option<(Metered, Bytes)> {
        let parts = self.ended.or(self.connection)?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }

    /// Whether another request can be sent on it.
    pub(crate) fn is_reusable(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Bytes sent and received for the current request.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (
            self.meter.written() - self.base.0,
            self.meter.read() - self.base.1,
        )
    }

    /// Sends a request and waits for the head of the response.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        timeouts: Timeouts,
    ) -> Result<Response<Incoming>, Failure> {
        self.requests += 1;
        self.base = (self.meter.written(), self.meter.read());
        let mut wait = Wait::default();
        let mut response = std::pin::pin!(self.sender.send_request(request));
        let (connection, ended) = (&mut self.connection, &mut self.ended);
        let meter = &self.meter;
        let mut progress = (meter.written(), meter.read());
        poll_fn(|cx| {
            if let Some(driven) = connection
                && Pin::new(driven).poll(cx).is_ready()
            {
                *ended = connection.take();
            }
            if let Poll::Ready(result) = response.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|error| Failure::from_hyper(&error)));
            }
            let now = (meter.written(), meter.read());
            if now != progress {
                progress = now;
                wait.restart();
            }
            let blocked = meter.is_write_blocked();
            let timeout = if blocked {
                timeouts.send
            } else {
                timeouts.read
            };
            if wait.poll_over(timeout, cx) {
                let failure = if blocked {
                    Failure::SendTimeout
                } else {
                    Failure::ReadTimeout
                };
                return Poll::Ready(Err(failure));
            }
            Poll::Pending
        })
        .await
    }
}

/// The rest of a response, driven along with the connection that it comes from.
pub(crate) struct Remainder {
    link: Link,
    incoming: Incoming,
    timeout: Duration,
    wait: Wait,
}

impl Remainder {
    pub(crate) fn new(link: Link, incoming: Incoming, timeout: Duration) -> Self {
        Self {
            link,
            incoming,
            timeout,
            wait: Wait::default(),
        }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn into_link(self) -> Link {
        self.link
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    pub(crate) fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// The next piece; `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        for last_round in [false, true] {
            if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
                self.wait.restart();
                let frame = frame.map(|f| f.map_err(|error| Failure::from_hyper(&error)));
                return Poll::Ready(frame);
            }
            if !last_round {
                self.link.drive(cx);
            }
        }
        if self.wait.poll_over(self.timeout, cx) {
            return Poll::Ready(Some(Err(Failure::ReadTimeout)));
        }
        Poll::Pending
    }
}

/// A deadline that moves with progress; the timer behind it is moved only when it fires.
#[derive(Default)]
struct Wait {
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    fn restart(&mut self) {
        self.since = None;
    }

    /// Whether `timeout` has passed without a restart; wakes the task when it may have.
    fn poll_over(&mut self, timeout: Duration, cx: &mut Context<'_>) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}

impl Failure {
    fn from_hyper(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::TooBigHeader;
        }
        if error.is_parse() {
            return Self::InvalidHeader;
        }
        let cause = error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>());
        match cause {
            Some(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            Some(cause) => Self::Receive(same_error(cause)),
            None => Self::Closed,
        }
    }
}

fn same_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
