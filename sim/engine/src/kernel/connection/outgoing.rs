//! What leaves: segments, acknowledgements, and their retransmission on Linux's timers.

use bytes::Bytes;

use super::super::Io;
use super::super::packet::{Body, Flags, MSS, Packet, Segment};
use super::{Connection, DATA_RTO_NS, Failure, SYN_RTO_NS, State, ack_flag};
use crate::time::S;

/// `tcp_syn_linear_timeouts` and `tcp_syn_retries`: 4 timeouts of one second, then 6 that double.
const SYN_LINEAR: u32 = 4;
const SYN_RETRIES: u32 = 6;
/// `tcp_synack_retries`.
const SYN_ACK_RETRIES: u32 = 5;
/// `TCP_RTO_MAX`.
const RTO_MAX_NS: u64 = 120 * S;
/// `tcp_retries2`.
const RETRIES: u32 = 15;
/// `tcp_orphan_retries` at its default of 0 means 8.
const ORPHAN_RETRIES: u32 = 8;

impl Connection {
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

    pub(super) fn handshake(&mut self, io: &mut Io) {
        let flags = Flags {
            syn: true,
            ack: self.state == State::SynReceived,
            ..Flags::default()
        };
        self.transmit(0, flags, Bytes::new(), io);
    }

    pub(super) fn retransmit_first(&mut self, io: &mut Io) {
        let in_flight = self.next.min(self.written) - self.unacknowledged.min(self.written);
        let length = in_flight.min(MSS as u64) as usize;
        let data = self.sent(0, length);
        let end = self.unacknowledged + length as u64;
        let fin = self.fin_queued && self.next > self.written && end == self.written;
        self.transmit(self.unacknowledged, Flags { fin, ..ack_flag() }, data, io);
    }

    pub(super) fn transmit(&mut self, sequence: u64, flags: Flags, data: Bytes, io: &mut Io) {
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
    pub(super) fn sent(&self, offset: usize, length: usize) -> Bytes {
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

    pub(super) fn forget_sent(&mut self, mut length: usize) {
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

    pub(super) fn time_out(&mut self, io: &mut Io) {
        let failure = if self.is_unreachable {
            Failure::HostUnreachable
        } else {
            Failure::TimedOut
        };
        self.fail(failure, io);
    }
}
