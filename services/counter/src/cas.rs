//! Mode `cas`: each request compares and sets by itself, and backs off when another one was faster.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use squall_resilient::{Backoff, Deadline, Random};
use tokio::time::sleep;

use crate::error::Undone;
use crate::store::{Addition, Outcome, Store};

/// From about one commit's time to what some dozen of them take.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(1),
    cap: Duration::from_millis(100),
    jitter: 1.0,
    tries: u32::MAX,
};

/// Adds one; the value that it became.
pub(crate) async fn increment(
    store: &Store,
    random: &Mutex<Random>,
    deadline: Deadline,
) -> Result<i64, Undone> {
    let slot = store.slot();
    let mut known = store.known(deadline).await.map_err(not_applied)?;
    for tried in 1.. {
        if known.room() < 1 {
            known = store.read(deadline).await.map_err(not_applied)?;
        }
        let value = known.value.and_then(|value| value.checked_add(1));
        let value = value.ok_or(Undone::Overflow)?;
        let addition = Addition {
            known,
            value,
            slot: &slot,
            guard: None,
            also: None,
        };
        if store.add(addition, deadline).await? == Outcome::Applied {
            return Ok(value);
        }
        let delay = {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            BACKOFF.delay(tried, &mut random).unwrap_or(BACKOFF.cap)
        };
        if delay >= deadline.remaining() {
            break;
        }
        sleep(delay).await;
        known = store.known(deadline).await.map_err(not_applied)?;
    }
    let why = "other increments were faster until there was no time left";
    Err(Undone::NotApplied(why.to_owned()))
}

/// A read that failed has changed nothing.
fn not_applied(error: squall_etcd::Error) -> Undone {
    Undone::NotApplied(error.to_string())
}
