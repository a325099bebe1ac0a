//! What a connection waits for, and what it does when it has waited in vain: retransmission, the
//! tail-loss probe, RACK's leeway, the shut window (net/ipv4/tcp_timer.c).
//!
//! A connection waits for one thing at a time, as Linux's does; keep-alive is the exception and has a
//! timer of its own (`liveness`).

use bytes::Bytes;

use super::super::wheel::{JIFFY_NS, expiry_ns};
use super::super::{Io, Timer};
use super::congestion::Phase;
use super::rtt::{RTO_MAX_NS, RTO_MIN_NS, patience_ns};
use super::{Connection, Failure, State, ack_flag};
use crate::time::S;

/// `TCP_TIMEOUT_INIT`.
const HANDSHAKE_NS: u64 = S;
/// `tcp_syn_linear_timeouts` and `tcp_syn_retries`: 4 timeouts of one second, then 6 that double.
const SYN_LINEAR: u32 = 4;
const SYN_RETRIES: u32 = 6;
/// `tcp_synack_retries`.
const SYN_ACK_RETRIES: u32 = 5;
/// `tcp_retries2`.
const RETRIES: u32 = 15;
/// `tcp_orphan_retries` at its default of 0 means 8.
const ORPHAN_RETRIES: u32 = 8;
/// `tcp_fin_timeout` and TIME_WAIT.
const LINGER_NS: u64 = 60 * S;
/// `TCP_TIMEOUT_MIN`: short timers are this much longer.
const LEAST_NS: u64 = 2 * JIFFY_NS;
/// `tcp->reordering`: as many arrived beyond a gap make it a loss without more ado.
const DUPLICATES: usize = 3;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The answer to a SYN or SYN-ACK.
    Handshake,
    /// An acknowledgement.
    Acknowledgement,
    /// An acknowledgement of the last of several segments, or it is asked for (RFC 8985, section 7).
    Tail,
    /// A segment that others have overtaken.
    Overtaken,
    /// Room at the receiver.
    Room,
    /// The end of TIME_WAIT, or the peer's FIN when nobody waits for it.
    Linger,
}

/// A tail-loss probe under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailProbe {
    /// What had been sent by then.
    pub(super) end: u64,
    /// It repeated a segment, so an acknowledgement may be its doing.
    pub(super) is_repeat: bool,
}

impl Connection {
    pub(crate) fn on_timer(&mut self, io: &mut Io) {
        if self.timer_ns.is_some_and(|timer_ns| timer_ns > io.now_ns) {
            return; // set before an earlier one that has fired, and another is on its way
        }
        self.timer_ns = None;
        match self.deadline {
            Some((deadline_ns, wait)) if deadline_ns <= io.now_ns => {
                self.deadline = None;
                self.on_waited(wait, io);
            }
            _ => self.schedule(io),
        }
    }

    fn on_waited(&mut self, wait: Wait, io: &mut Io) {
        match wait {
            Wait::Handshake => self.on_no_handshake(io),
            Wait::Acknowledgement => self.on_no_acknowledgement(io),
            Wait::Tail => self.probe_tail(io),
            Wait::Overtaken => {
                self.find_lost(io);
                if self.deadline.is_none() {
                    self.wait(Wait::Acknowledgement, self.timeout_ns(), io);
                }
            }
            Wait::Room => self.probe_window(io),
            Wait::Linger => self.state = State::Closed,
        }
    }

    fn on_no_handshake(&mut self, io: &mut Io) {
        let (retries, linear) = match self.state {
            State::SynSent => (SYN_LINEAR + SYN_RETRIES, SYN_LINEAR),
            _ => (SYN_ACK_RETRIES, 0),
        };
        if self.attempts == retries {
            return match self.state {
                State::SynSent => self.time_out(io),
                _ => self.state = State::Closed,
            };
        }
        self.handshake(io);
        self.attempts += 1;
        let doublings = self.attempts.saturating_sub(linear);
        self.wait(Wait::Handshake, HANDSHAKE_NS << doublings, io);
    }

    /// `tcp_retransmit_timer`.
    fn on_no_acknowledgement(&mut self, io: &mut Io) {
        let since_ns = *self.unanswered_since_ns.get_or_insert(io.now_ns);
        let waited_ns = io.now_ns.saturating_sub(since_ns);
        let patience_ns = self.patience_ns();
        if self.doublings > 0 && waited_ns >= patience_ns {
            return self.time_out(io);
        }
        self.flight.lose_old(io.now_ns);
        self.congestion.enter_loss(self.next);
        self.is_repair_due = true;
        self.doublings += 1;
        // `tcp_clamp_rto_to_user_timeout`.
        let wait_ns = match self.user_timeout_ns() {
            Some(limit_ns) => self.timeout_ns().min(limit_ns.saturating_sub(waited_ns)),
            None => self.timeout_ns(),
        };
        self.wait(Wait::Acknowledgement, wait_ns, io);
        io.mark_dirty(self.id);
    }

    /// `tcp_probe_timer`: an old sequence number makes the peer tell its window.
    fn probe_window(&mut self, io: &mut Io) {
        let since_ns = *self.unanswered_since_ns.get_or_insert(io.now_ns);
        let limit_ns = self.user_timeout_ns();
        let waited_ns = io.now_ns.saturating_sub(since_ns);
        let retries = if self.open { RETRIES } else { ORPHAN_RETRIES };
        if self.attempts >= retries || limit_ns.is_some_and(|limit_ns| waited_ns >= limit_ns) {
            return self.time_out(io);
        }
        self.attempts += 1;
        self.doublings += 1;
        self.transmit(self.unacknowledged - 1, ack_flag(), Bytes::new(), io);
        self.wait(Wait::Room, self.timeout_ns(), io);
    }

    /// `tcp_send_loss_probe`: something new if there is, else the last segment again.
    fn probe_tail(&mut self, io: &mut Io) {
        let is_repeat = !self.send_next(io);
        if is_repeat && let Some(segment) = self.flight.probe_last(io.now_ns) {
            self.send_again(segment, io);
        }
        self.tail_probe = Some(TailProbe {
            end: self.next,
            is_repeat,
        });
        self.wait(Wait::Acknowledgement, self.timeout_ns(), io);
    }

    /// Waits for what was sent: by a tail-loss probe if one may help (`tcp_schedule_loss_probe`).
    pub(super) fn await_acknowledgement(&mut self, is_advancing: bool, io: &mut Io) {
        let Some(first) = self.flight.first() else {
            self.deadline = None;
            return;
        };
        let may_probe = self.tail_probe.is_none()
            && self.congestion.phase == Phase::Open
            && !self.flight.has_sacked();
        if !may_probe {
            return self.wait(Wait::Acknowledgement, self.timeout_ns(), io);
        }
        // A lone segment's acknowledgement may be delayed.
        let margin_ns = match self.flight.len() {
            1 => RTO_MIN_NS,
            _ => LEAST_NS,
        };
        let round_ns = self.rtt.smoothed_ns().map_or(S, |ns| 2 * ns);
        let timeout_ns = match is_advancing {
            true => self.timeout_ns(),
            false => (first.sent_ns + self.timeout_ns()).saturating_sub(io.now_ns),
        };
        let probe_ns = (round_ns + margin_ns).min(timeout_ns.max(1));
        self.wait(Wait::Tail, probe_ns, io);
    }

    /// Marks what is lost by now, and waits for what may be only late (`tcp_rack_mark_lost`).
    pub(super) fn find_lost(&mut self, io: &mut Io) {
        let is_sure = !self.flight.is_reordered
            && (self.congestion.phase != Phase::Open || self.flight.sacked() >= DUPLICATES);
        let leeway_ns = match is_sure {
            true => 0,
            false => (self.rtt.least_ns() / 4)
                .saturating_mul(u64::from(self.leeway_steps))
                .min(self.rtt.smoothed_ns().unwrap_or(0)),
        };
        if let Some(wait_ns) = self.flight.detect_lost(io.now_ns, leeway_ns) {
            self.wait(Wait::Overtaken, wait_ns + LEAST_NS, io);
        }
        if !self.flight.has_lost() {
            return;
        }
        if self.congestion.phase == Phase::Open {
            self.congestion.enter_recovery(self.next);
            self.is_repair_due = true;
        }
        io.mark_dirty(self.id);
    }

    pub(super) fn linger(&mut self, io: &mut Io) {
        self.wait(Wait::Linger, LINGER_NS, io);
    }

    pub(super) fn await_handshake(&mut self, io: &mut Io) {
        self.wait(Wait::Handshake, HANDSHAKE_NS, io);
    }

    pub(super) fn await_room(&mut self, io: &mut Io) {
        self.wait(Wait::Room, self.timeout_ns(), io);
    }

    /// How long nothing is acknowledged before the connection is given up.
    fn patience_ns(&self) -> u64 {
        let by_count_ns = match self.open {
            true => const { patience_ns(RETRIES) },
            false => const { patience_ns(ORPHAN_RETRIES) },
        };
        self.user_timeout_ns().unwrap_or(by_count_ns)
    }

    fn timeout_ns(&self) -> u64 {
        let timeout_ns = self.rtt.timeout_ns();
        let doubled_ns = timeout_ns.saturating_mul(1 << self.doublings.min(16));
        doubled_ns.min(RTO_MAX_NS)
    }

    pub(super) fn time_out(&mut self, io: &mut Io) {
        let failure = if self.is_unreachable {
            Failure::HostUnreachable
        } else {
            Failure::TimedOut
        };
        self.fail(failure, io);
    }

    fn wait(&mut self, wait: Wait, for_ns: u64, io: &mut Io) {
        self.deadline = Some((expiry_ns(io.now_ns, for_ns), wait));
        self.schedule(io);
    }

    /// One timer at most is on its way that is not later than the deadline.
    fn schedule(&mut self, io: &mut Io) {
        if let Some((deadline_ns, _)) = self.deadline
            && self.timer_ns.is_none_or(|timer_ns| timer_ns > deadline_ns)
        {
            self.timer_ns = Some(deadline_ns);
            io.timers.set(deadline_ns, Timer::Connection(self.id));
        }
    }
}
