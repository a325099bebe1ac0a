//! Where clients write what became of their requests. Cheap for each request: one lock, no
//! allocation but for a name that was never seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use squall_record::{Failure, Name, Outcome, Sample};
use tokio::time::Instant;

use crate::journal::micros;

/// The most names of backends and databases; more are counted as one.
const NAMES_MAX: usize = 10_000;

/// Says which service has an address.
pub type ServiceAt = Arc<dyn Fn(IpAddr) -> Option<String> + Send + Sync>;

/// What became of the requests of all clients of one run. Clones share it.
#[derive(Clone)]
pub struct Recorder {
    /// The start of the story on the clock, and in virtual time since the run began.
    began: (Instant, Duration),
    service_at: ServiceAt,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// In the order of sending; of those in `pending` only the first half is true.
    samples: Vec<Sample>,
    pending: BTreeSet<usize>,
    /// What answers said, word for word, and whom it means.
    names: BTreeMap<String, Name>,
}

/// A request that is sent and not yet answered.
#[derive(Debug)]
pub struct Ticket(usize);

/// What a client reads from an answer: who served it, word for word, and a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// The backend.
    pub backend: Option<String>,
    /// The database behind it.
    pub database: Option<String>,
    /// The number that the client reads.
    pub value: Option<i64>,
    /// The whole answer, where the client keeps it and it is not too long.
    pub body: Option<String>,
}

impl Recorder {
    /// A recorder for a story that begins now, `began` after the run did.
    pub fn new(began: Duration, service_at: ServiceAt) -> Self {
        Self {
            began: (Instant::now(), began),
            service_at,
            inner: Arc::default(),
        }
    }

    /// The start of the story on the clock.
    pub fn story_began(&self) -> Instant {
        self.began.0
    }

    /// A client sends a request now; this is what is kept of it.
    pub fn sent(&self, client: &Name, request: Option<Name>) -> Ticket {
        let sent_us = self.now_us();
        let inner = &mut *self.lock();
        let index = inner.samples.len();
        inner.samples.push(Sample {
            client: client.clone(),
            sent_us,
            latency_us: 0,
            outcome: Outcome::Failure(Failure::Timeout),
            backend: None,
            database: None,
            value: None,
            request,
            body: None,
        });
        inner.pending.insert(index);
        Ticket(index)
    }

    /// Its outcome is there now.
    pub fn ended(&self, ticket: Ticket, outcome: Outcome, servers: &Servers) {
        let now_us = self.now_us();
        let inner = &mut *self.lock();
        let backend = servers.backend.as_deref().map(|raw| self.name(inner, raw));
        let database = servers.database.as_deref().map(|raw| self.name(inner, raw));
        inner.pending.remove(&ticket.0);
        let sample = &mut inner.samples[ticket.0];
        sample.latency_us = now_us.saturating_sub(sample.sent_us);
        sample.outcome = outcome;
        sample.backend = backend;
        sample.database = database;
        sample.value = servers.value;
        sample.body = servers.body.as_deref().map(Name::from);
    }

    /// Whether every request that was sent before this time of the story has its outcome.
    pub fn is_settled(&self, before: Duration) -> bool {
        let before_us = self.in_run_us(before);
        let inner = self.lock();
        inner
            .pending
            .first()
            .is_none_or(|index| inner.samples[*index].sent_us >= before_us)
    }

    /// Calls `read` with the samples that were sent between two times of the story. One that is
    /// still pending counts as timed out now.
    pub fn between<T>(&self, from: Duration, to: Duration, read: impl FnOnce(&[Sample]) -> T) -> T {
        self.among(from, to, |samples, range| read(&samples[range]))
    }

    /// The same with all samples, and which of them were sent between those times.
    pub fn among<T>(
        &self,
        from: Duration,
        to: Duration,
        read: impl FnOnce(&mut [Sample], Range<usize>) -> T,
    ) -> T {
        let now_us = self.now_us();
        let inner = &mut *self.lock();
        let start = inner
            .samples
            .partition_point(|s| s.sent_us < self.in_run_us(from));
        let end = inner
            .samples
            .partition_point(|s| s.sent_us < self.in_run_us(to));
        for index in &inner.pending {
            let sample = &mut inner.samples[*index];
            sample.latency_us = now_us.saturating_sub(sample.sent_us);
        }
        read(&mut inner.samples, start..end.max(start))
    }

    /// Takes all samples out.
    pub fn take(&self) -> Vec<Sample> {
        let inner = &mut *self.lock();
        inner.pending.clear();
        std::mem::take(&mut inner.samples)
    }

    /// Addresses may belong to others from now on, as after scaling.
    pub fn addresses_changed(&self) {
        self.lock().names.clear();
    }

    fn name(&self, inner: &mut Inner, raw: &str) -> Name {
        if let Some(name) = inner.names.get(raw) {
            return name.clone();
        }
        if inner.names.len() >= NAMES_MAX {
            return Name::from("(others)");
        }
        let name = Name::from(self.meaning(raw));
        inner.names.insert(raw.to_owned(), name.clone());
        name
    }

    /// The service behind an address; anything else means itself.
    fn meaning(&self, raw: &str) -> String {
        // nginx's `$upstream_addr` lists every server that was tried; the last one answered.
        let last = raw.rsplit([',', ' ']).next().unwrap_or(raw);
        let address: Option<IpAddr> = last
            .parse()
            .ok()
            .or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()));
        match address {
            Some(address) => (self.service_at)(address).unwrap_or_else(|| last.to_owned()),
            None => raw.to_owned(),
        }
    }

    fn in_run_us(&self, story: Duration) -> u64 {
        micros(self.began.1 + story)
    }

    fn now_us(&self) -> u64 {
        self.in_run_us(self.began.0.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked here ends the run as a broken testbed; the data is still whole.
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder() -> Recorder {
        let service = |address: IpAddr| {
            (address == IpAddr::from([172, 19, 0, 3])).then(|| "postgres-slave2".to_owned())
        };
        Recorder::new(Duration::from_secs(5), Arc::new(service))
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_belongs_to_when_it_was_sent() {
        let recorder = recorder();
        let second = Duration::from_secs(1);
        let slow = recorder.sent(&"load".into(), None);
        tokio::time::sleep(second).await;
        let quick = recorder.sent(&"load".into(), None);
        let servers = Servers {
            backend: Some("172.19.0.9:5000, 172.19.0.3:5000".to_owned()),
            database: Some("172.19.0.3".to_owned()),
            value: None,
            body: None,
        };
        recorder.ended(quick, Outcome::Status(200), &servers);
        assert!(!recorder.is_settled(second));
        tokio::time::sleep(second).await;
        recorder.ended(slow, Outcome::Status(200), &Servers::default());
        assert!(recorder.is_settled(second));
        recorder.between(Duration::ZERO, second, |samples| {
            assert_eq!(samples.len(), 1);
            assert_eq!(
                (samples[0].sent_us, samples[0].latency_us),
                (5_000_000, 2_000_000)
            );
        });
        let samples = recorder.take();
        assert_eq!(
            samples[1].backend.as_ref().unwrap().as_str(),
            "postgres-slave2"
        );
        assert_eq!(
            samples[1].database.as_ref().unwrap().as_str(),
            "postgres-slave2"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_answered_counts_as_timed_out() {
        let recorder = recorder();
        let _never = recorder.sent(&"load".into(), None);
        tokio::time::sleep(Duration::from_secs(3)).await;
        recorder.between(Duration::ZERO, Duration::from_secs(1), |samples| {
            assert_eq!(samples[0].outcome, Outcome::Failure(Failure::Timeout));
            assert_eq!(samples[0].latency_us, 3_000_000);
        });
    }
}
