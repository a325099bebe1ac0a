//! Transfers that wait for their turn, and what those who wait may believe when they give up.
//!
//! A transfer is waiting, taken, or withdrawn; every change is one atomic step. Who gives up on one that
//! waits knows that it will never be applied; who gives up on one that is taken knows nothing.
//!
//! Accounts are held by what was taken, until that is given back. A transfer that touches one of them
//! waits, and so does one that touches an account for which an earlier one waits: for each account,
//! transfers go in the order in which they came, and none waits for ever.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;
use squall_resilient::Deadline;
use tokio::sync::{Notify, oneshot};

use crate::error::TransferError;
use crate::transfer::Transfer;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Transfers in the order in which they came.
pub(crate) struct Queue {
    state: Mutex<State>,
    max: usize,
    filled: Notify,
    /// How often the store was told to forget everything.
    resets: AtomicU64,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Pending>,
    /// Accounts of what was taken and not given back.
    held: FxHashSet<Arc<str>>,
    /// Accounts of what was left over when something was taken last, or has come since and must wait.
    claimed: FxHashSet<Arc<str>>,
    /// Whether something may be taken: it has come, or was put back or freed, since that was looked at.
    is_fresh: bool,
}

/// A transfer in the queue or in a batch.
pub(crate) struct Pending {
    pub(crate) transfer: Transfer,
    state: Arc<AtomicU8>,
    reply: oneshot::Sender<Result<(), TransferError>>,
}

/// The accounts of what was taken.
#[must_use]
pub(crate) struct Held(Vec<Arc<str>>);

/// Who waits for a transfer; its drop withdraws it.
struct Waiting {
    state: Arc<AtomicU8>,
    answer: oneshot::Receiver<Result<(), TransferError>>,
}

impl Queue {
    /// Room for `max` transfers.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            state: Mutex::default(),
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
        let mut queue = self.lock();
        if queue.pending.len() >= self.max {
            queue.pending.retain(Pending::is_awaited);
        }
        if queue.pending.len() >= self.max {
            let why = "too many transfers wait for the store; this one was not applied";
            return Err(TransferError::NotApplied(why.to_owned()));
        }
        let must_wait = queue.must_wait(&transfer);
        match must_wait {
            true => queue.claim(&transfer),
            false => queue.is_fresh = true,
        }
        let state = Arc::new(AtomicU8::new(WAITING));
        let (reply, answer) = oneshot::channel();
        queue.pending.push_back(Pending {
            transfer,
            state: state.clone(),
            reply,
        });
        drop(queue);
        if !must_wait {
            self.filled.notify_one();
        }
        Ok(Waiting { state, answer })
    }

    /// Waits until there may be something to take. One task alone does this.
    pub(crate) async fn filled(&self) {
        while !self.lock().has_some() {
            self.filled.notified().await;
        }
    }

    /// Takes the first ones that are not withdrawn and need not wait: so many, or fewer when their names
    /// have so many bytes. Their accounts are held until [`Queue::give_back`].
    pub(crate) fn take(&self, max: usize, bytes_max: usize) -> (Vec<Pending>, Held) {
        self.lock().take(max, bytes_max)
    }

    /// Frees the accounts of what was taken. What of it was surely not applied goes to the front.
    pub(crate) fn give_back(&self, held: Held, taken: Vec<Pending>) {
        if held.0.is_empty() {
            return; // nothing was taken, and what was left over must still wait
        }
        let mut queue = self.lock();
        for account in held.0 {
            queue.held.remove(&account);
        }
        for one in taken.into_iter().rev() {
            if one.change(TAKEN, WAITING) {
                queue.pending.push_front(one);
            }
        }
        queue.is_fresh = true;
        drop(queue);
        self.filled.notify_one();
    }

    /// Says that the store was, or may have been, told to forget everything.
    pub(crate) fn note_reset(&self) {
        self.resets.fetch_add(1, Ordering::AcqRel);
    }

    /// How often that was said.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_some(&mut self) -> bool {
        while self.pending.front().is_some_and(|one| !one.is_awaited()) {
            self.pending.pop_front();
        }
        self.is_fresh && !self.pending.is_empty()
    }

    fn must_wait(&self, transfer: &Transfer) -> bool {
        let mut holders = [&transfer.sender, &transfer.receiver].into_iter();
        holders.any(|holder| self.held.contains(holder) || self.claimed.contains(holder))
    }

    fn claim(&mut self, transfer: &Transfer) {
        self.claimed.insert(transfer.sender.clone());
        self.claimed.insert(transfer.receiver.clone());
    }

    fn take(&mut self, max: usize, bytes_max: usize) -> (Vec<Pending>, Held) {
        self.claimed.clear();
        self.is_fresh = false;
        let mut taken = Vec::with_capacity(self.pending.len().min(max));
        let mut bytes = 0;
        for one in std::mem::take(&mut self.pending) {
            if taken.len() >= max || bytes >= bytes_max {
                self.is_fresh = true;
                self.pending.push_back(one);
            } else if self.must_wait(&one.transfer) {
                self.claim(&one.transfer);
                self.pending.push_back(one);
            } else if one.change(WAITING, TAKEN) {
                bytes += one.transfer.sender.len() + one.transfer.receiver.len();
                taken.push(one);
            }
        }
        let accounts = taken.iter().flat_map(|one| {
            let Transfer {
                sender, receiver, ..
            } = &one.transfer;
            [sender.clone(), receiver.clone()]
        });
        let accounts: Vec<Arc<str>> = accounts.collect();
        self.held.extend(accounts.iter().cloned());
        (taken, Held(accounts))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, sender: &str, receiver: &str) -> Waiting {
        let transfer = Transfer {
            sender: sender.into(),
            receiver: receiver.into(),
            amount: 1,
        };
        queue.push(transfer).expect("there is room")
    }

    fn names(taken: &[Pending]) -> Vec<String> {
        let name = |one: &Pending| format!("{}{}", one.transfer.sender, one.transfer.receiver);
        taken.iter().map(name).collect()
    }

    #[test]
    fn what_touches_a_held_account_waits_and_so_does_what_comes_behind_it() {
        let queue = Queue::new(9);
        let _waiting = ["ab", "ba"].map(|pair| push(&queue, &pair[..1], &pair[1..]));
        let (first, held) = queue.take(9, 9);
        assert_eq!(names(&first), ["ab", "ba"]);
        let _waiting = ["bc", "de", "cd"].map(|pair| push(&queue, &pair[..1], &pair[1..]));
        let (second, also_held) = queue.take(9, 9);
        assert_eq!(names(&second), ["de"]);
        assert!(!queue.lock().has_some());
        let _waiting = ["fg", "ce"].map(|pair| push(&queue, &pair[..1], &pair[1..]));
        let (third, _) = queue.take(9, 9);
        assert_eq!(names(&third), ["fg"]);
        queue.give_back(also_held, Vec::new());
        let (nothing, no_accounts) = queue.take(9, 9);
        assert!(nothing.is_empty());
        queue.give_back(no_accounts, nothing);
        assert!(!queue.lock().has_some());
        queue.give_back(held, first);
        assert_eq!(names(&queue.take(9, 9).0), ["ab", "ba", "bc", "cd", "ce"]);
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_next() {
        let queue = Queue::new(9);
        let _waiting = ["ab", "cd", "ac"].map(|pair| push(&queue, &pair[..1], &pair[1..]));
        let (first, held) = queue.take(1, 9);
        assert_eq!(names(&first), ["ab"]);
        assert!(queue.lock().has_some());
        assert_eq!(names(&queue.take(9, 2).0), ["cd"]);
        queue.give_back(held, Vec::new());
        assert_eq!(names(&queue.take(9, 2).0), Vec::<String>::new());
    }
}
