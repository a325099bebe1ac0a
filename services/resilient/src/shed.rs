//! Load shedding: at most so many at a time; whoever comes then is refused at once instead of queued. And when
//! the process ends: waiting until nobody is inside.
//!
//! Deliberately absent: queues and adaptive limits.
//!
//! Source: `WithLoadShedding` of the lab's own package, which reads the counter and adds to it in two steps, so
//! that more get in. Here tokio's semaphore does both in one; its permits come back on drop. `tower`'s
//! `ConcurrencyLimit` with `LoadShed` is the same semaphore behind a `Service`, which a handler does not have.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bound on how many are inside at a time.
#[derive(Clone, Debug)]
pub struct Shed {
    limit: u32,
    permits: Arc<Semaphore>,
}

/// One place inside, free again when dropped. Keep it as long as the work lasts, its answer's body included.
#[must_use = "the place is free again as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// Every place is taken: nothing was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests: {limit} are under way")]
pub struct Full {
    /// How many places there are.
    pub limit: usize,
}

impl Shed {
    /// With so many places.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX); // what can be waited for
        Self {
            limit,
            permits: Arc::new(Semaphore::new(limit as usize)),
        }
    }

    /// A place, if there is one. Never waits; check and take are one step.
    pub fn try_enter(&self) -> Result<Permit, Full> {
        let permit = self.permits.clone().try_acquire_owned();
        permit
            .map(|permit| Permit { _permit: permit })
            .map_err(|_| Full {
                limit: self.limit as usize,
            })
    }

    /// How many are inside; for metrics. While somebody waits in [`Shed::emptied`], all places count.
    pub fn inside(&self) -> usize {
        self.limit as usize - self.permits.available_permits()
    }

    /// Waits until nobody is inside. Nobody new gets in while it waits, so it ends when those inside do; have it
    /// after the last request was accepted, and with a deadline. Dropped, it lets others in again.
    pub async fn emptied(&self) {
        let all = self.permits.acquire_many(self.limit).await;
        debug_assert!(all.is_ok(), "the semaphore is never closed");
    }
}
