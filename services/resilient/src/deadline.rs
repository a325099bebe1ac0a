//! Until when an answer is of use: one instant for all the waits of a request, so that they cannot add up.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// An instant after which nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// It was not done by the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done by its deadline")]
pub struct Late;

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self(after(time))
    }

    /// The earlier of this one and `time` from now; for one try among several.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        self.min(Self::after(time))
    }

    /// What is left; zero when it is over.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        self.remaining().is_zero()
    }

    /// What `work` gives by then. Late work is dropped, not left running; work that is done when first polled is
    /// never late.
    pub async fn bound<F: Future>(self, work: F) -> Result<F::Output, Late> {
        timeout_at(self.0, work).await.map_err(|_| Late)
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self(instant)
    }
}

/// The instant so long from now; for a time that no clock reaches, one in the far future.
pub(crate) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + FAR)
}

/// A century.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
