//! Mode `coalesced`: one transaction for all increments that wait in this instance, one at a time. Each
//! caller gets a value of its own, in order of arrival.
//!
//! While a transaction is under way, the next ones gather; so the rate grows with the load and one commit's
//! time is the latency. Values are in real-time order: a batch's values are all greater than those of the
//! batches before it.

use std::time::Duration;

use squall_host::Shutdown;
use squall_resilient::Deadline;
use tokio::time::sleep;

use crate::error::Undone;
use crate::queue::{Pending, Queue};
use crate::store::{Addition, Outcome, Slot, Store};

/// After a transaction that certainly was not applied, before the next one.
const REST: Duration = Duration::from_millis(20);

/// Serves the queue until it is told to stop.
pub(crate) async fn run(store: &Store, queue: &Queue, stop: &Shutdown) {
    let slot = store.slot();
    loop {
        tokio::select! {
            biased;
            () = queue.filled() => {}
            () = stop.requested() => return,
        }
        if let Err(Undone::NotApplied(_)) = round(store, queue, &slot).await {
            sleep(REST).await;
        }
    }
}

/// One transaction for all that wait. Whoever was not served waits again; the error is why.
async fn round(store: &Store, queue: &Queue, slot: &Slot<'_>) -> Result<(), Undone> {
    let deadline = Deadline::after(store.etcd_timeout);
    let mut known = store.known(deadline).await?;
    if known.room() < 1 {
        known = store.read(deadline).await?;
    }
    let (Some(value), room @ 1..) = (known.value, known.room()) else {
        for pending in queue.take(usize::MAX) {
            pending.answer(Err(Undone::Overflow));
        }
        return Err(Undone::Overflow);
    };
    let taken = queue.take(room.try_into().unwrap_or(usize::MAX));
    let Some(deadline) = taken.iter().map(|pending| pending.deadline).max() else {
        return Ok(()); // everybody left meanwhile
    };
    let addition = Addition {
        known,
        value: value + taken.len() as i64, // there is room
        slot,
        guard: None,
        also: None,
    };
    let outcome = store.add(addition, deadline).await;
    settle(queue, taken, value, outcome)
}

/// Tells each its value, puts back who can be served yet, tells the others what is known.
fn settle(
    queue: &Queue,
    taken: Vec<Pending>,
    before: i64,
    outcome: Result<Outcome, Undone>,
) -> Result<(), Undone> {
    match outcome {
        Ok(Outcome::Applied) => {
            for (value, pending) in (before + 1..).zip(taken) {
                pending.answer(Ok(value));
            }
            Ok(())
        }
        Ok(Outcome::Stale) => {
            queue.give_back(taken);
            Ok(())
        }
        Err(undone @ Undone::NotApplied(_)) => {
            queue.give_back(taken);
            Err(undone)
        }
        Err(undone) => {
            for pending in taken {
                pending.answer(Err(undone.clone()));
            }
            Err(undone)
        }
    }
}
