//! Increments that wait for a transaction, in order of arrival. Whoever leaves before being taken knows that
//! nothing was applied.
//!
//! Deliberately absent: a bound; there are as many as requests in progress, which are bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use squall_resilient::{Deadline, Late};
use tokio::sync::{Notify, oneshot};

use crate::error::Undone;
use crate::store::Outcome;

/// The part of a caller's time that is left for telling it.
const MARGIN: u32 = 20;

/// The queue. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    pending: VecDeque<Pending>,
}

/// An increment that waits for its value.
pub(crate) struct Pending {
    number: u64,
    /// Until when it is to be served: a little before its caller leaves, so that whoever can be told what
    /// became of it is told that, and not that nobody knows.
    pub(crate) deadline: Deadline,
    reply: oneshot::Sender<Result<i64, Undone>>,
}

impl Queue {
    /// Adds one, and waits for its value.
    pub(crate) async fn increment(&self, deadline: Deadline) -> Result<i64, Undone> {
        let (reply, answer) = oneshot::channel();
        let number = {
            let mut waiting = self.lock();
            waiting.next += 1;
            let number = waiting.next;
            let time = deadline.remaining();
            waiting.pending.push_back(Pending {
                number,
                deadline: deadline.at_most(time - time / MARGIN),
                reply,
            });
            number
        };
        self.0.arrived.notify_one();
        match deadline.bound(answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Undone::Unknown("this instance is stopping".to_owned())),
            Err(Late) if self.withdraw(number) => {
                let why = "it was not its turn before there was no time left";
                Err(Undone::NotApplied(why.to_owned()))
            }
            Err(Late) => Err(Undone::Unknown("etcd did not answer in time".to_owned())),
        }
    }

    /// Returns once somebody waits. Cancel safe.
    pub(crate) async fn filled(&self) {
        while self.is_empty() {
            self.0.arrived.notified().await;
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().pending.is_empty()
    }

    /// Takes at most so many from the front.
    pub(crate) fn take(&self, max: usize) -> Vec<Pending> {
        let mut waiting = self.lock();
        let n = max.min(waiting.pending.len());
        waiting.pending.drain(..n).collect()
    }

    /// Tells each of those taken its value, puts back who can be served yet, tells the others what is known.
    pub(crate) fn settle(
        &self,
        taken: Vec<Pending>,
        before: i64,
        outcome: Result<Outcome, Undone>,
    ) -> Result<(), Undone> {
        match outcome {
            Ok(Outcome::Applied) => {
                for (nth, pending) in (1..).zip(taken) {
                    pending.answer(Ok(before + nth));
                }
            }
            Ok(Outcome::Stale) => self.give_back(taken),
            Err(undone @ Undone::NotApplied(_)) => {
                self.give_back(taken);
                return Err(undone);
            }
            Err(undone) => {
                for pending in taken {
                    pending.answer(Err(undone.clone()));
                }
                return Err(undone);
            }
        }
        Ok(())
    }

    /// Puts those back to the front that certainly were not applied.
    fn give_back(&self, taken: Vec<Pending>) {
        let mut waiting = self.lock();
        for pending in taken.into_iter().rev() {
            if pending.deadline.is_over() {
                let why = "there was no time left to try again";
                pending.answer(Err(Undone::NotApplied(why.to_owned())));
            } else if !pending.reply.is_closed() {
                waiting.pending.push_front(pending);
            }
            // Who has left meanwhile was told that nobody knows; it is not to be applied late.
        }
    }

    /// Whether it still waited.
    fn withdraw(&self, number: u64) -> bool {
        let mut waiting = self.lock();
        let at = waiting.pending.iter().position(|one| one.number == number);
        at.and_then(|at| waiting.pending.remove(at)).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Tells who waits, if somebody still does.
    pub(crate) fn answer(self, answer: Result<i64, Undone>) {
        let _ = self.reply.send(answer);
    }
}
