//! What arrives: handshakes, acknowledgements, data in and out of order, resets.

use bytes::Bytes;

use super::super::Io;
use super::super::packet::Segment;
use super::congestion::Phase;
use super::timers::Wait;
use super::{Connection, Failure, Outcome, SEND_MAX, State, wake};

/// `tcp_rack_update_reo_wnd` counts in a byte.
const LEEWAY_STEPS_MAX: u32 = 255;

impl Connection {
    pub(crate) fn on_segment(&mut self, segment: &Segment, io: &mut Io) -> Outcome {
        if segment.flags.rst {
            self.on_reset(segment, io);
            return Outcome::Progress;
        }
        self.note_alive(io);
        // RFC 7323, 4.3: what fills the gap is echoed, not what lies beyond it.
        if segment.sequence <= self.receive_next {
            self.recent_ns = self.recent_ns.max(segment.sent_ns);
        }
        let mut outcome = Outcome::Nothing;
        match self.state {
            State::SynSent => {
                if segment.flags.syn && segment.flags.ack && segment.acknowledged == 1 {
                    self.state = State::Established;
                    self.unacknowledged = 1;
                    self.receive_next = segment.sequence + 1;
                    self.peer_window = segment.window;
                    self.recent_ns = segment.sent_ns;
                    self.on_handshake_done(segment, io);
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
                self.on_handshake_done(segment, io);
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

    fn on_handshake_done(&mut self, segment: &Segment, io: &Io) {
        self.attempts = 0;
        self.deadline = None;
        self.rtt.sample(io.now_ns.saturating_sub(segment.echo_ns));
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
        if acknowledged > self.next || acknowledged < self.unacknowledged {
            return false; // of another life, or overtaken by a later one
        }
        let is_new = acknowledged > self.unacknowledged;
        self.update_window(segment, is_new);
        self.attempts = 0;
        let least_rtt_ns = self.rtt.least_ns();
        if is_new {
            self.on_new_acknowledgement(segment, io);
        }
        let ranges = segment.sacked.as_deref().unwrap_or_default();
        let has_sacked = self.flight.sack(ranges, io.now_ns, least_rtt_ns) > 0;
        self.note_duplicate(segment);
        if is_new {
            self.leave_loss_behind(segment);
        }
        if is_new || has_sacked {
            self.await_acknowledgement(true, io);
        }
        if self.flight.has_sacked() || self.congestion.phase != Phase::Open {
            self.find_lost(io);
        }
        if is_new && self.fin_queued && acknowledged == self.written + 1 {
            self.on_fin_acknowledged(io);
        }
        if self.buffered() < SEND_MAX && is_new {
            wake(&mut self.write_waker, io);
        }
        if self.next < self.written || self.flight.has_lost() || self.fin_queued {
            io.mark_dirty(self.id); // the windows may have opened
        }
        is_new
    }

    /// `tcp_may_update_window`: an acknowledgement that was overtaken tells an old window.
    fn update_window(&mut self, segment: &Segment, is_new: bool) {
        let is_later = segment.sequence > self.peer_window_from;
        let is_same = segment.sequence == self.peer_window_from;
        if is_new || is_later || (is_same && segment.window > self.peer_window) {
            self.peer_window = segment.window;
            self.peer_window_from = segment.sequence;
            if matches!(self.deadline, Some((_, Wait::Room))) && segment.window > 0 {
                self.deadline = None;
                self.doublings = 0;
            }
        }
    }

    fn on_new_acknowledgement(&mut self, segment: &Segment, io: &Io) {
        let acknowledged = segment.acknowledged;
        let data_end = acknowledged.min(self.written);
        self.forget_sent(data_end.saturating_sub(self.unacknowledged) as usize);
        self.unacknowledged = acknowledged;
        let least_rtt_ns = self.rtt.least_ns();
        let count = self
            .flight
            .acknowledge(acknowledged, io.now_ns, least_rtt_ns);
        self.congestion.on_acknowledged(count);
        self.rtt.sample(io.now_ns.saturating_sub(segment.echo_ns));
        self.doublings = 0;
        self.unanswered_since_ns = None;
        self.is_unreachable = false;
    }

    /// What was sent again for nothing: RACK was too quick, or the tail was not lost.
    fn note_duplicate(&mut self, segment: &Segment) {
        if !segment.is_duplicate {
            return;
        }
        if self.flight.is_reordered {
            self.leeway_steps = (self.leeway_steps + 1).min(LEEWAY_STEPS_MAX);
        }
        self.tail_probe = None;
    }

    fn leave_loss_behind(&mut self, segment: &Segment) {
        let acknowledged = segment.acknowledged;
        let is_over = match self.congestion.phase {
            Phase::Open => false,
            Phase::Recovery(until) | Phase::Loss(until) => acknowledged >= until,
        };
        // Eifel (RFC 3522): this answers the first copy, so nothing was lost.
        if self
            .repairing_since_ns
            .is_some_and(|since_ns| segment.echo_ns < since_ns)
        {
            self.flight.forgive();
            self.congestion.undo();
            self.repairing_since_ns = None;
        } else if is_over {
            self.congestion.leave();
            self.repairing_since_ns = None;
        }
        // `tcp_process_tlp_ack`: a tail that only the probe brought was lost, and that counts.
        if let Some(probe) = self.tail_probe
            && acknowledged >= probe.end
            && (acknowledged > probe.end || !probe.is_repeat)
        {
            if probe.is_repeat && self.congestion.phase == Phase::Open {
                self.congestion.reduce();
            }
            self.tail_probe = None;
        }
    }

    fn on_fin_acknowledged(&mut self, io: &mut Io) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if !self.open {
                    self.linger(io);
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
        self.is_duplicate_due |= segment.end() <= self.receive_next;
        if segment.end() <= self.receive_next || data_end > self.receive_next + self.room() as u64 {
            return self.acknowledge_now(io); // a duplicate, or more than there is room for
        }
        if segment.sequence > self.receive_next {
            self.keep_beyond_gap(segment);
            return self.acknowledge_now(io);
        }
        let fills_gap = !self.beyond_gap.is_empty();
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
        match fills_gap || self.peer_finished {
            true => self.acknowledge_now(io),
            false => self.acknowledge_soon(io),
        }
        wake(&mut self.read_waker, io);
    }

    /// What the sender was told is here is never given up again: of two segments with one beginning
    /// the longer stays.
    fn keep_beyond_gap(&mut self, segment: &Segment) {
        let known = self.beyond_gap.get(&segment.sequence);
        if known.is_some_and(|(data, _)| data.len() >= segment.data.len()) {
            self.is_duplicate_due = true;
            return;
        }
        self.beyond_gap
            .insert(segment.sequence, (segment.data.clone(), segment.flags.fin));
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
