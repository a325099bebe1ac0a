//! When data is acknowledged: at once, or with the answer that is expected any moment
//! (net/ipv4/tcp_input.c `__tcp_ack_snd_check`, tcp_timer.c `tcp_delack_timer_handler`).
//!
//! A side that answered within 40 ms of hearing is in a dialogue: its next acknowledgement waits for the
//! next answer, 40 ms at most. It shows in the other side's idea of a round trip, and so in how long
//! that one waits before it sends again. Outside of a dialogue Linux acknowledges every second segment
//! of a long transfer; here it is every one.

use super::super::wheel::expiry_ns;
use super::super::{Io, Timer};
use super::Connection;
use crate::time::MS;

/// `TCP_DELACK_MIN`.
const DELAY_NS: u64 = 40 * MS;

#[derive(Debug, Default)]
pub(super) struct Delayed {
    is_dialogue: bool,
    heard_ns: u64,
    /// Everything below was acknowledged.
    told: u64,
    /// When the acknowledgement goes out by itself.
    deadline_ns: Option<u64>,
    /// When the timer fires; one is on its way at most.
    timer_ns: Option<u64>,
}

impl Connection {
    /// Data arrived in order.
    pub(super) fn acknowledge_soon(&mut self, io: &mut Io) {
        self.delayed.heard_ns = io.now_ns;
        let untold = self.receive_next - self.delayed.told;
        if !self.delayed.is_dialogue || untold > u64::from(self.mss) {
            return self.acknowledge(io);
        }
        if self.delayed.deadline_ns.is_none() {
            self.delayed.deadline_ns = Some(expiry_ns(io.now_ns, DELAY_NS));
            self.schedule_acknowledgement(io);
        }
    }

    /// Something is out of order: the peer must know at once, and for a while (quick-ack mode).
    pub(super) fn acknowledge_now(&mut self, io: &mut Io) {
        self.delayed.is_dialogue = false;
        self.acknowledge(io);
    }

    /// A segment leaves, and every segment acknowledges.
    pub(super) fn note_acknowledged(&mut self) {
        self.ack_due = false;
        self.delayed.told = self.receive_next;
        self.delayed.deadline_ns = None;
    }

    /// New data leaves.
    pub(super) fn note_answer(&mut self, io: &Io) {
        let heard_ns = self.delayed.heard_ns;
        if heard_ns > 0 && io.now_ns.saturating_sub(heard_ns) < DELAY_NS {
            self.delayed.is_dialogue = true;
        }
    }

    pub(crate) fn on_acknowledgement_timer(&mut self, io: &mut Io) {
        self.delayed.timer_ns = None;
        match self.delayed.deadline_ns {
            Some(deadline_ns) if deadline_ns <= io.now_ns => self.acknowledge_now(io),
            Some(_) => self.schedule_acknowledgement(io),
            None => {}
        }
    }

    fn schedule_acknowledgement(&mut self, io: &mut Io) {
        if self.delayed.timer_ns.is_none()
            && let Some(deadline_ns) = self.delayed.deadline_ns
        {
            self.delayed.timer_ns = Some(deadline_ns);
            io.timers.set(deadline_ns, Timer::Acknowledgement(self.id));
        }
    }
}
