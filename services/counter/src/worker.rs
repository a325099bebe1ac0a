//! Modes `coalesced` and `lock`: increments wait in a queue, and one transaction at a time adds them.
//!
//! In mode `coalesced` a transaction is for all that wait in this instance. While it is under way, the next
//! ones gather; so the rate grows with the load, and a commit's time is the latency. Each caller gets a value
//! of its own, in order of arrival; and as one transaction is over before the next begins, values are in
//! real-time order. In mode `lock` a transaction is for one, and this instance owns the lock meanwhile.

use std::sync::Arc;
use std::time::Duration;

use squall_host::Shutdown;
use squall_resilient::Deadline;
use tokio::time::sleep;

use crate::error::Undone;
use crate::lock::Holder;
use crate::queue::Queue;
use crate::store::{Addition, Outcome, Slot, Store};

/// After a transaction that certainly was not applied for want of etcd, before the next one.
const REST: Duration = Duration::from_millis(20);

/// What serves the queue.
pub(crate) struct Worker {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Queue,
    /// In mode `lock`.
    pub(crate) holder: Option<Holder>,
}

impl Worker {
    /// Serves the queue until it is told to stop, which is when nobody waits any more.
    pub(crate) async fn run(mut self, stop: Shutdown) {
        let store = self.store.clone();
        let slot = store.slot();
        loop {
            tokio::select! {
                biased;
                () = self.queue.filled() => {}
                () = stop.requested() => break,
            }
            if self.round(&slot).await.is_err() {
                sleep(REST).await;
            }
            if let Some(holder) = &mut self.holder
                && self.queue.is_empty()
            {
                holder.let_go(&store).await;
            }
        }
        if let Some(holder) = self.holder {
            holder.end(&store).await;
        }
    }

    /// One transaction. Whoever is not served by it and has time waits again; the error is why.
    async fn round(&mut self, slot: &Slot<'_>) -> Result<(), Undone> {
        let store = &self.store;
        let step = Deadline::after(store.etcd_timeout);
        let owned = match &mut self.holder {
            Some(holder) => Some(holder.own(store, step).await?),
            None => None,
        };
        let mut known = store.known(step).await?;
        if known.room() < 1 {
            known = store.read(step).await?;
        }
        let (Some(before), room @ 1..) = (known.value, known.room()) else {
            for pending in self.queue.take(usize::MAX) {
                pending.answer(Err(Undone::Overflow));
            }
            return Err(Undone::Overflow);
        };
        let most = match &owned {
            Some(_) => 1,
            None => room.try_into().unwrap_or(usize::MAX),
        };
        let taken = self.queue.take(most);
        let Some(deadline) = taken.iter().map(|pending| pending.deadline).max() else {
            return Ok(()); // everybody left meanwhile
        };
        let (guard, also) = owned.map(|owned| (owned.guard(), owned.release())).unzip();
        let addition = Addition {
            known,
            value: before + taken.len() as i64, // there is room
            slot,
            guard,
            also,
        };
        let outcome = store.add(addition, deadline).await;
        if let (Ok(Outcome::Applied), Some(holder)) = (&outcome, &mut self.holder) {
            holder.released();
        }
        self.queue.settle(taken, before, outcome)
    }
}
