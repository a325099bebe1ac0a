//! What leaves: segments, for the first time and again, and acknowledgements.

use bytes::Bytes;

use super::super::Io;
use super::super::packet::{Body, Flags, Packet, Range, Segment};
use super::flight::Sent;
use super::timers::Wait;
use super::{Connection, State, ack_flag};

impl Connection {
    /// Sends what may be sent and the acknowledgement that is due, once the host has run.
    pub(crate) fn flush(&mut self, io: &mut Io) {
        if matches!(
            self.state,
            State::SynSent | State::SynReceived | State::Closed
        ) {
            return;
        }
        if self.flight.is_empty() && self.next < self.written {
            self.forget_path_after_rest(io);
        }
        let (was_empty, next_before) = (self.flight.is_empty(), self.next);
        let mut is_limit = false;
        loop {
            let may_send = self.flight.on_the_wire() < self.congestion.window();
            if !may_send && !self.is_repair_due {
                is_limit = self.flight.has_lost() || self.next < self.written;
                break;
            }
            if let Some(segment) = self.flight.repair_next(io.now_ns) {
                self.is_repair_due = false;
                self.repairing_since_ns.get_or_insert(io.now_ns);
                self.send_again(segment, io);
            } else if !may_send || !self.send_next(io) {
                break;
            }
        }
        self.is_repair_due = false;
        self.congestion
            .note_use(self.flight.len(), is_limit, self.unacknowledged, self.next);
        if self.next > next_before {
            let is_waiting = matches!(self.deadline, Some((_, wait)) if wait != Wait::Tail);
            if was_empty || !is_waiting {
                self.await_acknowledgement(false, io);
            }
        } else if self.deadline.is_none() && !self.flight.is_empty() {
            self.await_acknowledgement(false, io);
        }
        let is_shut = self.flight.is_empty() && self.has_unsent();
        if is_shut && !matches!(self.deadline, Some((_, Wait::Room))) {
            self.await_room(io);
        }
        if self.ack_due {
            self.transmit(self.next, ack_flag(), Bytes::new(), io);
        }
    }

    /// Sends the next segment that was never sent, if the receiver has room for it.
    pub(super) fn send_next(&mut self, io: &mut Io) -> bool {
        if !self.has_unsent() {
            return false;
        }
        let limit = self.unacknowledged + u64::from(self.peer_window);
        let rest = self.written.saturating_sub(self.next);
        let length = rest
            .min(limit.saturating_sub(self.next))
            .min(u64::from(self.mss));
        if length == 0 && rest > 0 {
            return false;
        }
        let data = self.sent((self.next - self.unacknowledged) as usize, length as usize);
        let fin = self.fin_queued && length == rest;
        let end = self.next + length + u64::from(fin);
        self.flight.push(self.next, end, io.now_ns);
        self.transmit(self.next, Flags { fin, ..ack_flag() }, data, io);
        self.next = end;
        self.sent_last_ns = io.now_ns;
        self.note_answer(io);
        true
    }

    fn has_unsent(&self) -> bool {
        self.next < self.written || (self.fin_queued && self.next == self.written)
    }

    pub(super) fn send_again(&mut self, segment: Sent, io: &mut Io) {
        let length = segment.end.min(self.written) - segment.start;
        let offset = segment.start - self.unacknowledged;
        let data = self.sent(offset as usize, length as usize);
        let fin = segment.end > self.written;
        self.transmit(segment.start, Flags { fin, ..ack_flag() }, data, io);
    }

    pub(super) fn handshake(&mut self, io: &mut Io) {
        let flags = Flags {
            syn: true,
            ack: self.state == State::SynReceived,
            ..Flags::default()
        };
        self.transmit(0, flags, Bytes::new(), io);
    }

    pub(super) fn transmit(&mut self, sequence: u64, flags: Flags, data: Bytes, io: &mut Io) {
        self.note_acknowledged();
        self.window_advertised = self.room() as u32;
        let segment = Segment {
            flags,
            sequence,
            acknowledged: self.receive_next,
            window: self.window_advertised,
            sacked: self.beyond_gap_ranges(),
            is_duplicate: std::mem::take(&mut self.is_duplicate_due),
            sent_ns: io.now_ns,
            echo_ns: self.recent_ns,
            data,
        };
        io.packets.push(Packet {
            source: self.local,
            target: self.remote,
            body: Body::Tcp(segment),
        });
    }

    /// The path takes IP packets of `mtu` bytes and no longer ones.
    pub(crate) fn on_too_big(&mut self, mss: u16, io: &mut Io) {
        if mss < self.mss {
            self.mss = mss;
            self.flight.split(u64::from(mss));
            self.is_repair_due = true;
            io.mark_dirty(self.id);
        }
    }

    fn beyond_gap_ranges(&self) -> Option<Box<[Range]>> {
        if self.beyond_gap.is_empty() {
            return None;
        }
        let mut ranges: Vec<Range> = Vec::new();
        for (&start, (data, fin)) in &self.beyond_gap {
            let end = start + data.len() as u64 + u64::from(*fin);
            match ranges.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => ranges.push(start..end),
            }
        }
        Some(ranges.into())
    }

    /// `tcp_cwnd_restart`: what was known of the path is forgotten by half for each timeout of rest.
    fn forget_path_after_rest(&mut self, io: &Io) {
        let rest_ns = io.now_ns.saturating_sub(self.sent_last_ns);
        let timeouts = rest_ns / self.rtt.timeout_ns();
        if self.sent_last_ns > 0 && timeouts > 0 {
            self.congestion.restart(timeouts);
        }
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
}
