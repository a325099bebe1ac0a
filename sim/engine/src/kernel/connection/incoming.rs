//! What arrives: handshakes, acknowledgements, data in and out of order, resets.

use bytes::Bytes;

use super::super::Io;
use super::super::packet::Segment;
use super::{Connection, DATA_RTO_NS, Failure, LINGER_NS, Outcome, SEND_MAX, State, wake};

impl Connection {
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
            // `tcp_reset`: the peer had finished before.
            State::CloseWait => Failure::BrokenPipe,
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
}
