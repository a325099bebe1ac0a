//! What a run came to. `squall run --format json` prints a [`Summary`] and nothing else, so its
//! fields are a contract with whoever reads that output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The outcome of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// Decides everything that the scenario leaves open.
    pub seed: u64,
    /// What follows from the phases and invariants.
    pub verdict: Verdict,
    /// How long the run took for those in it.
    pub virtual_ms: u64,
    /// How long it took for us; the one figure that differs between two runs of a seed.
    pub wall_ms: u64,
    /// Events that the engine processed.
    pub events: u64,
    /// Hash of the trace of all events, in hexadecimal.
    pub trace_hash: String,
    /// In order.
    pub phases: Vec<Phase>,
    /// What must hold over the whole run.
    pub invariants: Vec<Invariant>,
}

/// What a run shows about the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation and invariant holds.
    Passed,
    /// At least one does not.
    Failed,
    /// Nothing was shown: none fails, and not all could be judged.
    Unknown,
}

impl Verdict {
    /// What a verdict must be, given every judgement of a run. `None` is a judgement that could
    /// not be made.
    pub fn of(judgements: impl IntoIterator<Item = Option<bool>>) -> Self {
        let (mut any, mut open) = (false, false);
        for judgement in judgements {
            match judgement {
                Some(false) => return Self::Failed,
                Some(true) => any = true,
                None => open = true,
            }
        }
        if any && !open {
            Self::Passed
        } else {
            Self::Unknown
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One phase: the requests that were sent in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// As the scenario calls it.
    pub name: String,
    /// Its start, in virtual milliseconds since the run began.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// How many were sent.
    pub requests: u64,
    /// How many of them were answered with 200 to 299.
    pub ok: u64,
    /// The others.
    pub failed: u64,
    /// By status, or by the kind of failure.
    pub by_status: BTreeMap<String, u64>,
    /// Successful answers by who served them.
    pub by_backend: BTreeMap<String, u64>,
    /// Successful answers by the database behind them.
    pub by_database: BTreeMap<String, u64>,
    /// Of the requests that were answered, with whatever status; `None` when none was.
    pub latency_ms: Option<Latency>,
    /// The longest time from sending a request to its answer or failure.
    pub longest_stall_ms: f64,
    /// What the scenario expects of this phase.
    pub expectations: Vec<Expectation>,
}

/// Latencies in milliseconds; percentiles by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// Nine in ten took no longer.
    pub p90: f64,
    /// 99 in 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// One expectation of a phase, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Of what: `success`, `share of backend1`.
    pub what: String,
    /// As the scenario states it.
    pub expected: String,
    /// As it was.
    pub actual: String,
    /// `None` when the phase shows nothing about it.
    pub holds: Option<bool>,
}

/// One invariant, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// As the scenario names it.
    pub name: String,
    /// `None` when the run shows nothing about it.
    pub holds: Option<bool>,
    /// The first breach, or what was seen.
    pub detail: String,
    /// What it counted, by name, for tables that compare runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, i64>,
    /// The requests that its first breach is about: their places among the samples of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blames: Vec<usize>,
}

impl Summary {
    /// The verdict that the judgements in it add up to.
    pub fn judged(&self) -> Verdict {
        let expectations = self
            .phases
            .iter()
            .flat_map(|phase| &phase.expectations)
            .map(|expectation| expectation.holds);
        let invariants = self.invariants.iter().map(|invariant| invariant.holds);
        Verdict::of(expectations.chain(invariants))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_its_judgements() {
        assert_eq!(Verdict::of([Some(true), Some(true)]), Verdict::Passed);
        assert_eq!(
            Verdict::of([Some(true), None, Some(false)]),
            Verdict::Failed
        );
        assert_eq!(Verdict::of([Some(true), None]), Verdict::Unknown);
        assert_eq!(Verdict::of([]), Verdict::Unknown);
    }

    #[test]
    fn the_json_has_the_keys_that_are_promised() {
        let summary = Summary {
            scenario: "steady".into(),
            seed: 7,
            verdict: Verdict::Passed,
            virtual_ms: 1,
            wall_ms: 1,
            events: 1,
            trace_hash: "ab".into(),
            phases: vec![Phase {
                name: "one".into(),
                from_ms: 0,
                to_ms: 1,
                requests: 0,
                ok: 0,
                failed: 0,
                by_status: BTreeMap::new(),
                by_backend: BTreeMap::new(),
                by_database: BTreeMap::new(),
                latency_ms: None,
                longest_stall_ms: 0.0,
                expectations: vec![],
            }],
            invariants: vec![],
        };
        let json = serde_json::to_value(&summary).unwrap();
        let keys: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let promised = [
            "scenario",
            "seed",
            "verdict",
            "virtual_ms",
            "wall_ms",
            "events",
            "trace_hash",
            "phases",
            "invariants",
        ];
        assert_eq!(keys, promised);
        for key in [
            "name",
            "requests",
            "ok",
            "failed",
            "by_status",
            "by_backend",
            "by_database",
            "latency_ms",
            "longest_stall_ms",
            "expectations",
        ] {
            assert!(json["phases"][0].get(key).is_some(), "{key}");
        }
        assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary);
    }
}
