//! Which stretch of a run is drawn. Deliberately short: a picture of more than a few dozen requests shows nothing.

use squall_record::{Fate, RunRecord, Sample};

use super::{Bar, is_asked_for};

/// How many requests are drawn around an instant.
const REQUESTS: usize = 16;

/// A stretch that ends no earlier than it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// In microseconds since the run began.
    pub from_us: u64,
    /// The end.
    pub to_us: u64,
    /// Why this one.
    pub why: String,
}

impl Stretch {
    /// What is drawn of a run unless somebody says an instant: what the first invariant that says so blames; if
    /// there is none, the first requests. `None` if none of these clients sent a request.
    pub fn of(record: &RunRecord, clients: &[String], around_us: Option<u64>) -> Option<Self> {
        if let Some(around_us) = around_us {
            let at = super::seconds(around_us, false);
            return Self::around(record, clients, around_us, format!("around {at} s"));
        }
        let mut invariants = record.summary.invariants.iter();
        let broken = invariants.find(|one| one.holds == Some(false) && !one.blames.is_empty());
        let Some(broken) = broken else {
            let why = "no invariant blames a request; the first of them".to_owned();
            return Self::around(record, clients, 0, why);
        };
        let blamed = broken.blames.iter();
        let blamed: Vec<&Sample> = blamed.filter_map(|at| record.samples.get(*at)).collect();
        Self::with(&blamed, 4, format!("{}: {}", broken.name, broken.detail))
    }

    /// Whether any of this is to be seen.
    pub(super) fn shows(&self, bar: &Bar) -> bool {
        bar.from_us <= self.to_us && bar.to_us >= self.from_us
    }

    fn around(record: &RunRecord, clients: &[String], around_us: u64, why: String) -> Option<Self> {
        let samples = record.samples.iter();
        let mut samples: Vec<&Sample> = samples
            .filter(|sample| is_asked_for(sample, clients))
            .collect();
        samples.sort_by_key(|sample| sample.sent_us.abs_diff(around_us));
        samples.truncate(REQUESTS);
        Self::with(&samples, 20, why)
    }

    /// All of these, and the nth part of that before and after. When an unknown one was given up does not matter.
    fn with(samples: &[&Sample], part: u64, why: String) -> Option<Self> {
        let from_us = samples.iter().map(|sample| sample.sent_us).min()?;
        let ends = samples.iter().map(|sample| match sample.fate() {
            Fate::Unknown => sample.sent_us,
            _ => sample.ended_us(),
        });
        let to_us = ends.max()?;
        let more_us = (to_us - from_us) / part + 10;
        Some(Self {
            from_us: from_us.saturating_sub(more_us),
            to_us: to_us.saturating_add(more_us),
            why,
        })
    }
}
