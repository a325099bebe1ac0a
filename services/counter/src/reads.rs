//! Linearizable reads that are shared, and how many members etcd has.
//!
//! A few reads are under way at a time. Whoever comes meanwhile waits for the next one, which serves all who wait:
//! it begins after each of them has come, so each is told a value that was current after its request. A
//! linearizable read costs etcd a round among its members, whoever asks; so this is what reads under load cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_etcd::Error;
use squall_resilient::{Deadline, Late};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::store::{Known, Store};

/// For how long the number of members is taken as it was. Members come and go by an operator's hand.
const MEMBERS_FRESH: Duration = Duration::from_secs(1);

/// For how long a read that went well proves that there is a quorum. Whoever is asked "are you healthy" can
/// only tell of the past; this is far less than between two probes.
const QUORUM_FRESH: Duration = Duration::from_millis(100);

/// Reads that are under way at a time. With one alone, who comes just after it began would wait for two.
const READS_MAX: usize = 4;

/// What a reader is told; `None` when it could not be read.
type Told = oneshot::Sender<Option<Known>>;

/// The readers of an instance.
pub(crate) struct Reads {
    store: Arc<Store>,
    waiting: Mutex<Waiting>,
    members: Mutex<Option<(Instant, usize)>>,
}

#[derive(Default)]
struct Waiting {
    /// Tasks that read.
    reading: usize,
    /// When the last read began that went well.
    went_well: Option<Instant>,
    readers: Vec<Told>,
}

impl Reads {
    pub(crate) fn new(store: Arc<Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            waiting: Mutex::default(),
            members: Mutex::default(),
        })
    }

    /// The key as the group has it, by a read that begins after this is called; `None` without a quorum.
    pub(crate) async fn read(self: &Arc<Self>, deadline: Deadline) -> Option<Known> {
        let (told, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.readers.push(told);
            let begins = waiting.reading < READS_MAX;
            waiting.reading += usize::from(begins);
            begins
        };
        if begins {
            // A task of its own, so that it goes on for the others when this reader leaves.
            tokio::spawn(self.clone().serve());
        }
        match deadline.bound(answer).await {
            Ok(answer) => answer.ok().flatten(),
            Err(Late) => None,
        }
    }

    /// Whether there is a quorum, by a read that began just now or begins now.
    pub(crate) async fn is_there_a_quorum(self: &Arc<Self>, deadline: Deadline) -> bool {
        let last = self.waiting().went_well;
        last.is_some_and(|last| last.elapsed() < QUORUM_FRESH)
            || self.read(deadline).await.is_some()
    }

    /// How many members etcd has, by what one of them said lately.
    pub(crate) async fn members(&self, deadline: Deadline) -> Result<usize, Error> {
        let last = *self.lately();
        if let Some((when, count)) = last
            && when.elapsed() < MEMBERS_FRESH
        {
            return Ok(count);
        }
        let count = self.store.etcd.members(deadline).await?.members().len();
        *self.lately() = Some((Instant::now(), count));
        Ok(count)
    }

    /// Reads for all who wait, again and again until nobody does.
    async fn serve(self: Arc<Self>) {
        loop {
            let readers = {
                let mut waiting = self.waiting();
                waiting.reading -= usize::from(waiting.readers.is_empty());
                std::mem::take(&mut waiting.readers)
            };
            if readers.is_empty() {
                return;
            }
            let began = Instant::now();
            let deadline = Deadline::after(self.store.etcd_timeout);
            let known = self.store.read(deadline).await.ok();
            self.waiting().went_well = known.map(|_| began);
            for reader in readers {
                let _ = reader.send(known); // it may have left
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lately(&self) -> MutexGuard<'_, Option<(Instant, usize)>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
