//! The four modes behind one face.

use std::sync::{Arc, Mutex};

use squall_host::Shutdown;
use squall_resilient::{Deadline, Random};

use crate::cas;
use crate::coalesced;
use crate::config::{Config, Mode};
use crate::early::Early;
use crate::error::Undone;
use crate::queue::Queue;
use crate::store::Store;

/// How this instance adds to the counter.
pub(crate) enum Increments {
    /// See [`crate::early`].
    Early(Early),
    /// See [`crate::cas`].
    Cas(Arc<Store>, Mutex<Random>),
    /// See [`crate::coalesced`].
    Queued(Queue),
}

/// What works beside the requests, for the modes that need it.
pub(crate) enum Worker {
    /// See [`crate::coalesced`].
    Coalesced(Arc<Store>, Queue),
}

impl Increments {
    /// In the mode that the configuration asks for.
    pub(crate) fn new(
        config: &Config,
        store: &Arc<Store>,
        random: Random,
    ) -> (Self, Option<Worker>) {
        let queue = Queue::default();
        match config.mode {
            Mode::LockEarlyRelease => (Self::Early(Early::new(store.clone())), None),
            Mode::Cas => (Self::Cas(store.clone(), Mutex::new(random)), None),
            Mode::Coalesced | Mode::Lock => {
                let worker = Worker::Coalesced(store.clone(), queue.clone());
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

impl Worker {
    /// Works until it is told to stop, which is when nobody waits any more.
    pub(crate) async fn run(self, stop: Shutdown) {
        match self {
            Self::Coalesced(store, queue) => coalesced::run(&store, &queue, &stop).await,
        }
    }
}
