//! Debounce, the first wins: of calls in quick succession only the first is made, and the others get its result.
//!
//! Deliberately absent: debouncing where the last wins, which needs a timer.
//!
//! Source: `WithDebounceFirst` of the lab's own package. As there, every call, also a suppressed one, begins the
//! quiet time anew, so that calls which never pause see one result for ever: use it for repeated commands, not
//! as a cache. Unlike there, calls that come while the first is still under way wait for it instead of being made
//! beside it. `tower`, `backon`, `governor` and `failsafe` have none.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Calls of one kind, of which a burst is one.
#[derive(Debug)]
pub struct Debounce<T> {
    quiet: Duration,
    /// tokio's, because it is held while the first call is made; whoever waits gets it in the order of coming.
    first: Mutex<Option<First<T>>>,
}

#[derive(Debug)]
struct First<T> {
    result: T,
    until: Instant,
}

impl<T: Clone> Debounce<T> {
    /// A burst ends when there was no call for so long.
    pub fn new(quiet: Duration) -> Self {
        Self {
            quiet,
            first: Mutex::new(None),
        }
    }

    /// Makes the call, or gives the result of the burst's first. If the future that makes it is dropped, there is no
    /// result, and the next that waits makes its own. How long others wait is up to `work`: bound it by a deadline.
    pub async fn call(&self, work: impl AsyncFnOnce() -> T) -> T {
        let mut first = self.first.lock().await;
        let result = match &*first {
            Some(first) if Instant::now() < first.until => first.result.clone(),
            _ => work().await,
        };
        *first = Some(First {
            result: result.clone(),
            until: crate::deadline::after(self.quiet),
        });
        result
    }
}
