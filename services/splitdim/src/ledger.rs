//! The four modes behind one face.
//!
//! A transfer that must not stop half way runs in a task of its own, which goes on when its client
//! leaves, and holds its permit until it ends: the process waits for it when it is told to stop.

use std::sync::Arc;

use squall_host::Host;
use squall_resilient::{Deadline, Permit};
use tokio::task::JoinHandle;

use crate::accounts::{Account, Overflow};
use crate::client::Client;
use crate::config::{Config, Mode};
use crate::error::{ReadError, TransferError};
use crate::kvstore;
use crate::local::Local;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::reads::Reads;
use crate::resilient::Resilient;
use crate::store::Store;
use crate::transactional::Worker;
use crate::transfer::Transfer;

/// Balances, wherever they are.
pub(crate) enum Ledger {
    Local(Local),
    Remote(Box<Remote>),
}

/// Balances in the store.
pub(crate) struct Remote {
    reads: Reads,
    writes: Writes,
}

enum Writes {
    Endless(Arc<Store>, Arc<Log>, Overflow),
    Resilient(Arc<Resilient>),
    Transactional(Arc<Queue>),
}

impl Ledger {
    /// The mode's ledger, and the task that it needs, if any.
    pub(crate) fn new(
        config: &Config,
        host: &Host,
        metrics: &Arc<Metrics>,
    ) -> (Self, Option<Worker>) {
        let overflow = config.overflow;
        let store = || {
            let net = host.net.clone();
            let address = config.store.clone();
            let client = Client::new(net, address, config.store_timeout, metrics.clone());
            Arc::new(Store { client })
        };
        let log = Arc::new(Log::new(host.out.clone()));
        let remote = |store: Arc<Store>, writes| {
            let reads = Reads::new(store);
            Self::Remote(Box::new(Remote { reads, writes }))
        };
        match config.mode {
            Mode::Local => (Self::Local(Local::new(overflow)), None),
            Mode::Kvstore => {
                let store = store();
                (
                    remote(store.clone(), Writes::Endless(store, log, overflow)),
                    None,
                )
            }
            Mode::Resilient => {
                let store = store();
                let resilient = Resilient::new(store.clone(), log, overflow);
                (remote(store, Writes::Resilient(Arc::new(resilient))), None)
            }
            Mode::Transactional => {
                let store = store();
                let queue = Arc::new(Queue::new(config.in_flight_max));
                let worker =
                    Worker::new(queue.clone(), store.clone(), metrics.clone(), log, overflow);
                (remote(store, Writes::Transactional(queue)), Some(worker))
            }
        }
    }

    /// Transfers. By the deadline there is an answer, but for the endless mode.
    pub(crate) async fn transfer(
        &self,
        transfer: Transfer,
        deadline: Deadline,
        permit: Permit,
    ) -> Result<(), TransferError> {
        let writes = match self {
            Self::Local(local) => return local.transfer(transfer),
            Self::Remote(remote) => &remote.writes,
        };
        match writes {
            Writes::Transactional(queue) => queue.transfer(transfer, deadline).await,
            Writes::Resilient(resilient) => {
                let resilient = resilient.clone();
                let running = tokio::spawn(async move {
                    let _permit = permit;
                    resilient.transfer(&transfer, deadline).await
                });
                match deadline.bound(joined(running)).await {
                    Ok(answer) => answer,
                    Err(late) => Err(TransferError::Unknown(late.to_string())),
                }
            }
            Writes::Endless(store, log, overflow) => {
                let (store, log, overflow) = (store.clone(), log.clone(), *overflow);
                joined(tokio::spawn(async move {
                    let _permit = permit;
                    kvstore::transfer(&store, &log, overflow, &transfer).await
                }))
                .await
            }
        }
    }

    /// All accounts, sorted by holder.
    pub(crate) async fn accounts(&self, deadline: Deadline) -> Result<Vec<Account>, ReadError> {
        match self {
            Self::Local(local) => Ok(local.accounts()),
            Self::Remote(remote) => remote.reads.accounts(deadline).await,
        }
    }

    /// Forgets all accounts.
    pub(crate) async fn reset(&self, deadline: Deadline) -> Result<(), ReadError> {
        match self {
            Self::Local(local) => {
                local.reset();
                Ok(())
            }
            Self::Remote(remote) => {
                let outcome = remote.reads.reset(deadline).await;
                // Also when it failed: nobody knows then.
                if let Writes::Transactional(queue) = &remote.writes {
                    queue.note_reset();
                }
                outcome
            }
        }
    }

    /// Why it does no more transfers, if so.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Remote(remote) => match &remote.writes {
                Writes::Resilient(resilient) => resilient.is_broken(),
                Writes::Endless(..) | Writes::Transactional(_) => false,
            },
            Self::Local(_) => false,
        }
    }
}

/// What the task says; it never panics, and is stopped only with the process.
async fn joined(task: JoinHandle<Result<(), TransferError>>) -> Result<(), TransferError> {
    let ended = |error: tokio::task::JoinError| TransferError::Unknown(error.to_string());
    task.await.map_err(ended)?
}
