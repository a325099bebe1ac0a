//! The four modes behind one face.

use std::sync::{Arc, Mutex};

use squall_host::output::Output;
use squall_resilient::{Deadline, Random};

use crate::cas;
use crate::config::{Config, Mode};
use crate::early::Early;
use crate::error::Undone;
use crate::lock::Holder;
use crate::queue::Queue;
use crate::store::Store;
use crate::worker::Worker;

/// How this instance adds to the counter.
pub(crate) enum Increments {
    /// See [`crate::early`].
    Early(Early),
    /// See [`crate::cas`].
    Cas(Arc<Store>, Box<Mutex<Random>>),
    /// See [`crate::worker`].
    Queued(Queue),
}

impl Increments {
    /// In the mode that the configuration asks for.
    pub(crate) fn new(
        config: &Config,
        store: &Arc<Store>,
        random: Random,
        out: &Output,
    ) -> (Self, Option<Worker>) {
        let queue = Queue::default();
        match config.mode {
            Mode::LockEarlyRelease => {
                let steps = config.log_steps.then(|| out.clone());
                (Self::Early(Early::new(store.clone(), steps)), None)
            }
            Mode::Cas => {
                let random = Box::new(Mutex::new(random));
                (Self::Cas(store.clone(), random), None)
            }
            Mode::Coalesced | Mode::Lock => {
                let worker = Worker {
                    store: store.clone(),
                    queue: queue.clone(),
                    holder: (config.mode == Mode::Lock).then(|| Holder::new(config.lock_ttl_s)),
                };
                (Self::Queued(queue), Some(worker))
            }
        }
    }

    /// Adds one; the value that it became.
    pub(crate) async fn one(&self, deadline: Deadline) -> Result<i64, Undone> {
        match self {
            Self::Early(early) => early.increment(deadline).await,
            Self::Cas(store, random) => cas::increment(store, random, deadline).await,
            Self::Queued(queue) => queue.increment(deadline).await,
        }
    }
}
