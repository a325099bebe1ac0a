//! The counter's key in etcd, and a transaction on it that is applied once or never.
//!
//! **Exactness under lost answers.** Every transaction compares the key's modification revision with the one
//! that was read, and puts, beside the new value, its own number under a key of this instance, the marker.
//! When its answer is lost, the same transaction is run again:
//! - It succeeds: then the first one was not applied, and as the revision has changed, never will be.
//! - Its compare fails and the marker bears its number: the first one was applied.
//! - Its compare fails and the marker bears another: the first one was not applied, and never will be, as a
//!   key's modification revision never comes back.
//!
//! So the repetition is the question and the fence in one. A marker is written by one transaction at a time
//! (whoever uses it holds its [`Slot`]); a transaction that was given up unresolved cannot confuse the next
//! one of its slot: it can be applied only before it, as both change the key.
//!
//! Not covered: a key that is deleted by somebody else, made and deleted again while an answer is awaited.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use squall_etcd::client::{
    Compare, CompareOp, DeleteOptions, GetOptions, GetResponse, KeyValue, Txn, TxnOp,
    TxnOpResponse, TxnResponse,
};
use squall_etcd::{Ask, Error, Etcd};
use squall_resilient::{Deadline, Random};
use tokio::time::sleep;

use crate::error::Undone;
use crate::metrics::Metrics;
use crate::value::parse;

/// The counter's key: decimal text (the lab's).
pub(crate) const KEY: &str = "key";

/// Between repetitions of a transaction whose answers are lost.
const REPEAT_PAUSE: Duration = Duration::from_millis(10);

/// The counter in etcd.
pub(crate) struct Store {
    pub(crate) etcd: Etcd,
    pub(crate) etcd_timeout: Duration,
    metrics: Arc<Metrics>,
    markers: String,
    numbers: Mutex<Numbers>,
    known: Mutex<Option<Known>>,
}

/// What a response said about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The counter's value; `None` when 64 bits do not hold it.
    pub(crate) value: Option<i64>,
    /// The key's modification revision; 0 when it is missing.
    revision: i64,
    /// The group's revision when this was so.
    at: i64,
}

/// Marker keys and transactions' numbers that are handed out.
#[derive(Debug, Default)]
struct Numbers {
    transactions: u64,
    slots: usize,
    free: Vec<usize>,
}

/// The right to use one marker. Back with the store when dropped.
pub(crate) struct Slot<'a> {
    store: &'a Store,
    slot: usize,
}

/// A transaction that adds to the counter.
pub(crate) struct Addition<'a> {
    /// What is added to.
    pub(crate) known: Known,
    /// The value afterwards.
    pub(crate) value: i64,
    /// Its marker.
    pub(crate) slot: &'a Slot<'a>,
    /// What must hold besides.
    pub(crate) guard: Option<Compare>,
    /// What is done besides.
    pub(crate) also: Option<TxnOp>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was applied, once.
    Applied,
    /// It was not, and never will be: the key has changed, or the guard does not hold.
    Stale,
}

impl Store {
    /// `name` is this instance's, for its markers; two with the same name do not mix them up.
    pub(crate) fn new(
        etcd: Etcd,
        etcd_timeout: Duration,
        name: &str,
        random: &mut Random,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            etcd,
            etcd_timeout,
            metrics,
            markers: format!("/counter/last/{name}-{:016x}/", random.bits()),
            numbers: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// What was last heard of the key: perhaps stale, as the transaction then finds out.
    pub(crate) async fn known(&self, deadline: Deadline) -> Result<Known, Error> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(known) => Ok(known),
            None => self.read(deadline).await,
        }
    }

    /// The key as the group has it now (a linearizable read).
    pub(crate) async fn read(&self, deadline: Deadline) -> Result<Known, Error> {
        let deadline = deadline.at_most(self.etcd_timeout);
        let response = self.etcd.get(KEY, None, deadline).await?;
        let known = Known::of_get(&response);
        self.learn(known);
        Ok(known)
    }

    /// The key as some member has it, perhaps stale (a serializable read).
    pub(crate) async fn read_stale(&self, deadline: Deadline) -> Result<Known, Error> {
        let get = |client: &squall_etcd::client::Client| {
            let mut kv = client.kv_client();
            let stale = GetOptions::new().with_serializable();
            async move { kv.get(KEY, Some(stale)).await }
        };
        let deadline = deadline.at_most(self.etcd_timeout);
        let response = self.etcd.call(Ask::Local, deadline, get).await?;
        Ok(Known::of_get(&response))
    }

    /// Runs a transaction until it is known what became of it, or the deadline is over.
    pub(crate) async fn add(
        &self,
        addition: Addition<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, Undone> {
        let marker = addition.slot.key();
        let number = self.next_number().to_string();
        let txn = addition.txn(&marker, &number);
        let mut unknown = None;
        loop {
            self.metrics.batches.add();
            let each = deadline.at_most(self.etcd_timeout);
            match self.etcd.txn(&txn, Ask::Write, each).await {
                Ok(response) if response.succeeded() => {
                    let revision = revision(&response);
                    self.learn(Known {
                        value: Some(addition.value),
                        revision,
                        at: revision,
                    });
                    return Ok(Outcome::Applied);
                }
                Ok(response) => {
                    let [key, last] = gets(&response);
                    self.heard(key.as_ref(), revision(&response));
                    let was_applied = last.is_some_and(|last| last.value() == number.as_bytes());
                    if unknown.is_some() && was_applied {
                        return Ok(Outcome::Applied);
                    }
                    self.metrics.conflicts.add();
                    return Ok(Outcome::Stale);
                }
                Err(Error::Unknown(why)) => unknown = Some(why),
                Err(error) if unknown.is_none() => {
                    return Err(Undone::NotApplied(error.to_string()));
                }
                // This one was not done; of the one before nobody knows yet.
                Err(_) => {}
            }
            sleep(REPEAT_PAUSE.min(deadline.remaining())).await;
            if deadline.is_over() {
                return Err(match unknown {
                    Some(why) => Undone::Unknown(why),
                    None => Undone::NotApplied("there was no time left".to_owned()),
                });
            }
        }
    }

    /// A marker that nobody else uses meanwhile.
    pub(crate) fn slot(&self) -> Slot<'_> {
        let mut numbers = self.numbers();
        let slot = numbers.free.pop().unwrap_or_else(|| {
            numbers.slots += 1;
            numbers.slots - 1
        });
        Slot { store: self, slot }
    }

    /// Deletes this instance's markers; one that ends otherwise leaves them behind.
    pub(crate) async fn tidy(&self, deadline: Deadline) {
        if self.numbers().slots > 0 {
            let all = DeleteOptions::new().with_prefix();
            // What remains are some bytes that nobody reads.
            let _ = self.etcd.delete(&self.markers, Some(all), deadline).await;
        }
    }

    fn next_number(&self) -> u64 {
        let mut numbers = self.numbers();
        numbers.transactions += 1;
        numbers.transactions
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a response said about the key at a revision of the group.
    pub(crate) fn heard(&self, key: Option<&KeyValue>, at: i64) {
        self.learn(Known::of(key, at));
    }

    /// Keeps the latest.
    fn learn(&self, new: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| known.at <= new.at) {
            *known = Some(new);
        }
    }
}

impl Known {
    /// How much can be added.
    pub(crate) fn room(self) -> i64 {
        self.value.map_or(0, |value| i64::MAX - value)
    }

    fn of_get(response: &GetResponse) -> Self {
        let at = response.header().map_or(0, |header| header.revision());
        Self::of(response.kvs().first(), at)
    }

    fn of(key: Option<&KeyValue>, at: i64) -> Self {
        Self {
            value: key.map_or(Some(0), |key| parse(key.value())),
            revision: key.map_or(0, KeyValue::mod_revision),
            at,
        }
    }
}

impl Addition<'_> {
    fn txn(&self, marker: &str, number: &str) -> Txn {
        let unchanged = Compare::mod_revision(KEY, CompareOp::Equal, self.known.revision);
        let when: Vec<_> = [Some(unchanged), self.guard.clone()]
            .into_iter()
            .flatten()
            .collect();
        let value = TxnOp::put(KEY, self.value.to_string(), None);
        let number = TxnOp::put(marker, number, None);
        let then: Vec<_> = [Some(value), Some(number), self.also.clone()]
            .into_iter()
            .flatten()
            .collect();
        let otherwise = [TxnOp::get(KEY, None), TxnOp::get(marker, None)];
        Txn::new().when(when).and_then(then).or_else(otherwise)
    }
}

impl Slot<'_> {
    fn key(&self) -> String {
        format!("{}{}", self.store.markers, self.slot)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.store.numbers().free.push(self.slot);
    }
}

/// The group's revision after a transaction.
pub(crate) fn revision(response: &TxnResponse) -> i64 {
    response.header().map_or(0, |header| header.revision())
}

/// The first keys that a transaction's first reads found.
pub(crate) fn gets<const N: usize>(response: &TxnResponse) -> [Option<KeyValue>; N] {
    let mut responses = response.op_responses().into_iter();
    std::array::from_fn(|_| match responses.next() {
        Some(TxnOpResponse::Get(mut get)) => get.take_kvs().into_iter().next(),
        _ => None,
    })
}
