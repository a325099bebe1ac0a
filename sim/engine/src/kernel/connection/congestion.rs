//! How much may be under way: NewReno (RFC 5681, RFC 6582; Linux's `reno`), counted in segments.
//!
//! Reno and not Linux's usual CUBIC, because the two differ only on paths that hold far more than
//! these sockets' buffers of 256 KiB, and Reno is a few lines. A halving that proves to have been for
//! nothing is taken back (RFC 3522), as Linux does.
//!
//! Deliberately absent: pacing, HyStart, proportional rate reduction.

/// `TCP_INIT_CWND`.
const INITIAL: u32 = 10;
const LEAST: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// A gap showed; everything below this was sent before.
    Recovery(u64),
    /// The retransmission timer fired; everything below this was sent before.
    Loss(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    pub(super) phase: Phase,
    window: u32,
    threshold: u32,
    counted: u32,
    /// Window and threshold before the trouble.
    before: (u32, u32),
    /// Something was kept back by the window alone.
    is_limit: bool,
    /// The most segments that were under way lately: until everything below `used_until` is
    /// acknowledged.
    used: u32,
    used_until: u64,
}

impl Congestion {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Open,
            window: INITIAL,
            threshold: u32::MAX,
            counted: 0,
            before: (INITIAL, u32::MAX),
            is_limit: false,
            used: 0,
            used_until: 0,
        }
    }

    pub(super) fn window(&self) -> usize {
        self.window as usize
    }

    /// How much of the window is used after sending up to `next` (`tcp_cwnd_validate`).
    pub(super) fn note_use(&mut self, sent: usize, is_limit: bool, acknowledged: u64, next: u64) {
        let sent = sent as u32;
        if acknowledged >= self.used_until || is_limit || (!self.is_limit && sent > self.used) {
            self.is_limit = is_limit;
            self.used = sent;
            self.used_until = next;
        }
    }

    /// A window that nobody fills does not grow (`tcp_is_cwnd_limited`).
    fn is_used(&self) -> bool {
        self.is_limit || (self.window < self.threshold && self.window < 2 * self.used)
    }

    /// `segments` more were acknowledged.
    pub(super) fn on_acknowledged(&mut self, segments: usize) {
        if !self.is_used() || matches!(self.phase, Phase::Recovery(_)) {
            return;
        }
        let mut segments = segments as u32;
        if self.window < self.threshold {
            let growth = segments.min(self.threshold - self.window);
            self.window += growth;
            segments -= growth;
        }
        self.counted += segments;
        if self.counted >= self.window {
            self.counted -= self.window;
            self.window += 1;
        }
    }

    pub(super) fn enter_recovery(&mut self, until: u64) {
        self.reduce();
        self.phase = Phase::Recovery(until);
    }

    pub(super) fn enter_loss(&mut self, until: u64) {
        if self.phase == Phase::Open {
            self.reduce();
        }
        self.window = 1;
        self.counted = 0;
        self.phase = Phase::Loss(until);
    }

    /// Half of it, once for each episode.
    pub(super) fn reduce(&mut self) {
        self.before = (self.window, self.threshold);
        self.threshold = (self.window / 2).max(LEAST);
        self.window = self.threshold;
        self.counted = 0;
    }

    pub(super) fn leave(&mut self) {
        if matches!(self.phase, Phase::Recovery(_)) {
            self.window = self.threshold;
        }
        self.phase = Phase::Open;
    }

    /// Nothing was lost after all.
    pub(super) fn undo(&mut self) {
        self.window = self.window.max(self.before.0);
        self.threshold = self.before.1;
        self.phase = Phase::Open;
    }

    /// After a rest the path is not known any more (`tcp_slow_start_after_idle`).
    pub(super) fn restart(&mut self, timeouts: u64) {
        let restart = self.window.min(INITIAL);
        self.threshold = self.threshold.max(self.window / 4 * 3);
        let halved = self
            .window
            .checked_shr(timeouts.min(32) as u32)
            .unwrap_or(0);
        self.window = halved.max(restart);
    }
}
