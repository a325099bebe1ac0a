//! What the instance counted since it started, and the text that Prometheus reads
//! (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Undone;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// One more.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of an instance.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    applied: Count,
    not_applied: Count,
    unknown: Count,
    overflow: Count,
    /// Increments that were refused because too many requests were in progress.
    pub(crate) shed: Count,
    /// Transactions that add to the counter, repetitions and refused ones included.
    pub(crate) batches: Count,
    /// Those that were refused because the value had changed, or the lock was lost.
    pub(crate) conflicts: Count,
}

impl Metrics {
    /// Counts an increment that was looked at.
    pub(crate) fn answered(&self, answer: &Result<i64, Undone>) {
        match answer {
            Ok(_) => self.applied.add(),
            Err(Undone::NotApplied(_)) => self.not_applied.add(),
            Err(Undone::Unknown(_)) => self.unknown.add(),
            Err(Undone::Overflow) => self.overflow.add(),
        }
    }

    /// As Prometheus reads it.
    pub(crate) fn text(&self, etcd_calls: u64, in_flight: usize) -> String {
        let mut text = String::from(
            "# HELP counter_increments_total Increments asked for, by what became of them.\n\
             # TYPE counter_increments_total counter\n",
        );
        for (outcome, count) in [
            ("applied", &self.applied),
            ("not_applied", &self.not_applied),
            ("unknown", &self.unknown),
            ("overflow", &self.overflow),
            ("shed", &self.shed),
        ] {
            let count = count.get();
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "counter_increments_total{{outcome=\"{outcome}\"}} {count}"
            );
        }
        for (name, help, kind, value) in [
            (
                "counter_batches_total",
                "Transactions that add to the counter.",
                "counter",
                self.batches.get(),
            ),
            (
                "counter_conflicts_total",
                "Those that were refused because the value had changed or the lock was lost.",
                "counter",
                self.conflicts.get(),
            ),
            (
                "counter_etcd_calls_total",
                "Requests to etcd that were begun.",
                "counter",
                etcd_calls,
            ),
            (
                "counter_in_flight",
                "Requests in progress.",
                "gauge",
                in_flight as u64,
            ),
        ] {
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
            );
        }
        text
    }
}
