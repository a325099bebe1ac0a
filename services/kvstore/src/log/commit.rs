//! The state, the batch that is being collected, and who waits for it.
//!
//! A change is made in memory first, so that the next one sees it, and its operation goes into the
//! batch. Whoever answers waits until the batch that the answer rests on is durable; one that rests
//! on what is durable already waits for nothing. One writer takes batches, one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::snapshot::to_json;
use crate::store::{Decision, Image, Operation, Store};

/// The store as requests and the writer share it.
#[derive(Debug)]
pub(crate) struct Commit {
    state: Mutex<State>,
    work: Notify,
    batch_bytes_max: usize,
}

#[derive(Debug)]
struct State {
    store: Store,
    /// The batch that is being collected, as JSON.
    operations: Vec<u8>,
    /// Its sequence number.
    seq: u64,
    /// The last batch that is durable.
    durable: u64,
    collected: Arc<Synced>,
    /// Of the batch before, while it is being written.
    written: Arc<Synced>,
    is_closed: bool,
}

/// That a batch is durable.
#[derive(Debug, Default)]
struct Synced {
    is_done: AtomicBool,
    done: Notify,
}

/// What an answer waits for.
#[derive(Debug)]
#[must_use]
pub(crate) struct Wait(Option<Arc<Synced>>);

impl Wait {
    /// Returns once what the answer rests on is durable. If the log fails it never does: the process
    /// ends, and nobody is told anything.
    pub(crate) async fn durable(self) {
        if let Some(synced) = self.0 {
            let mut done = std::pin::pin!(synced.done.notified());
            done.as_mut().enable();
            if !synced.is_done.load(Ordering::Acquire) {
                done.await;
            }
        }
    }
}

/// A batch holds as much as it may: nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What the writer takes.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) seq: u64,
    /// The operations as JSON, with commas between.
    pub(crate) operations: Vec<u8>,
    /// The state after it, if it was asked for.
    pub(crate) image: Option<Image>,
    synced: Arc<Synced>,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) enum Next {
    Batch(Taken),
    Nothing,
    /// And nothing will come.
    Closed,
}

impl Commit {
    /// Goes on from a state that is durable.
    pub(crate) fn new(store: Store, seq: u64, batch_bytes_max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                store,
                operations: Vec::new(),
                seq: seq + 1,
                durable: seq,
                collected: Arc::default(),
                written: Arc::default(),
                is_closed: false,
            }),
            work: Notify::new(),
            batch_bytes_max,
        }
    }

    /// Reads; `look` gives the batch that its answer rests on as well.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Store) -> (R, u64)) -> (R, Wait) {
        let state = self.lock();
        let (answer, batch) = look(&state.store);
        (answer, state.wait(batch))
    }

    /// Decides and changes in one step. `None` says that the change was made.
    pub(crate) fn change<R>(
        &self,
        decide: impl FnOnce(&Store) -> Decision<R>,
    ) -> Result<(Option<R>, Wait), Full> {
        let mut state = self.lock();
        let operation = match decide(&state.store) {
            Decision::Answer(answer, batch) => return Ok((Some(answer), state.wait(batch))),
            Decision::Change(operation) => operation,
        };
        if state.operations.len() >= self.batch_bytes_max {
            return Err(Full);
        }
        let is_first = state.operations.is_empty();
        state.add(operation);
        let wait = Wait(Some(state.collected.clone()));
        drop(state);
        if is_first {
            self.work.notify_one();
        }
        Ok((None, wait))
    }

    /// What is to be written next, with the state after it if `with_image`.
    pub(crate) fn take(&self, with_image: bool) -> Next {
        let mut state = self.lock();
        if state.operations.is_empty() {
            return match state.is_closed {
                true => Next::Closed,
                false => Next::Nothing,
            };
        }
        let operations = std::mem::take(&mut state.operations);
        let synced = std::mem::take(&mut state.collected);
        state.written = synced.clone();
        let seq = state.seq;
        state.seq += 1;
        let image = with_image.then(|| state.store.image());
        Next::Batch(Taken {
            seq,
            operations,
            image,
            synced,
        })
    }

    /// Returns once there may be something to take.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// A batch is durable.
    pub(crate) fn synced(&self, batch: &Taken) {
        self.lock().durable = batch.seq;
        batch.synced.is_done.store(true, Ordering::Release);
        batch.synced.done.notify_waiters();
    }

    /// Nothing will come any more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.work.notify_one();
    }

    /// The last batch that is durable.
    pub(crate) fn durable(&self) -> u64 {
        self.lock().durable
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, operation: Operation) {
        if !self.operations.is_empty() {
            self.operations.push(b',');
        }
        to_json(&mut self.operations, &operation);
        let applied = self.store.apply(operation, self.seq);
        applied.expect("what was decided on this state follows from it");
    }

    /// Batches before the one that is collected are durable or being written.
    fn wait(&self, batch: u64) -> Wait {
        let synced = match batch {
            _ if batch <= self.durable => None,
            _ if batch == self.seq => Some(&self.collected),
            _ => Some(&self.written),
        };
        Wait(synced.cloned())
    }
}
