//! Bytes between a client and a server, both directions in one task.
//!
//! Buffers are borrowed from a pool only while they hold bytes, so that a silent session costs
//! none; one timer serves all deadlines of a session and is moved only when it fires.
//!
//! An end (FIN) is passed through, half by half. Silence is counted for each side as HAProxy does:
//! reading from a side or writing to it starts its time anew, and bytes that a side does not take
//! have a time of their own.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::proxy::Timeouts;
use crate::server::Kill;
use crate::termination::{Cause, Phase, Termination};

/// Turns of one direction in a row, so that the other one and other tasks have theirs.
const TURNS_MAX: usize = 8;
/// Buffers that a pool keeps when they are not in use.
const POOL_MAX: usize = 256;

/// Buffers of one size, to be used again.
#[derive(Debug)]
pub(crate) struct Pool {
    size: usize,
    free: Mutex<Vec<Box<[u8]>>>,
}

impl Pool {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            size,
            free: Mutex::new(Vec::new()),
        })
    }

    fn take(&self) -> Box<[u8]> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pop()
            .unwrap_or_else(|| vec![0; self.size].into_boxed_slice())
    }

    fn give(&self, buffer: Box<[u8]>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < POOL_MAX {
            free.push(buffer);
        }
    }
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Flow {
    pool: Arc<Pool>,
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    /// The source has ended.
    ended: bool,
    /// The end is passed on.
    shut: bool,
    /// Bytes read.
    pub(crate) total: u64,
}

impl Flow {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            pool: pool.clone(),
            buffer: None,
            start: 0,
            end: 0,
            ended: false,
            shut: false,
            total: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads once if there is room; `Ready(Ok(false))` when there is none or the source has ended.
    pub(crate) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        source: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.ended || self.end == self.pool.size {
            return Poll::Ready(Ok(false));
        }
        let pool = &self.pool;
        let buffer = self.buffer.get_or_insert_with(|| pool.take());
        let mut room = ReadBuf::new(&mut buffer[self.end..]);
        let read = Pin::new(source).poll_read(cx, &mut room);
        let length = room.filled().len();
        match read {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.release();
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {
                self.release();
                return Poll::Pending;
            }
        }
        if length == 0 {
            self.ended = true;
            self.release();
        }
        self.end += length;
        self.total += length as u64;
        Poll::Ready(Ok(true))
    }

    /// Writes what there is, and passes on the end behind it; how many bytes went.
    fn poll_drain<W: AsyncWrite + Unpin>(
        &mut self,
        target: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(buffer) = &self.buffer
            && self.start < self.end
        {
            let written = ready!(Pin::new(target).poll_write(cx, &buffer[self.start..self.end]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.start += written;
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            }
            return Poll::Ready(Ok(written));
        }
        if self.ended && !self.shut {
            ready!(Pin::new(target).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(0))
    }

    /// Gives the buffer back when it is empty.
    fn release(&mut self) {
        if self.is_empty()
            && let Some(buffer) = self.buffer.take()
        {
            self.pool.give(buffer);
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.pool.give(buffer);
        }
    }
}

/// What became of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) termination: Termination,
    /// Whether the server is to be told by a reset.
    pub(crate) reset_server: bool,
    /// Whether the client is to be told by a reset.
    pub(crate) reset_client: bool,
}

/// When the silence of one side has lasted too long.
#[derive(Clone, Copy, Debug)]
struct Side {
    allowed: Option<Duration>,
    /// The last byte either way.
    active: Instant,
    /// Since when bytes for it are waiting.
    stalled: Option<Instant>,
}

/// Which side was silent, and how.
enum Silence {
    Reading,
    Writing,
}

impl Side {
    fn deadline(&self, reads: bool) -> Option<Instant> {
        let allowed = self.allowed?;
        let reading = reads.then(|| self.active + allowed);
        let writing = self.stalled.map(|since| since + allowed);
        match (reading, writing) {
            (Some(reading), Some(writing)) => Some(reading.min(writing)),
            (one, other) => one.or(other),
        }
    }

    fn silence(&self, reads: bool, now: Instant) -> Option<Silence> {
        let allowed = self.allowed?;
        if self.stalled.is_some_and(|since| since + allowed <= now) {
            Some(Silence::Writing)
        } else if reads && self.active + allowed <= now {
            Some(Silence::Reading)
        } else {
            None
        }
    }
}

/// A session that has its server.
pub(crate) struct Relay<'a, C, S> {
    pub(crate) client: &'a mut C,
    pub(crate) server: &'a mut S,
    pub(crate) up: &'a mut Flow,
    pub(crate) down: &'a mut Flow,
    pub(crate) timeouts_client: &'a Timeouts,
    pub(crate) timeouts_server: &'a Timeouts,
}

impl<C, S> Relay<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Copies until both directions have ended, one side fails, or `kill` fires.
    pub(crate) async fn run(mut self, kill: &Kill) -> Ended {
        let now = Instant::now();
        let side = |own: Option<Duration>, tunnel: Option<Duration>| Side {
            allowed: tunnel.or(own),
            active: now,
            stalled: None,
        };
        let tunnel = self.timeouts_server.tunnel;
        let mut client = side(self.timeouts_client.client, tunnel);
        let mut server = side(self.timeouts_server.server, tunnel);
        let mut silent = Termination::default();
        let mut killed = pin!(kill.fired());
        let mut timer: Pin<&mut Option<Sleep>> = pin!(None);
        std::future::poll_fn(|cx| {
            if killed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ended {
                    // Ended from outside, without a phase (`stream_shutdown`, src/stream.c).
                    termination: silent.or(Termination {
                        cause: Some(kill.cause()),
                        phase: None,
                    }),
                    reset_server: false,
                    reset_client: false,
                });
            }
            if let Some(ended) = self.copy(cx, &mut client, &mut server, silent) {
                return Poll::Ready(ended);
            }
            loop {
                // Ends that were passed on have their own times.
                if self.down.shut {
                    client.allowed = self.timeouts_client.client_fin.or(client.allowed);
                }
                if self.up.shut {
                    server.allowed = self.timeouts_server.server_fin.or(server.allowed);
                }
                let deadlines = [
                    client.deadline(!self.up.ended),
                    server.deadline(!self.down.ended),
                ];
                let Some(next) = deadlines.into_iter().flatten().min() else {
                    return Poll::Pending;
                };
                match timer.as_mut().as_pin_mut() {
                    None => timer.set(Some(sleep_until(next))),
                    // Earlier than it is set for happens only when a time is replaced.
                    Some(set) if set.deadline() > next => set.reset(next),
                    Some(_) => {}
                }
                let Some(set) = timer.as_mut().as_pin_mut() else {
                    return Poll::Pending;
                };
                ready!(set.poll(cx));
                timer.set(None);
                if let Some(ended) = self.silence(&client, &server, &mut silent) {
                    return Poll::Ready(ended);
                }
                if let Some(ended) = self.copy(cx, &mut client, &mut server, silent) {
                    return Poll::Ready(ended);
                }
            }
        })
        .await
    }

    /// A deadline has passed, or would have if nothing had moved meanwhile.
    fn silence(&mut self, client: &Side, server: &Side, silent: &mut Termination) -> Option<Ended> {
        let now = Instant::now();
        let sides = [
            (client.silence(!self.up.ended, now), Cause::ClientTimeout),
            (server.silence(!self.down.ended, now), Cause::ServerTimeout),
        ];
        for (silence, cause) in sides {
            match silence {
                None => {}
                // It sends nothing more; what the other one has to say still goes through.
                Some(Silence::Reading) => {
                    *silent = silent.or(Termination::new(cause, Phase::Data));
                    match cause {
                        Cause::ClientTimeout => self.up.ended = true,
                        _ => self.down.ended = true,
                    }
                }
                Some(Silence::Writing) => {
                    return Some(Ended {
                        termination: silent.or(Termination::new(cause, Phase::Data)),
                        reset_server: cause == Cause::ServerTimeout,
                        reset_client: cause == Cause::ClientTimeout,
                    });
                }
            }
        }
        None
    }

    /// Moves what can be moved; `Some` when the session is over.
    fn copy(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Side,
        server: &mut Side,
        silent: Termination,
    ) -> Option<Ended> {
        let up = step(self.up, self.client, self.server, cx);
        let down = step(self.down, self.server, self.client, cx);
        let up = match up {
            Ok(moved) => moved,
            Err(side) => return Some(self.failed(side == Failed::Source, cx, silent)),
        };
        let down = match down {
            Ok(moved) => moved,
            Err(side) => return Some(self.failed(side == Failed::Target, cx, silent)),
        };
        if up.read || up.written || down.read || down.written {
            let now = Instant::now();
            if up.read || down.written {
                client.active = now;
            }
            if down.read || up.written {
                server.active = now;
            }
            client.stalled = stall(client.stalled, self.down, down.written, now);
            server.stalled = stall(server.stalled, self.up, up.written, now);
        }
        let over = self.up.shut && self.down.shut;
        over.then_some(Ended {
            termination: silent,
            reset_server: false,
            reset_client: false,
        })
    }

    /// A connection broke: the client's or the server's.
    fn failed(&mut self, of_client: bool, cx: &mut Context<'_>, silent: Termination) -> Ended {
        let cause = match of_client {
            true => Cause::ClientAbort,
            false => Cause::ServerAbort,
        };
        if !of_client {
            // What the server said before still goes out, as far as the client takes it now.
            while !self.down.is_empty()
                && matches!(self.down.poll_drain(self.client, cx), Poll::Ready(Ok(_)))
            {}
        }
        Ended {
            termination: silent.or(Termination::new(cause, Phase::Data)),
            reset_server: of_client,
            reset_client: false,
        }
    }
}

fn stall(before: Option<Instant>, flow: &Flow, written: bool, now: Instant) -> Option<Instant> {
    match (flow.is_empty(), before, written) {
        (true, ..) => None,
        (false, Some(since), false) => Some(since),
        (false, ..) => Some(now),
    }
}

#[derive(Clone, Copy, Default)]
struct Moved {
    read: bool,
    written: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failed {
    Source,
    Target,
}

/// One direction's turns.
fn step<R, W>(
    flow: &mut Flow,
    source: &mut R,
    target: &mut W,
    cx: &mut Context<'_>,
) -> Result<Moved, Failed>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut moved = Moved::default();
    for turn in 0.. {
        if turn == TURNS_MAX {
            cx.waker().wake_by_ref();
            break;
        }
        let filled = match flow.poll_fill(source, cx) {
            Poll::Ready(Ok(filled)) => filled,
            Poll::Ready(Err(_)) => return Err(Failed::Source),
            Poll::Pending => false,
        };
        moved.read |= filled;
        let drained = match flow.poll_drain(target, cx) {
            Poll::Ready(Ok(written)) => written > 0,
            Poll::Ready(Err(_)) => return Err(Failed::Target),
            Poll::Pending => false,
        };
        moved.written |= drained;
        if !filled && !drained {
            break;
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests;
