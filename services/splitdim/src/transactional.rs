//! Mode `transactionalkvstore`: both balances of a transfer, and those of all that wait, in one
//! transaction; exact when answers are lost.
//!
//! One task for each instance sends one transaction at a time. It knows versions from its own last
//! transaction or from the store's refusal (428), so that it need not read first. A transaction without
//! an answer is repeated, byte for byte and under the same idempotency key, until there is one or nobody
//! waits for it any more: the store applies a key once. Only after a refusal, which says that the key was not applied and, its versions
//! being old, never will be, the transfers go into another transaction under another key.
//!
//! This rests on three promises of the store: a repeated key that was applied is answered 200 again, a
//! version that is not the current one is refused, and an absent key has version 0. A store that takes
//! any version for an absent key, as the original does, is exact until it is reset by another instance.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use squall_resilient::{Backoff, Random};
use tokio::time::sleep;

use crate::accounts::Overflow;
use crate::batch::{Batch, Cache};
use crate::client::{Answer, Call, CallError, Line};
use crate::error::TransferError;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::queue::{Pending, Queue};
use crate::store::{Entry, Store, transaction};

/// Transfers in one transaction.
const BATCH_MAX: usize = 256;
/// Bytes of names in one transaction, about; its JSON is at most six times as long and some.
const BATCH_BYTES_MAX: usize = 128 * 1_024;

/// Between tries of what failed. It has no end of its own: who waits gives up at his deadline.
const PAUSE: Backoff = Backoff {
    base: Duration::from_millis(10),
    cap: Duration::from_secs(1),
    jitter: 1.0,
    tries: u32::MAX,
};

/// Between refusals, from so many in a row on. Not sooner: whoever pauses lets the others refuse him again.
const REFUSALS_IN_A_ROW: u32 = 16;
const YIELD: Backoff = Backoff {
    base: Duration::from_millis(1),
    cap: Duration::from_millis(4),
    jitter: 1.0,
    tries: u32::MAX,
};

/// The task that sends transactions.
pub(crate) struct Worker {
    queue: Arc<Queue>,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    log: Arc<Log>,
    overflow: Overflow,
    cache: Cache,
    /// The queue's count of resets that the cache knows of.
    resets: u64,
    /// So many of the next transfers go alone, for the store refused them together.
    alone: usize,
    random: Random,
    /// What no other instance has, nor this one after a restart.
    name: String,
    sent: u64,
}

/// What is known of a transaction in the end.
enum Outcome {
    /// It was applied, once.
    Applied,
    /// It was not and will not be applied; this is what the store has, if it says so.
    Stale(Vec<Entry<'static>>),
    /// It was not sent.
    NotSent(String),
    /// Nobody knows, and nobody waits to know. Harmless for what comes next: if it is applied, or still will
    /// be, either its versions are old or those of the next transaction, which is then refused.
    Abandoned,
    /// The store will not have it.
    Refused(TransferError),
}

impl Worker {
    pub(crate) fn new(
        queue: Arc<Queue>,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        log: Arc<Log>,
        overflow: Overflow,
    ) -> Self {
        let mut random = Random::from_os();
        Self {
            queue,
            store,
            metrics,
            log,
            overflow,
            cache: Cache::default(),
            resets: 0,
            alone: 0,
            name: format!("{:016x}{:016x}", random.bits(), random.bits()),
            random,
            sent: 0,
        }
    }

    /// Works until it is dropped.
    pub(crate) async fn run(mut self) {
        let (mut failures, mut refusals) = (0, 0);
        loop {
            self.queue.filled().await;
            // First a connection, then the transfers: who gives up while there is none knows that
            // nothing was sent.
            let outcome = match self.store.client.line().await {
                Ok(line) => self.transact(line).await,
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(true) => (failures, refusals) = (0, 0),
                Ok(false) => {
                    refusals += 1;
                    self.metrics.stale.add();
                    if refusals >= REFUSALS_IN_A_ROW {
                        self.pause(&YIELD, refusals).await;
                    }
                }
                Err(why) => {
                    failures += 1;
                    self.log.line(&format!("transfer: {why}"));
                    self.pause(&PAUSE, failures).await;
                }
            }
        }
    }

    /// One transaction of what waits. Says whether it came to an end, or was refused for its versions;
    /// an error when it could not be sent.
    async fn transact(&mut self, line: Line) -> Result<bool, String> {
        if self.resets != self.queue.resets() {
            self.resets = self.queue.resets();
            self.cache.clear();
        }
        let most = match self.alone {
            0 => BATCH_MAX,
            _ => 1,
        };
        let taken = self.queue.take(most, BATCH_BYTES_MAX);
        self.alone = self.alone.saturating_sub(taken.len());
        let batch = Batch::fold(taken, &self.cache, self.overflow);
        if batch.transfers.is_empty() {
            self.store.client.keep(line);
            return Ok(true);
        }
        match self.settle(line, &batch).await {
            Outcome::Applied => {
                self.cache.applied(&batch);
                answer(batch.transfers, &Ok(()));
                Ok(true)
            }
            Outcome::Stale(current) => {
                let current = match current.is_empty() {
                    true => self.read(&batch).await?,
                    false => current,
                };
                self.cache.learn(&current);
                self.queue.put_back(batch.transfers);
                Ok(false)
            }
            Outcome::Abandoned => Ok(true),
            Outcome::NotSent(why) => {
                self.queue.put_back(batch.transfers);
                Err(why)
            }
            // One of them may be what the store does not like, such as a name that is too long for it.
            Outcome::Refused(TransferError::NotApplied(_)) if batch.transfers.len() > 1 => {
                self.alone = batch.transfers.len();
                self.queue.put_back(batch.transfers);
                Ok(true)
            }
            Outcome::Refused(error) => {
                self.log.line(&format!("transfer: {error}"));
                answer(batch.transfers, &Err(error));
                Ok(true)
            }
        }
    }

    /// Sends a transaction until its fate is known, or nobody waits for it.
    async fn settle(&mut self, line: Line, batch: &Batch) -> Outcome {
        let call = match transaction(&batch.entries(), self.key()) {
            Ok(call) => call,
            Err(error) => return Outcome::Refused(TransferError::NotApplied(error.to_string())),
        };
        let mut answer = self.store.client.send(line, &call).await;
        let (mut is_unknown, mut tries) = (false, 0);
        loop {
            let why = match told(answer, is_unknown) {
                Ok(outcome) => return outcome,
                Err(why) => why,
            };
            is_unknown = true;
            tries += 1;
            self.log
                .line(&format!("transfer: transaction: {why}; the same again"));
            self.pause(&PAUSE, tries).await;
            if !batch.transfers.iter().any(Pending::is_awaited) {
                return Outcome::Abandoned;
            }
            answer = self.repeat(&call).await;
        }
    }

    async fn repeat(&self, call: &Call) -> Result<Answer, CallError> {
        self.store.client.call(call).await
    }

    /// What the store has for a batch's accounts, for a store that does not say it when it refuses.
    async fn read(&self, batch: &Batch) -> Result<Vec<Entry<'static>>, String> {
        let mut current = Vec::new();
        for entry in batch.entries() {
            let told = |error| format!("could not read {:?}: {error}", entry.key);
            let now = self.store.get(&entry.key).await.map_err(told)?;
            current.push(Entry {
                key: entry.key.into_owned().into(),
                value: now.value.into(),
                version: now.version,
            });
        }
        Ok(current)
    }

    /// A key that was never used.
    fn key(&mut self) -> HeaderValue {
        self.sent += 1;
        let key = format!("{}-{}", self.name, self.sent);
        HeaderValue::try_from(key)
            .unwrap_or_else(|_| panic!("hexadecimal digits are visible ASCII"))
    }

    async fn pause(&mut self, backoff: &Backoff, tries: u32) {
        if let Some(delay) = backoff.delay(tries, &mut self.random) {
            sleep(delay).await;
        }
    }
}

/// What an answer, or none, says of the transaction; the error is why it says nothing.
fn told(answer: Result<Answer, CallError>, is_unknown: bool) -> Result<Outcome, String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(CallError::NotSent(why)) if !is_unknown => return Ok(Outcome::NotSent(why)),
        Err(error) => return Err(error.to_string()),
    };
    match answer.status {
        StatusCode::OK => Ok(Outcome::Applied),
        StatusCode::PRECONDITION_REQUIRED => {
            let current = serde_json::from_slice(&answer.body);
            Ok(Outcome::Stale(current.unwrap_or_default()))
        }
        // Whoever says one of these may have asked the store before.
        status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
            Err(format!("HTTP status {status}"))
        }
        status if status.is_client_error() => {
            let text = String::from_utf8_lossy(&answer.body);
            let why = format!(
                "the store refuses the transaction: {status} {}",
                text.trim()
            );
            Ok(Outcome::Refused(match is_unknown {
                true => TransferError::Unknown(why),
                false => TransferError::NotApplied(why),
            }))
        }
        status => Err(format!("HTTP status {status}")),
    }
}

fn answer(transfers: Vec<Pending>, answer: &Result<(), TransferError>) {
    for transfer in transfers {
        transfer.answer(answer.clone());
    }
}
