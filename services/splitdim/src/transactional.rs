//! Mode `transactionalkvstore`: both balances of a transfer, and those of all that wait, in one
//! transaction; exact when answers are lost.
//!
//! One task for each instance sends transactions, several at a time, no two of which touch the same
//! account. It knows versions from its own last transaction or from the store's refusal (428), so that it
//! need not read first. A transaction without an answer is repeated, byte for byte and under the same
//! idempotency key, until there is one or nobody waits for it any more: the store applies a key once. Only
//! after a refusal, which says that the key was not applied and, its versions being old, never will be,
//! the transfers go into another transaction under another key. As long as one has no answer, no other is
//! begun: the transfers that wait meanwhile are certainly not applied when their clients give up.
//!
//! This rests on three promises of the store: a repeated key that was applied is answered 200 again, a
//! version that is not the current one is refused, and an absent key has version 0. A store that takes
//! any version for an absent key, as the original does, is exact until it is reset by another instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
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
use crate::queue::{Held, Pending, Queue};
use crate::store::{Entry, Store, transaction};

/// Transactions at a time. More of them would each be smaller, and cost the same work.
const IN_FLIGHT_MAX: usize = 8;
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

/// So many refusals in a row are not others who were quicker: each says what the store has, and is
/// followed at once by a transaction that fits it. A pause in between would let the others be first again.
const REFUSALS_IN_A_ROW: u32 = 64;

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
    /// Since a transaction was applied.
    refusals: u32,
    doubts: Arc<AtomicUsize>,
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
    /// It was not applied and will not be: it was not sent, or what to send instead could not be read.
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
            refusals: 0,
            doubts: Arc::default(),
            name: format!("{:016x}{:016x}", random.bits(), random.bits()),
            random,
            sent: 0,
        }
    }

    /// Works until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        let mut in_flight = FuturesUnordered::new();
        let next = next_line(self.queue.clone(), self.store.clone(), Duration::ZERO);
        tokio::pin!(next);
        loop {
            let outcome = tokio::select! {
                biased;
                Some((sent, outcome)) = in_flight.next() => self.ended(sent, outcome),
                line = &mut next, if in_flight.len() < IN_FLIGHT_MAX && !self.is_in_doubt() => {
                    let taken = line.map(|line| in_flight.extend(self.begin(line)));
                    let taken = taken.map_err(|error| error.to_string());
                    if taken.is_ok() {
                        next.set(next_line(self.queue.clone(), self.store.clone(), Duration::ZERO));
                        continue;
                    }
                    taken
                }
            };
            match outcome {
                Ok(()) => failures = 0,
                Err(why) => {
                    failures += 1;
                    self.log.line(&format!("transfer: {why}"));
                    let pause = PAUSE.delay(failures, &mut self.random).unwrap_or_default();
                    next.set(next_line(self.queue.clone(), self.store.clone(), pause));
                }
            }
        }
    }

    /// Whether a transaction in flight was sent without an answer.
    fn is_in_doubt(&self) -> bool {
        self.doubts.load(Ordering::Relaxed) > 0
    }

    /// Begins a transaction of what waits, if anything still does and no other one is in doubt.
    fn begin(&mut self, line: Line) -> Option<impl Future<Output = (Sent, Outcome)> + use<>> {
        if self.is_in_doubt() {
            self.store.client.keep(line);
            return None;
        }
        if self.resets != self.queue.resets() {
            self.resets = self.queue.resets();
            self.cache.clear();
        }
        let most = match self.alone {
            0 => BATCH_MAX,
            _ => 1,
        };
        let (taken, held) = self.queue.take(most, BATCH_BYTES_MAX);
        self.alone = self.alone.saturating_sub(taken.len());
        let batch = Batch::fold(taken, &self.cache, self.overflow);
        if batch.transfers.is_empty() {
            self.queue.give_back(held, Vec::new());
            self.store.client.keep(line);
            return None;
        }
        let call = transaction(&batch.entries(), self.key());
        let settling = Settling {
            store: self.store.clone(),
            log: self.log.clone(),
            doubts: self.doubts.clone(),
            random: Random::from_seed(self.random.bits()),
        };
        Some(async move {
            let outcome = match call {
                Ok(call) => settling.settle(line, &call, &batch).await,
                Err(error) => Outcome::Refused(TransferError::NotApplied(error.to_string())),
            };
            (Sent { batch, held }, outcome)
        })
    }

    /// What follows from a transaction's outcome; an error when it could not be sent.
    fn ended(&mut self, Sent { batch, held }: Sent, outcome: Outcome) -> Result<(), String> {
        let (again, result) = match outcome {
            Outcome::Applied => {
                self.refusals = 0;
                self.cache.applied(&batch);
                answer(batch.transfers, &Ok(()));
                (Vec::new(), Ok(()))
            }
            Outcome::Stale(current) => {
                self.metrics.stale.add();
                self.cache.learn(&current);
                self.refusals += 1;
                let result = match self.refusals.is_multiple_of(REFUSALS_IN_A_ROW) {
                    true => Err(format!("refused {} times in a row", self.refusals)),
                    false => Ok(()),
                };
                (batch.transfers, result)
            }
            Outcome::Abandoned => (Vec::new(), Ok(())),
            Outcome::NotSent(why) => (batch.transfers, Err(why)),
            // One of them may be what the store does not like, such as a name that is too long for it.
            Outcome::Refused(TransferError::NotApplied(_)) if batch.transfers.len() > 1 => {
                self.alone = self.alone.max(batch.transfers.len());
                (batch.transfers, Ok(()))
            }
            Outcome::Refused(error) => {
                self.log.line(&format!("transfer: {error}"));
                answer(batch.transfers, &Err(error));
                (Vec::new(), Ok(()))
            }
        };
        self.queue.give_back(held, again);
        result
    }

    /// A key that was never used.
    fn key(&mut self) -> HeaderValue {
        self.sent += 1;
        let key = format!("{}-{}", self.name, self.sent);
        HeaderValue::try_from(key)
            .unwrap_or_else(|_| panic!("hexadecimal digits are visible ASCII"))
    }
}

/// A transaction in flight.
struct Sent {
    batch: Batch,
    held: Held,
}

/// What is needed to find out what becomes of a transaction.
struct Settling {
    store: Arc<Store>,
    log: Arc<Log>,
    doubts: Arc<AtomicUsize>,
    random: Random,
}

/// That a transaction was sent and has no answer; one of those that are counted.
struct Doubt(Arc<AtomicUsize>);

impl Doubt {
    fn new(doubts: &Arc<AtomicUsize>) -> Self {
        doubts.fetch_add(1, Ordering::Relaxed);
        Self(doubts.clone())
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Settling {
    /// Sends a transaction until its fate is known, or nobody waits for it.
    async fn settle(mut self, line: Line, call: &Call, batch: &Batch) -> Outcome {
        let mut answer = self.store.client.send(line, call).await;
        let (mut doubt, mut tries) = (None, 0);
        loop {
            let why = match told(answer, doubt.is_some()) {
                Ok(Outcome::Stale(current)) if current.is_empty() => {
                    return self.read(batch).await;
                }
                Ok(outcome) => return outcome,
                Err(why) => why,
            };
            doubt.get_or_insert_with(|| Doubt::new(&self.doubts));
            tries += 1;
            self.log
                .line(&format!("transfer: transaction: {why}; the same again"));
            if let Some(delay) = PAUSE.delay(tries, &mut self.random) {
                sleep(delay).await;
            }
            if !batch.transfers.iter().any(Pending::is_awaited) {
                return Outcome::Abandoned;
            }
            answer = self.store.client.call(call).await;
        }
    }

    /// What the store has for a batch's accounts, for a store that does not say it when it refuses.
    async fn read(&self, batch: &Batch) -> Outcome {
        let mut current = Vec::new();
        for entry in batch.entries() {
            let now = match self.store.get(&entry.key).await {
                Ok(now) => now,
                Err(error) => {
                    let why = format!("could not read {:?}: {error}", entry.key);
                    return Outcome::NotSent(why);
                }
            };
            current.push(Entry {
                key: entry.key.into_owned().into(),
                value: now.value.into(),
                version: now.version,
            });
        }
        Outcome::Stale(current)
    }
}

/// Waits until something waits, and for a connection. First the connection, then the transfers: who
/// gives up while there is none knows that nothing was sent.
async fn next_line(
    queue: Arc<Queue>,
    store: Arc<Store>,
    pause: Duration,
) -> Result<Line, CallError> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    queue.filled().await;
    store.client.line().await
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
