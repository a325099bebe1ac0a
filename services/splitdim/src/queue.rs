//! Transfers that wait for their turn, and what those who wait may believe when they give up.
//!
//! A transfer is waiting, taken, or withdrawn; every change is one atomic step. Who gives up on one that
//! waits knows that it will never be applied; who gives up on one that is taken knows nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use squall_resilient::Deadline;
use tokio::sync::{Notify, oneshot};

use crate::error::TransferError;
use crate::transfer::Transfer;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Transfers in the order in which they came.
pub(crate) struct Queue {
    pending: Mutex<VecDeque<Pending>>,
    max: usize,
    filled: Notify,
    /// How often the store was told to forget everything.
    resets: AtomicU64,
}

/// A transfer in the queue or in a batch.
pub(crate) struct Pending {
    pub(crate) transfer: Transfer,
    state: Arc<AtomicU8>,
    reply: oneshot::Sender<Result<(), TransferError>>,
}

/// Who waits for a transfer; its drop withdraws it.
struct Waiting {
    state: Arc<AtomicU8>,
    answer: oneshot::Receiver<Result<(), TransferError>>,
}

impl Queue {
    /// Room for `max` transfers.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            pending: Mutex::default(),
            max,
            filled: Notify::new(),
            resets: AtomicU64::new(0),
        }
    }

    /// Queues a transfer and waits for what becomes of it, no longer than until the deadline.
    pub(crate) async fn transfer(
        &self,
        transfer: Transfer,
        deadline: Deadline,
    ) -> Result<(), TransferError> {
        let mut waiting = self.push(transfer)?;
        let answer = match deadline.bound(&mut waiting.answer).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => Err("the process ends"),
            Err(_) => match waiting.answer.try_recv() {
                Ok(answer) => return answer, // at the last moment
                Err(_) => Err("the store did not answer in time"),
            },
        };
        let was_taken = waiting.withdraw();
        answer.map_err(|why: &str| match was_taken {
            true => TransferError::Unknown(format!("{why}; the transfer may have been applied")),
            false => TransferError::NotApplied(format!("{why}; the transfer was not applied")),
        })
    }

    fn push(&self, transfer: Transfer) -> Result<Waiting, TransferError> {
        let mut pending = self.pending();
        if pending.len() >= self.max {
            pending.retain(Pending::is_awaited);
        }
        if pending.len() >= self.max {
            let why = "too many transfers wait for the store; this one was not applied";
            return Err(TransferError::NotApplied(why.to_owned()));
        }
        let state = Arc::new(AtomicU8::new(WAITING));
        let (reply, answer) = oneshot::channel();
        pending.push_back(Pending {
            transfer,
            state: state.clone(),
            reply,
        });
        drop(pending);
        self.filled.notify_one();
        Ok(Waiting { state, answer })
    }

    /// Waits until somebody waits. One task alone does this.
    pub(crate) async fn filled(&self) {
        while !self.has_waiting() {
            self.filled.notified().await;
        }
    }

    fn has_waiting(&self) -> bool {
        let mut pending = self.pending();
        while pending.front().is_some_and(|one| !one.is_awaited()) {
            pending.pop_front();
        }
        !pending.is_empty()
    }

    /// Takes the first ones that are not withdrawn: so many, or fewer when their names have so many bytes.
    pub(crate) fn take(&self, max: usize, bytes_max: usize) -> Vec<Pending> {
        let mut pending = self.pending();
        let mut taken = Vec::with_capacity(pending.len().min(max));
        let mut bytes = 0;
        while taken.len() < max
            && bytes < bytes_max
            && let Some(next) = pending.pop_front()
        {
            if next.change(WAITING, TAKEN) {
                bytes += next.transfer.sender.len() + next.transfer.receiver.len();
                taken.push(next);
            }
        }
        taken
    }

    /// Puts back, to the front, what was taken and surely not applied.
    pub(crate) fn put_back(&self, taken: Vec<Pending>) {
        let mut pending = self.pending();
        for one in taken.into_iter().rev() {
            if one.change(TAKEN, WAITING) {
                pending.push_front(one);
            }
        }
    }

    /// Says that the store was, or may have been, told to forget everything.
    pub(crate) fn note_reset(&self) {
        self.resets.fetch_add(1, Ordering::AcqRel);
    }

    /// How often that was said.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Acquire)
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Tells who waits, if somebody still does.
    pub(crate) fn answer(self, answer: Result<(), TransferError>) {
        let _ = self.reply.send(answer);
    }

    /// Whether somebody still waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.state.load(Ordering::Acquire) != WITHDRAWN
    }

    fn change(&self, from: u8, to: u8) -> bool {
        let changed = self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        changed.is_ok()
    }
}

impl Waiting {
    /// Gives up. Says whether the transfer was taken, so that it may be applied all the same.
    fn withdraw(&self) -> bool {
        self.state.swap(WITHDRAWN, Ordering::AcqRel) == TAKEN
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.withdraw();
    }
}
