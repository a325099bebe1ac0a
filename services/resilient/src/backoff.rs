//! How long to wait before each further try: capped exponential back-off with jitter.

use std::time::Duration;

use crate::Random;

/// The delays between tries: before try n + 1, `base` and at random up to `jitter` times the smaller of
/// `base` · 2ⁿ⁻¹ and `cap`. Source: `WithRetry` of the lab's own package, whose fields these are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The shortest delay, and the beginning of the exponential part.
    pub base: Duration,
    /// The most that the exponential part grows to.
    pub cap: Duration,
    /// How much of the exponential part is drawn: 0 for none, 1 for up to all of it.
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
        let doubled = self.base.saturating_mul(
            1_u32
                .checked_shl(tried.saturating_sub(1))
                .unwrap_or(u32::MAX),
        );
        let spread = doubled.min(self.cap).as_secs_f64() * self.jitter * random.unit();
        Some(self.base + Duration::try_from_secs_f64(spread).unwrap_or(self.cap))
    }
}
