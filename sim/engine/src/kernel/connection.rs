//! One end of a TCP connection: the state machine, with Linux's timers.
//!
//! Loss is repaired here, by the sender, as on Linux: a SYN is retried on its own schedule, a lone
//! lost segment after about 208 ms and then doubling, a segment followed by others as soon as the
//! gap shows, and when nothing was acknowledged for as long as `tcp_retries2` says, the connection
//! has timed out. The network only delays and drops.
//!
//! | module | idea |
//! |---|---|
//! | `incoming`, `outgoing` | segments that arrive, and that leave |
//! | `timers` | what a connection waits for, and what it does when it has waited in vain |
//! | `flight` | what was sent and is not acknowledged, and which of it is lost |
//! | `congestion`, `rtt` | how much may be under way, and how long an answer takes |
//! | `delayed` | when data is acknowledged |
//! | `liveness` | keep-alive and the user's timeout |
//!
//! Deliberately absent: Nagle's algorithm (every service here sets TCP_NODELAY),
//! simultaneous open, urgent data.

mod congestion;
mod delayed;
mod flight;
mod incoming;
mod liveness;
mod outgoing;
mod rtt;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::packet::{Flags, MSS, Segment};
use super::{Io, SocketId};
use congestion::Congestion;
use delayed::Delayed;
use flight::Flight;
use liveness::Liveness;
use rtt::Rtt;
use timers::{TailProbe, Wait};

/// The socket's send buffer in bytes (a moderate `tcp_wmem`).
const SEND_MAX: usize = 256 * 1024;
/// The socket's receive buffer in bytes (a moderate `tcp_rmem`).
const RECEIVE_MAX: usize = 256 * 1024;

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
    /// The sequence number of the segment that told the peer's window last.
    peer_window_from: u64,
    /// The longest segment that passes.
    mss: u16,
    flight: Flight,
    congestion: Congestion,
    rtt: Rtt,
    /// One lost segment goes out whatever the congestion window says.
    is_repair_due: bool,
    /// When the first segment of this episode of loss was sent again.
    repairing_since_ns: Option<u64>,
    tail_probe: Option<TailProbe>,
    /// RACK's leeway, in quarters of a round trip; grows when it proves too short.
    leeway_steps: u32,
    sent_last_ns: u64,

    received: VecDeque<Bytes>,
    received_length: usize,
    receive_next: u64,
    /// Segments beyond a gap, by sequence number; the flag is their FIN.
    beyond_gap: BTreeMap<u64, (Bytes, bool)>,
    peer_finished: bool,
    ack_due: bool,
    delayed: Delayed,
    /// What is acknowledged next had arrived before.
    is_duplicate_due: bool,
    window_advertised: u32,
    /// When the segment was sent that moved `receive_next` last; acknowledgements echo it.
    recent_ns: u64,
    heard_ns: u64,

    /// Handshakes sent again, or window probes unanswered.
    attempts: u32,
    /// How often the retransmission timeout was doubled.
    doublings: u32,
    /// Since when nothing at all was acknowledged, after the first timeout.
    unanswered_since_ns: Option<u64>,
    deadline: Option<(u64, Wait)>,
    timer_ns: Option<u64>,
    liveness: Option<Box<Liveness>>,
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
        connection.await_handshake(io);
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
        connection.recent_ns = syn.sent_ns;
        connection.handshake(io);
        connection.await_handshake(io);
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
            peer_window_from: 0,
            mss: MSS as u16,
            flight: Flight::default(),
            congestion: Congestion::new(),
            rtt: Rtt::default(),
            is_repair_due: false,
            repairing_since_ns: None,
            tail_probe: None,
            leeway_steps: 1,
            sent_last_ns: 0,
            received: VecDeque::new(),
            received_length: 0,
            receive_next: 0,
            beyond_gap: BTreeMap::new(),
            peer_finished: false,
            ack_due: false,
            delayed: Delayed::default(),
            is_duplicate_due: false,
            window_advertised: RECEIVE_MAX as u32,
            recent_ns: 0,
            heard_ns: 0,
            attempts: 0,
            doublings: 0,
            unanswered_since_ns: None,
            deadline: None,
            timer_ns: None,
            liveness: None,
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
                    self.linger(io);
                }
            }
        }
    }

    /// Sends RST and is gone.
    pub(crate) fn abort(&mut self, io: &mut Io) {
        self.reset(io);
        self.state = State::Closed;
        self.deadline = None;
    }

    fn reset(&mut self, io: &mut Io) {
        let flags = Flags {
            rst: true,
            ack: true,
            ..Flags::default()
        };
        self.transmit(self.next, flags, Bytes::new(), io);
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
        self.linger(io);
    }

    fn fail(&mut self, failure: Failure, io: &mut Io) {
        self.state = State::Closed;
        self.failure = Some(failure);
        self.deadline = None;
        self.unsent.clear();
        wake(&mut self.read_waker, io);
        wake(&mut self.write_waker, io);
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
