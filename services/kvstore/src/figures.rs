//! What the store counts, as Prometheus' text format says it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Requests to `/api`.
    pub(crate) requests: AtomicU64,
    /// Changes that were made in memory.
    pub(crate) changes: AtomicU64,
    /// 428 answers.
    pub(crate) conflicts: AtomicU64,
    /// Repeated transactions that were answered and not applied.
    pub(crate) repeats: AtomicU64,
    /// 503 answers.
    pub(crate) shed: AtomicU64,
    /// 504 answers.
    pub(crate) late: AtomicU64,
    batches: AtomicU64,
    log_bytes: AtomicU64,
    snapshots: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Figures {
    /// A batch is durable.
    pub(crate) fn wrote(&self, bytes: u64) {
        count(&self.batches);
        self.log_bytes.fetch_add(bytes, Relaxed);
    }

    /// A snapshot has taken the place of a part of the log.
    pub(crate) fn compacted(&self) {
        count(&self.snapshots);
    }

    /// The text. `keys`, `idempotency_keys` and `sequence` are as they are now.
    pub(crate) fn text(&self, keys: usize, idempotency_keys: usize, sequence: u64) -> String {
        let counters = [
            ("requests_total", "Requests to /api", &self.requests),
            ("changes_total", "Changes made", &self.changes),
            ("conflicts_total", "Answers 428", &self.conflicts),
            (
                "repeats_total",
                "Transactions answered again",
                &self.repeats,
            ),
            ("shed_total", "Answers 503", &self.shed),
            ("late_total", "Answers 504", &self.late),
            (
                "syncs_total",
                "Batches of the log that were synced",
                &self.batches,
            ),
            ("log_bytes_total", "Bytes of these batches", &self.log_bytes),
            (
                "snapshots_total",
                "Snapshots that replaced a part of the log",
                &self.snapshots,
            ),
        ];
        let gauges = [
            ("keys", "Keys", keys as u64),
            (
                "idempotency_keys",
                "Idempotency keys remembered",
                idempotency_keys as u64,
            ),
            ("sequence", "Last durable batch", sequence),
        ];
        let counters =
            counters.map(|(name, help, value)| (name, help, "counter", value.load(Relaxed)));
        let gauges = gauges.map(|(name, help, value)| (name, help, "gauge", value));
        let mut text = String::new();
        for (name, help, kind, value) in counters.into_iter().chain(gauges) {
            // Memory takes what is written.
            let _ = write!(
                text,
                "# HELP kvstore_{name} {help}\n# TYPE kvstore_{name} {kind}\nkvstore_{name} {value}\n"
            );
        }
        text
    }
}
