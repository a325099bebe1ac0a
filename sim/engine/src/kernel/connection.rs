//! One end of a TCP connection: the state machine, with Linux's timers.
//!
//! Loss is repaired here, by the sender, as on Linux: a SYN is retried on its own schedule, a lone
//! lost segment after about 208 ms and then doubling, a segment followed by others as soon as the
//! gap shows (RACK and SACK), and after `tcp_retries2` attempts the connection has timed out. The
//! network only delays and drops.
//!
//! Deliberately absent: congestion control beyond the peer's window, Nagle's algorithm (every
//! service here sets TCP_NODELAY), simultaneous open, urgent data.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::packet::{Body, Flags, MSS, Packet, Segment};
use super::{Io, SocketId};
use crate::time::{MS, S};

/// The socket's send buffer in bytes (a moderate `tcp_wmem`).
const SEND_MAX: usize = 256 * 1024;
/// The socket's receive buffer in bytes (a moderate `tcp_rmem`).
const RECEIVE_MAX: usize = 256 * 1024;
/// First SYN retransmission: `TCP_TIMEOUT_INIT` with the timer wheel's rounding, as measured.
const SYN_RTO_NS: u64 = 1_024 * MS;
/// `tcp_syn_linear_timeouts` and `tcp_syn_retries`: 4 timeouts of one second, then 6 that double.
const SYN_LINEAR: u32 = 4;
const SYN_RETRIES: u32 = 6;
/// `tcp_synack_retries`.
const SYN_ACK_RETRIES: u32 = 5;
/// First retransmission of data on a path of short delay, as measured; then doubling.
const DATA_RTO_NS: u64 = 208 * MS;
/// `TCP_RTO_MAX`.
const RTO_MAX_NS: u64 = 120 * S;
/// `tcp_retries2`.
const RETRIES: u32 = 15;
/// `tcp_orphan_retries` at its default of 0 means 8.
const ORPHAN_RETRIES: u32 = 8;
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
    TimedOut,
    HostUnreachable,
}

impl Failure {
    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Refused => libc::ECONNREFUSED,
            Self::Reset => libc::ECONNRESET,
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

    // ---- what the process does ----

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

    // ---- what the network does ----

    pub(crate) fn on_segment(&mut self, segment: &Segment, io: &mut Io) -> Outcome {
        if segment.flags.rst {
            self.on_reset(segment, io);
            return Outcome::Progress;
        }
        let mut outcome = Outcome::Nothing;
        match self.state {
            State::SynSent => {
                if segment.flags.syn && segment.flags.ack && segment.acknowledged == 1 {
                    self.state = State::Established;
                    self.unacknowledged = 1;
                    self.receive_next = segment.sequence + 1;
                    self.peer_window = segment.window;
                    self.attempts = 0;
                    self.deadline_ns = None;
                    self.acknowledge(io);
                    wake(&mut self.write_waker, io);
                    return Outcome::Progress;
                }
                return Outcome::Nothing;
            }
            State::SynReceived if segment.flags.syn => {
                self.handshake(io); // our SYN-ACK was lost
                return Outcome::Nothing;
            }
            State::SynReceived if segment.flags.ack && segment.acknowledged >= 1 => {
                self.state = State::Established;
                self.unacknowledged = 1;
                self.attempts = 0;
                self.deadline_ns = None;
                outcome = Outcome::Accepted;
            }
            State::SynReceived | State::Closed => return Outcome::Nothing,
            _ => {}
        }
        if segment.flags.syn {
            self.acknowledge(io); // our ACK of the SYN-ACK was lost
            return outcome;
        }
        if segment.flags.ack && self.on_acknowledgement(segment, io) && outcome == Outcome::Nothing
        {
            outcome = Outcome::Progress;
        }
        if !segment.data.is_empty() || segment.flags.fin {
            self.on_data(segment, io);
        } else if segment.sequence + 1 == self.receive_next {
            self.acknowledge(io); // a window probe
        }
        outcome
    }

    fn on_reset(&mut self, segment: &Segment, io: &mut Io) {
        let failure = match self.state {
            State::SynSent if segment.flags.ack && segment.acknowledged == 1 => Failure::Refused,
            State::SynSent | State::Closed => return,
            // RFC 9293, 3.5.2: only a sequence number in the window counts.
            _ if segment.sequence < self.receive_next => return,
            _ => Failure::Reset,
        };
        self.fail(failure, io);
    }

    /// Somebody in between reset the connection.
    pub(crate) fn on_fault_reset(&mut self, io: &mut Io) {
        let failure = if self.state == State::SynSent {
            Failure::Refused
        } else {
            Failure::Reset
        };
        self.fail(failure, io);
    }

    /// The packet that carried our segment could not be delivered: nobody answers for the address.
    /// A connect fails; an open connection goes on trying (`tcp_v4_err`).
    pub(crate) fn on_unreachable(&mut self, io: &mut Io) {
        match self.state {
            State::SynSent => self.fail(Failure::HostUnreachable, io),
            _ => self.is_unreachable = true,
        }
    }

    /// True if it acknowledges something new.
    fn on_acknowledgement(&mut self, segment: &Segment, io: &mut Io) -> bool {
        let acknowledged = segment.acknowledged;
        self.peer_window = segment.window;
        if acknowledged > self.next {
            return false;
        }
        if acknowledged <= self.unacknowledged {
            let shows_loss =
                acknowledged == self.unacknowledged && segment.has_gap && self.next > acknowledged;
            if shows_loss && self.recovery.is_none() {
                self.recovery = Some(self.next);
                self.retransmit_first(io);
            }
            if self.next == self.unacknowledged {
                self.attempts = 0; // an answer to a window probe
            }
            io.mark_dirty(self.id); // the window may have opened
            return false;
        }
        let fin_acknowledged = self.fin_queued && acknowledged == self.written + 1;
        let data_end = acknowledged - u64::from(fin_acknowledged);
        self.forget_sent(data_end.saturating_sub(self.unacknowledged) as usize);
        self.unacknowledged = acknowledged;
        self.attempts = 0;
        self.is_unreachable = false;
        let in_flight = self.next > acknowledged;
        self.set_deadline(in_flight.then_some(io.now_ns + DATA_RTO_NS), io);
        match self.recovery {
            Some(point) if acknowledged < point => self.retransmit_first(io),
            _ => self.recovery = None,
        }
        if fin_acknowledged {
            self.on_fin_acknowledged(io);
        }
        if self.buffered() < SEND_MAX {
            wake(&mut self.write_waker, io);
        }
        io.mark_dirty(self.id);
        true
    }

    fn on_fin_acknowledged(&mut self, io: &mut Io) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if !self.open {
                    self.set_deadline(Some(io.now_ns + LINGER_NS), io);
                }
            }
            State::Closing => self.wait_out(io),
            State::LastAck => self.state = State::Closed,
            _ => {}
        }
    }

    fn on_data(&mut self, segment: &Segment, io: &mut Io) {
        if matches!(self.state, State::TimeWait | State::LastAck) || self.peer_finished {
            self.acknowledge(io); // our last ACK was lost
            return;
        }
        let data_end = segment.sequence + segment.data.len() as u64;
        // Nobody will read it: tell the peer (`tcp_rcv_state_process`, data after close).
        if !self.open && self.listener.is_none() && data_end > self.receive_next {
            self.abort(io);
            return;
        }
        self.acknowledge(io);
        if segment.end() <= self.receive_next || data_end > self.receive_next + self.room() as u64 {
            return; // a duplicate, or more than there is room for
        }
        if segment.sequence > self.receive_next {
            self.beyond_gap
                .insert(segment.sequence, (segment.data.clone(), segment.flags.fin));
            return;
        }
        self.take(
            segment.sequence,
            segment.data.clone(),
            segment.flags.fin,
            io,
        );
        while let Some(entry) = self.beyond_gap.first_entry()
            && *entry.key() <= self.receive_next
        {
            let (sequence, (data, fin)) = entry.remove_entry();
            self.take(sequence, data, fin, io);
        }
        wake(&mut self.read_waker, io);
    }

    /// Data whose first byte is at or before the next that is expected.
    fn take(&mut self, sequence: u64, mut data: Bytes, fin: bool, io: &mut Io) {
        let known = (self.receive_next - sequence) as usize;
        if known < data.len() {
            let new = data.split_off(known);
            self.receive_next += new.len() as u64;
            self.received_length += new.len();
            self.received.push_back(new);
        } else if known > data.len() {
            return;
        }
        if fin && !self.peer_finished {
            self.peer_finished = true;
            self.receive_next += 1;
            match self.state {
                State::Established => self.state = State::CloseWait,
                State::FinWait1 => self.state = State::Closing,
                State::FinWait2 => self.wait_out(io),
                _ => {}
            }
        }
    }

    pub(crate) fn on_timer(&mut self, io: &mut Io) {
        self.timer_ns = None;
        match self.deadline_ns {
            None => return,
            Some(deadline_ns) if deadline_ns > io.now_ns => return self.schedule(io),
            Some(_) => {}
        }
        self.deadline_ns = None;
        match self.state {
            State::TimeWait | State::FinWait2 => self.state = State::Closed,
            State::Closed => {}
            State::SynSent if self.attempts == SYN_LINEAR + SYN_RETRIES => self.time_out(io),
            State::SynReceived if self.attempts == SYN_ACK_RETRIES => self.state = State::Closed,
            State::SynSent => {
                self.handshake(io);
                self.attempts += 1;
                let doublings = self.attempts.saturating_sub(SYN_LINEAR);
                self.set_deadline(Some(io.now_ns + (SYN_RTO_NS << doublings)), io);
            }
            State::SynReceived => {
                self.handshake(io);
                self.attempts += 1;
                self.set_deadline(Some(io.now_ns + (SYN_RTO_NS << self.attempts)), io);
            }
            _ if self.attempts == if self.open { RETRIES } else { ORPHAN_RETRIES } => {
                self.time_out(io)
            }
            _ => {
                if self.next > self.unacknowledged {
                    self.recovery = Some(self.next);
                    self.retransmit_first(io);
                } else {
                    // The window is shut: an old sequence number makes the peer tell its window.
                    self.transmit(self.unacknowledged - 1, ack_flag(), Bytes::new(), io);
                }
                self.attempts += 1;
                let rto_ns = (DATA_RTO_NS << self.attempts).min(RTO_MAX_NS);
                self.set_deadline(Some(io.now_ns + rto_ns), io);
            }
        }
    }

    /// Sends what may be sent and the acknowledgement that is due, once the host has run.
    pub(crate) fn flush(&mut self, io: &mut Io) {
        if matches!(
            self.state,
            State::SynSent | State::SynReceived | State::Closed
        ) {
            return;
        }
        let limit = self.unacknowledged + u64::from(self.peer_window);
        while self.next < self.written && self.next < limit {
            let length = (self.written - self.next)
                .min(limit - self.next)
                .min(MSS as u64) as usize;
            let data = self.sent((self.next - self.unacknowledged) as usize, length);
            let fin = self.fin_queued && self.next + length as u64 == self.written;
            self.transmit(self.next, Flags { fin, ..ack_flag() }, data, io);
            self.next += length as u64 + u64::from(fin);
        }
        if self.fin_queued && self.next == self.written {
            self.transmit(
                self.next,
                Flags {
                    fin: true,
                    ..ack_flag()
                },
                Bytes::new(),
                io,
            );
            self.next += 1;
        }
        let is_waiting = self.next > self.unacknowledged || self.next < self.written;
        if is_waiting && self.deadline_ns.is_none() {
            self.set_deadline(Some(io.now_ns + DATA_RTO_NS), io);
        }
        if self.ack_due {
            self.transmit(self.next, ack_flag(), Bytes::new(), io);
        }
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Closed && !self.open
    }

    // ---- helpers ----

    fn handshake(&mut self, io: &mut Io) {
        let flags = Flags {
            syn: true,
            ack: self.state == State::SynReceived,
            ..Flags::default()
        };
        self.transmit(0, flags, Bytes::new(), io);
    }

    fn retransmit_first(&mut self, io: &mut Io) {
        let in_flight = self.next.min(self.written) - self.unacknowledged.min(self.written);
        let length = in_flight.min(MSS as u64) as usize;
        let data = self.sent(0, length);
        let end = self.unacknowledged + length as u64;
        let fin = self.fin_queued && self.next > self.written && end == self.written;
        self.transmit(self.unacknowledged, Flags { fin, ..ack_flag() }, data, io);
    }

    fn transmit(&mut self, sequence: u64, flags: Flags, data: Bytes, io: &mut Io) {
        self.ack_due = false;
        self.window_advertised = self.room() as u32;
        let segment = Segment {
            flags,
            sequence,
            acknowledged: self.receive_next,
            window: self.window_advertised,
            has_gap: !self.beyond_gap.is_empty(),
            data,
        };
        io.packets.push(Packet {
            source: self.local,
            target: self.remote,
            body: Body::Tcp(segment),
        });
    }

    /// `length` bytes from `offset` of what is written and not acknowledged; copied only where they
    /// were written in pieces.
    fn sent(&self, offset: usize, length: usize) -> Bytes {
        let mut skip = offset;
        let mut joined = Vec::new();
        for chunk in &self.unsent {
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let part = (chunk.len() - skip).min(length - joined.len());
            if part == length {
                return chunk.slice(skip..skip + part);
            }
            joined.extend_from_slice(&chunk[skip..skip + part]);
            skip = 0;
            if joined.len() == length {
                break;
            }
        }
        joined.into()
    }

    fn forget_sent(&mut self, mut length: usize) {
        while length > 0
            && let Some(chunk) = self.unsent.front_mut()
        {
            let part = chunk.len().min(length);
            length -= part;
            if part == chunk.len() {
                self.unsent.pop_front();
            } else {
                let _ = chunk.split_to(part);
            }
        }
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

    fn time_out(&mut self, io: &mut Io) {
        let failure = if self.is_unreachable {
            Failure::HostUnreachable
        } else {
            Failure::TimedOut
        };
        self.fail(failure, io);
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
