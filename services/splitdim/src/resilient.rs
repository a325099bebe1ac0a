//! Mode `resilientkvstore`: the seed's second transfer. Each balance is tried a bounded number of times
//! with back-off; when the receiver's fails the sender's is undone, with more patience; when that fails
//! too, the instance refuses all further transfers until an operator has restored the store.
//!
//! Faithful to the seed's reasoning, and to its flaw: "we can still retry a failed setBalance, provided
//! that we immediately stop as soon as we receive a positive response". A `put` that was applied and
//! whose answer was lost is applied again. `transactional` is the cure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use squall_resilient::{Backoff, Deadline, Random, retry};

use crate::accounts::Overflow;
use crate::error::TransferError;
use crate::log::Log;
use crate::set_balance::{Change, SetError, set_balance};
use crate::store::Store;
use crate::transfer::Transfer;

/// The seed's: 6 tries, 150 ms, 2 s. The jitter is the lab's own default.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(150),
    cap: Duration::from_secs(2),
    jitter: 3.0,
    tries: 6,
};

/// More aggressive, for the undo: sooner and longer.
const UNDO: Backoff = Backoff {
    base: Duration::from_millis(50),
    cap: Duration::from_secs(2),
    jitter: 1.0,
    tries: 20,
};

/// Longer than all of `UNDO`, so that its tries are what bounds it.
const UNDO_TIME: Duration = Duration::from_secs(300);

/// Transfers in the seed's way.
pub(crate) struct Resilient {
    store: Arc<Store>,
    log: Arc<Log>,
    overflow: Overflow,
    random: Mutex<Random>,
    is_broken: AtomicBool,
}

impl Resilient {
    pub(crate) fn new(store: Arc<Store>, log: Arc<Log>, overflow: Overflow) -> Self {
        Self {
            store,
            log,
            overflow,
            random: Mutex::new(Random::from_os()),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Whether an undo failed: the store is inconsistent, and this instance does no more transfers.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Transfers, or undoes what it did, or breaks. `deadline` ends the tries of the first step alone:
    /// from then on stopping would leave half a transfer.
    pub(crate) async fn transfer(
        &self,
        transfer: &Transfer,
        deadline: Deadline,
    ) -> Result<(), TransferError> {
        if self.is_broken() {
            let why = "THE STORE IS INCONSISTENT: an earlier transfer was applied by half and could not \
                       be undone; an operator must restore the store, then restart this instance";
            return Err(TransferError::NotApplied(why.to_owned()));
        }
        let (sender, receiver, amount) = (&transfer.sender, &transfer.receiver, transfer.amount);
        let up = self.set(&BACKOFF, deadline, sender, Change::Up(amount));
        up.await.map_err(|error| told(sender, error))?;
        let late = Deadline::after(UNDO_TIME);
        let down = self.set(&BACKOFF, late, receiver, Change::Down(amount));
        let Err(error) = down.await else {
            return Ok(());
        };
        let late = Deadline::after(UNDO_TIME);
        let undo = self.set(&UNDO, late, sender, Change::Down(amount)).await;
        match undo {
            Ok(()) => Err(told(receiver, error)),
            Err(undo) => Err(self.broken(transfer, &error, &undo)),
        }
    }

    fn broken(&self, transfer: &Transfer, error: &SetError, undo: &SetError) -> TransferError {
        self.is_broken.store(true, Ordering::Release);
        let Transfer {
            sender,
            receiver,
            amount,
        } = transfer;
        let why = format!(
            "INCONSISTENT STORE: the transfer of {amount} from {sender:?} to {receiver:?} was applied to \
             the sender alone (receiver: {error}) and could not be undone ({undo}). No further transfers \
             until an operator has restored the store (`kvstore log replay`) and restarted this instance"
        );
        self.log.always(&format!("transfer: {why}"));
        TransferError::Halfway(why)
    }

    async fn set(
        &self,
        backoff: &Backoff,
        deadline: Deadline,
        holder: &Arc<str>,
        change: Change,
    ) -> Result<(), SetError> {
        let mut random = self.random();
        let is_worth_another = |error: &SetError| {
            self.log.line(&format!(
                "transfer: could not set balance for user {holder:?}: {error}"
            ));
            !matches!(error, SetError::Overflow(_) | SetError::Value(_))
        };
        // Owned, for an async closure that borrows makes a future that the compiler cannot show to be `Send`.
        let (store, overflow, name) = (self.store.clone(), self.overflow, holder.clone());
        let attempt = move || {
            let (store, name) = (store.clone(), name.clone());
            async move { set_balance(&store, overflow, &name, change).await }
        };
        let done = retry(backoff, deadline, &mut random, is_worth_another, attempt).await;
        done.map_err(|failed| failed.last)
    }

    /// A generator for one step, so that none is held while it waits.
    fn random(&self) -> Random {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        Random::from_seed(random.bits())
    }
}

/// What the client is told: as the seed has it, a step that failed was not applied.
fn told(holder: &str, error: SetError) -> TransferError {
    match error {
        SetError::Overflow(error) => error,
        error => TransferError::NotApplied(format!(
            "could not set balance for user {holder:?}: {error}"
        )),
    }
}
