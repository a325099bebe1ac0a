//! Rate limiter: a token bucket, which admits bursts up to its size and, over time, a steady rate.
//!
//! Deliberately absent: queues, keys (one limiter for each user), and a task that fills the bucket: what has
//! flowed in since the last look is computed. Tokens flow in evenly, in whole numbers, so over any stretch of time no
//! more than capacity + rate × time are taken, to the nanosecond. Filling at ticks, as the lab does, gives up to one
//! `fill` more around a tick.
//!
//! Source: `WithRateLimiter` of the lab's own package, whose fields these are. Why not a crate: `governor` 0.10 reads
//! the processor's clock (`quanta`) by default and, without it, std's, which tests cannot pause; it brings
//! `parking_lot`, `dashmap` and a timer thread for forty lines. `tower`'s limit is one for each window (twice the
//! rate around its edge), and needs a worker task to be shared.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The most at once: the size of the bucket, which begins full.
    pub capacity: u32,
    /// How many flow in during each `period`; 0 for none ever.
    pub fill: u32,
    /// See `fill`. A period of zero limits nothing.
    pub period: Duration,
}

/// A token bucket.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    bucket: Mutex<Bucket>,
}

/// The bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls: the next is admitted in {} ms", wait.as_millis())]
pub struct Limited {
    /// Until there is a token, if nobody else takes it; [`Duration::MAX`] if there will be none.
    pub wait: Duration,
}

impl Limiter {
    /// With a full bucket.
    pub fn new(rate: Rate) -> Self {
        let bucket = Mutex::new(Bucket {
            credit: rate.full(),
            at: Instant::now(),
        });
        Self { rate, bucket }
    }

    /// Takes a token. Look and take are one step.
    pub fn take(&self) -> Result<(), Limited> {
        let rate = &self.rate;
        let price = rate.period.as_nanos();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let flowed = now.saturating_duration_since(bucket.at).as_nanos();
        let credit = bucket
            .credit
            .saturating_add(flowed.saturating_mul(rate.fill.into()))
            .min(rate.full());
        *bucket = Bucket { credit, at: now };
        match credit.checked_sub(price) {
            Some(left) => {
                bucket.credit = left;
                Ok(())
            }
            None => Err(Limited {
                wait: rate.time_for(price - credit),
            }),
        }
    }
}

/// Credit is counted in nanoseconds × `fill`, and a token costs a `period`: no fractions, nothing lost to rounding.
#[derive(Debug)]
struct Bucket {
    credit: u128,
    at: Instant,
}

impl Rate {
    fn full(&self) -> u128 {
        self.period.as_nanos().saturating_mul(self.capacity.into())
    }

    /// How long until so much has flowed in.
    fn time_for(&self, credit: u128) -> Duration {
        match self.fill {
            _ if self.capacity == 0 => Duration::MAX,
            0 => Duration::MAX,
            fill => {
                let nanos = credit.div_ceil(fill.into());
                Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
            }
        }
    }
}
