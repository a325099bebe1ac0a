//! A call, repeated while it is worth it and there is time.
//!
//! Deliberately absent: knowledge of what may be repeated. Only who calls knows whether a second time does harm.
//! `backon` bounds the sum of its sleeps, not what the tries take; `tower` has no deadline for all together.

use tokio::time::sleep;

use crate::{Backoff, Deadline, Random};

/// Why a call was given up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up after {tries} tries: {last}")]
pub struct Failed<E> {
    /// How often it was tried.
    pub tries: u32,
    /// What the last try said.
    pub last: E,
}

/// Calls `attempt` until it succeeds, its error is not worth another try, the back-off has none left, or
/// the next one would begin after the deadline. An attempt that has begun is not cut off here: bound it
/// with [`Deadline::bound`] where that is right. The first is always made, also after the deadline. Drop safe: nothing goes on after the future is dropped.
pub async fn retry<T, E>(
    backoff: &Backoff,
    deadline: Deadline,
    random: &mut Random,
    is_worth_another: impl Fn(&E) -> bool,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, Failed<E>> {
    let mut tries = 0;
    loop {
        let last = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        tries += 1;
        match backoff.delay(tries, random) {
            Some(delay) if is_worth_another(&last) && delay < deadline.remaining() => {
                sleep(delay).await;
            }
            _ => return Err(Failed { tries, last }),
        }
    }
}
