//! From a session that wants a server to a connection with one: places, queues, attempts, retries,
//! redispatch.
//!
//! The rules are those of HAProxy 2.6, `src/backend.c` and `include/haproxy/stream.h`:
//!
//! - A failed attempt is followed by up to `retries` more (`back_handle_st_cer`).
//! - With `option redispatch` an attempt goes to another server (`stream_choose_redispatch`) when
//!   the server is no longer up, or on every retry that the option's interval names (by default
//!   the last one), or **at once on every retry** when more than one server is active and the
//!   algorithm is not a hash. Otherwise it goes to the same server, even when that is down.
//! - Before an attempt there is a pause of the smaller of one second and `timeout connect`
//!   (`back_handle_st_cer`), but only after an error that came later than the call to connect, not
//!   after a time-out and not after a refusal on the spot; and only when the attempt goes to the
//!   same server or no other one is active.
//! - The first error of a session is the one that its log line shows.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use squall_host::net::{Net, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::backend::{Assigned, Backend, Lease};
use crate::server::Kill;
use crate::termination::{Cause, Phase, Termination};

/// The longest pause before an attempt at the same server.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Makes connections: the network, or a test's idea of one.
pub(crate) trait Dial: Send + Sync {
    type Stream: Send;

    /// One attempt. Has no deadline of its own.
    fn dial(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Dial for Net {
    type Stream = TcpStream;

    async fn dial(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.connect(to).await
    }
}

/// The other end of the session, which may leave meanwhile.
pub(crate) trait Client: Send {
    /// Ready when the session is to be given up. `connecting` is during an attempt, when an end
    /// that was announced politely is no reason (unless `option abortonclose`).
    fn poll_gone(&mut self, connecting: bool, cx: &mut Context<'_>) -> Poll<()>;
}

/// What a session went through on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journey {
    pub(crate) retries: u32,
    pub(crate) redispatched: bool,
    /// When the last place at a server was got.
    pub(crate) queued: Option<Duration>,
    pub(crate) connected: Option<Duration>,
    /// The last server.
    pub(crate) server: Option<usize>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) server_queue: u32,
    pub(crate) backend_queue: u32,
    pub(crate) termination: Termination,
}

/// A connection, its place, and the means by which the server's sessions are ended.
pub(crate) struct Connected<S> {
    pub(crate) lease: Lease,
    pub(crate) stream: S,
    pub(crate) kill: Kill,
}

/// Why an attempt failed, as far as the rules care.
enum Failure {
    /// In the call itself.
    OnTheSpot,
    /// Later.
    Later,
    /// Not in time.
    TimedOut,
}

/// Gets a session its server; `None` when `journey.termination` says why not.
pub(crate) async fn connect<D: Dial, C: Client>(
    backend: &Arc<Backend>,
    dial: &D,
    client: &mut C,
    from: IpAddr,
    begun: Instant,
    journey: &mut Journey,
) -> Option<Connected<D::Stream>> {
    let config = &backend.config;
    // What the client has said already is taken in, so that it is not answered by a reset.
    if broken_now(client).await {
        journey.fail(Cause::ClientAbort, Phase::Connect);
        return None;
    }
    let mut lease = choose(backend, client, from, begun, journey).await?;
    // HAProxy marks sessions of a server that goes down for their end even while they are connecting,
    // and lets the connection to another server succeed first (2.6.12, measured).
    let mut marked: Option<Kill> = None;
    loop {
        let (address, kill) = lease.begin_attempt();
        journey.address = address;
        let timeout = config.timeouts.connect;
        let failure = match attempt(dial, address, timeout, client).await {
            Some(Ok(stream)) => {
                journey.connected = Some(begun.elapsed());
                journey.termination = Termination::default();
                return Some(Connected {
                    lease,
                    stream,
                    kill: marked.unwrap_or(kill),
                });
            }
            Some(Err(failure)) => failure,
            None => {
                if backend.planted.has("pg-proxy/leaks-places") {
                    std::mem::forget(lease);
                }
                journey.termination = Termination::new(Cause::ClientAbort, Phase::Connect);
                return None;
            }
        };
        if kill.has_fired() {
            marked.get_or_insert(kill);
        }
        let server_is_up = lease.attempt_failed();
        match failure {
            Failure::TimedOut => journey.fail(Cause::ServerTimeout, Phase::Connect),
            Failure::OnTheSpot | Failure::Later => {
                journey.fail(Cause::ServerAbort, Phase::Connect);
            }
        }
        let index = lease.server;
        if journey.retries >= config.retries {
            let inner = &mut *backend.lock();
            inner.servers[index].counters.connections_failed += 1;
            inner.counters.connections_failed += 1;
            return None;
        }
        journey.retries += 1;
        let (active, redispatch) = {
            let inner = &mut *backend.lock();
            let (active, _) = inner.usable_counts();
            let elsewhere = active > 1 && !inner.balancer.is_deterministic();
            let redispatch = config.redispatch != 0
                && (!server_is_up
                    || is_due(config.redispatch, journey.retries, config.retries)
                    || elsewhere);
            if !redispatch {
                inner.servers[index].counters.retries += 1;
                inner.counters.retries += 1;
            }
            (active, redispatch)
        };
        let pause = matches!(failure, Failure::Later) && (!redispatch || active <= 1);
        let held = match redispatch {
            // The place is given up before the pause.
            true => {
                drop(lease);
                None
            }
            false => Some(lease),
        };
        if pause {
            let longest = timeout.map_or(PAUSE_MAX, |timeout| timeout.min(PAUSE_MAX));
            if rest(longest, client).await.is_none() {
                journey.termination = Termination::new(Cause::ClientAbort, Phase::Connect);
                return None;
            }
        }
        lease = match held {
            Some(lease) => lease,
            None => {
                if backend.planted.has("pg-proxy/forgets-failed-server") {
                    journey.server = None;
                }
                choose(backend, client, from, begun, journey).await?
            }
        };
    }
}

/// Whether this retry is one at which `option redispatch` goes elsewhere.
fn is_due(interval: i32, retry: u32, retries: u32) -> bool {
    let (retry, retries) = (i64::from(retry), i64::from(retries));
    let every = match i64::from(interval) {
        interval if interval > 0 => interval,
        interval => retries + 1 + interval,
    };
    every > 0 && retry % every == 0
}

/// A place at a server, waited for if need be.
async fn choose<C: Client>(
    backend: &Arc<Backend>,
    client: &mut C,
    from: IpAddr,
    begun: Instant,
    journey: &mut Journey,
) -> Option<Lease> {
    loop {
        let previous = journey.server.take();
        let mut ticket = match backend.assign(previous, from) {
            Assigned::Place(lease) => {
                journey.arrive(previous, &lease, begun);
                return Some(lease);
            }
            Assigned::Queued(ticket) => ticket,
            Assigned::QueueFull(index) => {
                journey.server = Some(index);
                journey.fail(Cause::ServerAbort, Phase::Queue);
                return None;
            }
            Assigned::Nobody => {
                journey.redispatched |= previous.is_some();
                journey.fail(Cause::ServerAbort, Phase::Connect);
                return None;
            }
        };
        let timeouts = &backend.config.timeouts;
        let deadline = timeouts
            .queue
            .or(timeouts.connect)
            .map(|timeout| Instant::now() + timeout);
        if ticket.server.is_some() {
            journey.server = ticket.server;
        }
        let waited = wait(ticket.granted(), deadline, client, false).await;
        match ticket.server {
            Some(_) => journey.server_queue += ticket.place(),
            None => journey.backend_queue += ticket.place(),
        }
        match waited {
            Waited::Done(Some(lease)) => {
                journey.arrive(previous, &lease, begun);
                return Some(lease);
            }
            // The server went down: choose again, as if for the first time.
            Waited::Done(None) => {}
            Waited::TimedOut => {
                journey.queued = Some(begun.elapsed());
                let inner = &mut *backend.lock();
                if let Some(index) = ticket.server {
                    inner.servers[index].counters.connections_failed += 1;
                }
                inner.counters.connections_failed += 1;
                journey.fail(Cause::ServerTimeout, Phase::Queue);
                return None;
            }
            Waited::Gone => {
                journey.queued = Some(begun.elapsed());
                journey.termination = Termination::new(Cause::ClientAbort, Phase::Queue);
                return None;
            }
        }
    }
}

impl Journey {
    fn fail(&mut self, cause: Cause, phase: Phase) {
        self.termination = self.termination.or(Termination::new(cause, phase));
    }

    fn arrive(&mut self, previous: Option<usize>, lease: &Lease, begun: Instant) {
        self.redispatched |= previous.is_some_and(|previous| previous != lease.server);
        self.server = Some(lease.server);
        self.queued = Some(begun.elapsed());
    }
}

/// One attempt; `None` when the client went away.
async fn attempt<D: Dial, C: Client>(
    dial: &D,
    address: Option<SocketAddr>,
    timeout: Option<Duration>,
    client: &mut C,
) -> Option<Result<D::Stream, Failure>> {
    let Some(address) = address else {
        return Some(Err(Failure::OnTheSpot));
    };
    let mut dialled = pin!(dial.dial(address));
    // An error of the first poll is one of the call itself.
    let first = std::future::poll_fn(|cx| Poll::Ready(dialled.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(Ok(stream)) => return Some(Ok(stream)),
        Poll::Ready(Err(_)) => return Some(Err(Failure::OnTheSpot)),
        Poll::Pending => {}
    }
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    match wait(dialled, deadline, client, true).await {
        Waited::Done(Ok(stream)) => Some(Ok(stream)),
        Waited::Done(Err(_)) => Some(Err(Failure::Later)),
        Waited::TimedOut => Some(Err(Failure::TimedOut)),
        Waited::Gone => None,
    }
}

/// A pause; `None` when the client went away.
async fn rest<C: Client>(time: Duration, client: &mut C) -> Option<()> {
    match wait(
        std::future::pending::<()>(),
        Some(Instant::now() + time),
        client,
        false,
    )
    .await
    {
        Waited::Gone => None,
        _ => Some(()),
    }
}

async fn broken_now<C: Client>(client: &mut C) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(client.poll_gone(true, cx).is_ready())).await
}

enum Waited<T> {
    Done(T),
    TimedOut,
    Gone,
}

/// Waits for `what`, the deadline, or the client to leave.
async fn wait<T, C: Client>(
    what: impl Future<Output = T>,
    deadline: Option<Instant>,
    client: &mut C,
    connecting: bool,
) -> Waited<T> {
    let mut what = pin!(what);
    let mut timer: Pin<&mut Option<Sleep>> = pin!(deadline.map(sleep_until));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = what.as_mut().poll(cx) {
            return Poll::Ready(Waited::Done(done));
        }
        if let Some(timer) = timer.as_mut().as_pin_mut()
            && timer.poll(cx).is_ready()
        {
            return Poll::Ready(Waited::TimedOut);
        }
        client.poll_gone(connecting, cx).map(|()| Waited::Gone)
    })
    .await
}

#[cfg(test)]
mod tests;
