//! How long to wait before each further try: capped exponential back-off with jitter.
//!
//! Why not a crate: `backon` 1.6 draws with `fastrand`, and between one and two times the capped delay, so the lab's
//! formula cannot be written with it; `tower`'s generator is seeded from std's hash keys.

use std::time::Duration;

use crate::Random;

/// The delays between tries: before try n + 1, `base` and at random up to `jitter` times the smaller of
/// `base` · 2ⁿ⁻¹ and `cap`. With the lab's 150 ms, 2 s, 6 tries and jitter 3 the delays add up to 0.75 to 13.5 s.
/// Source: `WithRetry` of the lab's own package, whose fields these are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The shortest delay, and the beginning of the exponential part.
    pub base: Duration,
    /// The most that the exponential part grows to.
    pub cap: Duration,
    /// How much of the exponential part is drawn: 0 (or less) for none, 1 for up to all of it, 3 (the lab's) for up
    /// to three times that.
    pub jitter: f64,
    /// How often at most something is tried, the first time included.
    pub tries: u32,
}

impl Backoff {
    /// The delay before another try, after so many; `None` when there is none.
    pub fn delay(&self, tried: u32, random: &mut Random) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        let doublings = tried.saturating_sub(1).min(31);
        let doubled = self.base.saturating_mul(1 << doublings);
        let most = doubled.min(self.cap).as_secs_f64() * self.jitter.max(0.0);
        let drawn = Duration::try_from_secs_f64(most * random.unit()).unwrap_or(Duration::MAX);
        Some(self.base.saturating_add(drawn))
    }
}
