//! What the instance counted since it started, and the text that Prometheus reads
//! (exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
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
    /// Transfers that clients asked for, whatever became of them.
    pub(crate) transfers: Counter,
    /// Those that were acknowledged.
    pub(crate) transfers_applied: Counter,
    /// Those of which nobody knows.
    pub(crate) transfers_unknown: Counter,
    /// Requests that were refused because too many were in progress.
    pub(crate) shed: Counter,
    /// Requests to the store that were begun, those without an answer included.
    pub(crate) store_calls: Counter,
    /// Those of which nobody knows whether the store did what they asked.
    pub(crate) store_calls_unknown: Counter,
    /// Transactions that the store refused because this instance's versions were old.
    pub(crate) stale: Counter,
}

impl Metrics {
    /// As Prometheus reads it.
    pub(crate) fn text(&self, in_flight: usize) -> String {
        let counters = [
            (
                "splitdim_transfers_total",
                "Transfers asked for.",
                &self.transfers,
            ),
            (
                "splitdim_transfers_applied_total",
                "Transfers acknowledged.",
                &self.transfers_applied,
            ),
            (
                "splitdim_transfers_unknown_total",
                "Transfers of which nobody knows whether they were applied.",
                &self.transfers_unknown,
            ),
            (
                "splitdim_shed_total",
                "Requests refused because too many were in progress.",
                &self.shed,
            ),
            (
                "splitdim_store_calls_total",
                "Requests to the store that were begun.",
                &self.store_calls,
            ),
            (
                "splitdim_store_calls_unknown_total",
                "Requests to the store without an answer that tells what it did.",
                &self.store_calls_unknown,
            ),
            (
                "splitdim_stale_total",
                "Transactions refused because versions were old.",
                &self.stale,
            ),
        ];
        let mut text = String::new();
        for (name, help, counter) in counters {
            let value = counter.get();
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n"
            );
        }
        let _ = write!(
            text,
            "# HELP splitdim_in_flight Requests in progress.\n# TYPE splitdim_in_flight gauge\n\
             splitdim_in_flight {in_flight}\n"
        );
        text
    }
}
