//! One end of a TCP connection: the state machine, with Linux's timers.
//!
//! Loss is repaired here, by the sender, as on Linux: a SYN is retried on its own schedule, a lone
//! lost segment after about 208 ms and then doubling, a segment followed by others as soon as the
//! gap shows (RACK and SACK), and after `tcp_retries2` attempts the connection has timed out. The
//! network only delays and drops.
//!
//! Deliberately absent: congestion control beyond the peer's window, Nagle's algorithm (every
//! service here sets TCP_NODELAY), simultaneous open, urgent data.

mod incoming;
mod outgoing;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::packet::{Flags, MSS, Segment};
use super::{Io, SocketId};
use crate::time::{MS, S};

/// The socket's send buffer in bytes (a moderate `tcp_wmem`).
const SEND_MAX: usize = 256 * 1024;
/// The socket's receive buffer in bytes (a moderate `tcp_rmem`).
const RECEIVE_MAX: usize = 256 * 1024;
/// First SYN retransmission: `TCP_TIMEOUT_INIT` with the timer wheel's rounding, as measured.
const SYN_RTO_NS: u64 = 1_024 * MS;
/// First retransmission of data on a path of short delay, as measured; then doubling.
const DATA_RTO_NS: u64 = 208 * MS;
/// `tcp_fin_timeout` and TIME_WAIT.
const LINGER_NS: u64 = 60 * S;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

/// What the process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused,
    Reset,
    BrokenPipe,
    TimedOut,
    HostUnreachable,
}

impl Failure {
    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Refused => libc::ECONNREFUSED,
            Self::Reset => libc::ECONNRESET,
            Self::BrokenPipe => libc::EPIPE,
            Self::TimedOut => libc::ETIMEDOUT,
            Self::HostUnreachable => libc::EHOSTUNREACH,
        })
    }
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: SocketId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// The address that the process asked for, where a published port leads elsewhere.
    pub(crate) remote_shown: SocketAddr,
    pub(crate) state: State,
    /// The listener that made it, until it is accepted.
    pub(crate) listener: Option<SocketId>,
    /// Whether a process holds it.
    pub(crate) open: bool,
    /// Close with RST.
    pub(crate) reset_on_close: bool,

    /// Written and not yet acknowledged; starts at sequence number `unacknowledged`.
    unsent: VecDeque<Bytes>,
    unacknowledged: u64,
    next: u64,
    /// The sequence number after the last byte written.
    written: u64,
    fin_queued: bool,
    peer_window: u32,
    /// Everything below this was sent before a loss showed.
    recovery: Option<u64>,

    received: VecDeque<Bytes>,
    received_length: usize,
    receive_next: u64,
    /// Segments beyond a gap, by sequence number; the flag is their FIN.
    beyond_gap: BTreeMap<u64, (Bytes, bool)>,
    peer_finished: bool,
    ack_due: bool,
    window_advertised: u32,

    attempts: u32,
    deadline_ns: Option<u64>,
    timer_ns: Option<u64>,
    failure: Option<Failure>,
    is_unreachable: bool,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

/// What happened to a connection, for the table that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    /// The handshake of an incoming connection is complete.
    Accepted,
    /// The peer was heard: it is alive on the wire.
    Progress,
}

impl Connection {
    /// An outgoing connection; its SYN goes out at once.
    pub(crate) fn connect(
        id: SocketId,
        local: SocketAddr,
        remote: SocketAddr,
        io: &mut Io,
    ) -> Self {
        let mut connection = Self::new(id, local, remote, State::SynSent);
        connection.open = true;
        connection.handshake(io);
        connection.set_deadline(Some(io.now_ns + SYN_RTO_NS), io);
        connection
    }

    /// An incoming connection, from a SYN that a listener got.
    pub(crate) fn accept(
        id: SocketId,
        local: SocketAddr,
        remote: SocketAddr,
        syn: &Segment,
        listener: SocketId,
        io: &mut Io,
    ) -> Self {
        let mut connection = Self::new(id, local, remote, State::SynReceived);
        connection.listener = Some(listener);
        connection.receive_next = syn.sequence + 1;
        connection.peer_window = syn.window;
        connection.handshake(io);
        connection.set_deadline(Some(io.now_ns + SYN_RTO_NS), io);
        connection
    }

    fn new(id: SocketId, local: SocketAddr, remote: SocketAddr, state: State) -> Self {
        Self {
            id,
            local,
            remote,
            remote_shown: remote,
            state,
            listener: None,
            open: false,
            reset_on_close: false,
            unsent: VecDeque::new(),
            unacknowledged: 0,
            next: 1,
            written: 1,
            fin_queued: false,
            peer_window: 0,
            recovery: None,
            received: VecDeque::new(),
            received_length: 0,
            receive_next: 0,
            beyond_gap: BTreeMap::new(),
            peer_finished: false,
            ack_due: false,
            window_advertised: RECEIVE_MAX as u32,
            attempts: 0,
            deadline_ns: None,
            timer_ns: None,
            failure: None,
            is_unreachable: false,
            read_waker: None,
            write_waker: None,
        }
    }

    pub(crate) fn poll_connected(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure.error()));
        }
        if self.state == State::SynSent {
            self.write_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Data that arrived before an error is read before the error, as `tcp_recvmsg` does.
    pub(crate) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
        io: &mut Io,
    ) -> Poll<io::Result<()>> {
        if self.received.is_empty() {
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure.error()));
            }
            if self.peer_finished || self.state == State::Closed {
                return Poll::Ready(Ok(()));
            }
            match &mut self.read_waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        while buf.remaining() > 0
            && let Some(chunk) = self.received.front_mut()
        {
            let length = chunk.len().min(buf.remaining());
            buf.put_slice(&chunk.split_to(length));
            self.received_length -= length;
            if chunk.is_empty() {
                self.received.pop_front();
            }
        }
        // A window that was nearly shut and is half open again must be told (RFC 9293, 3.8.6.2.2).
        if (self.window_advertised as usize) < MSS && self.room() >= RECEIVE_MAX / 2 {
            self.ack_due = true;
            io.mark_dirty(self.id);
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        buf: &[u8],
        io: &mut Io,
    ) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure.error()));
        }
        if self.fin_queued || !matches!(self.state, State::Established | State::CloseWait) {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EPIPE)));
        }
        let space = SEND_MAX - self.buffered().min(SEND_MAX);
        if space == 0 {
            match &mut self.write_waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        let length = buf.len().min(space);
        if length > 0 {
            self.unsent
                .push_back(Bytes::copy_from_slice(&buf[..length]));
            self.written += length as u64;
            io.mark_dirty(self.id);
        }
        Poll::Ready(Ok(length))
    }

    /// `shutdown(SHUT_WR)`: FIN after what is written.
    pub(crate) fn shut_write(&mut self, io: &mut Io) {
        if self.fin_queued {
            return;
        }
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            _ => return,
        };
        self.fin_queued = true;
        io.mark_dirty(self.id);
    }

    /// `close`: RST if data was left unread or the process asked for it, FIN otherwise
    /// (`tcp_close` in net/ipv4/tcp.c).
    pub(crate) fn close(&mut self, io: &mut Io) {
        self.open = false;
        self.read_waker = None;
        self.write_waker = None;
        match self.state {
            State::SynSent | State::Closed => self.state = State::Closed,
            State::TimeWait => {}
            _ if self.reset_on_close || !self.received.is_empty() => self.abort(io),
            _ => {
                self.shut_write(io);
                if self.state == State::FinWait2 {
                    self.set_deadline(Some(io.now_ns + LINGER_NS), io);
                }
            }
        }
    }

    /// Sends RST and is gone.
    pub(crate) fn abort(&mut self, io: &mut Io) {
        let flags = Flags {
            rst: true,
            ack: true,
            ..Flags::default()
        };
        self.transmit(self.next, flags, Bytes::new(), io);
        self.state = State::Closed;
        self.deadline_ns = None;
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Closed && !self.open
    }

    fn buffered(&self) -> usize {
        self.written.saturating_sub(self.unacknowledged) as usize
    }

    fn room(&self) -> usize {
        RECEIVE_MAX - self.received_length.min(RECEIVE_MAX)
    }

    fn acknowledge(&mut self, io: &mut Io) {
        self.ack_due = true;
        io.mark_dirty(self.id);
    }

    fn wait_out(&mut self, io: &mut Io) {
        self.state = State::TimeWait;
        self.set_deadline(Some(io.now_ns + LINGER_NS), io);
    }

    fn fail(&mut self, failure: Failure, io: &mut Io) {
        self.state = State::Closed;
        self.failure = Some(failure);
        self.deadline_ns = None;
        self.unsent.clear();
        wake(&mut self.read_waker, io);
        wake(&mut self.write_waker, io);
    }

    fn set_deadline(&mut self, deadline_ns: Option<u64>, io: &mut Io) {
        self.deadline_ns = deadline_ns;
        self.schedule(io);
    }

    /// One timer at most is on its way, never later than the deadline.
    fn schedule(&mut self, io: &mut Io) {
        if let Some(deadline_ns) = self.deadline_ns
            && self.timer_ns.is_none_or(|timer_ns| timer_ns > deadline_ns)
        {
            self.timer_ns = Some(deadline_ns);
            io.timers
                .push((deadline_ns, super::Timer::Connection(self.id)));
        }
    }
}

fn ack_flag() -> Flags {
    Flags {
        ack: true,
        ..Flags::default()
    }
}

fn wake(waker: &mut Option<Waker>, io: &mut Io) {
    if let Some(waker) = waker.take() {
        io.wakers.push(waker);
    }
}
