//! What came of many runs: counts for each scenario, and the first seed of each distinct failure.
//!
//! One machine's sweep and the merged outputs of many go through the same code.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::outcome::{Kind, Outcome, Verdict, label};

/// Why a sweep is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Every run was made.
    Complete,
    /// `--time` was over.
    Time,
    /// `--until-failure` had found one.
    Failure,
    /// Somebody ended it.
    Interrupted,
}

/// How many runs had which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub runs: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that showed nothing.
    pub unknown: u64,
    /// Those whose testbed broke.
    pub broken: u64,
    /// Those without a result in their time.
    pub hung: u64,
    /// Those whose process died.
    pub aborted: u64,
    /// Those that wanted too much memory.
    pub memory: u64,
}

impl Counts {
    /// How many had this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        let mut counts = *self;
        *counts.slot(verdict)
    }

    fn slot(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Passed => &mut self.passed,
            Verdict::Failed => &mut self.failed,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Broken => &mut self.broken,
            Verdict::Hung => &mut self.hung,
            Verdict::Aborted => &mut self.aborted,
            Verdict::Memory => &mut self.memory,
        }
    }

    fn add(&mut self, verdict: Verdict) {
        self.runs += 1;
        *self.slot(verdict) += 1;
    }
}

/// All runs of a scenario that show the same against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The scenario's name.
    pub scenario: String,
    /// Its file.
    pub file: String,
    /// Which of its variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What these runs have come to.
    pub verdict: Verdict,
    /// What the finding is about.
    pub kind: Kind,
    /// The name of the invariant or expectation, or how the testbed broke.
    pub name: String,
    /// How many runs show it.
    pub runs: u64,
    /// The lowest seed that does.
    pub first_seed: u64,
    /// Whether the seed drew the faults.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explored: bool,
    /// What was seen with that seed.
    pub text: String,
}

/// What a sweep came to. The last line of its output, and what merging gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Which part of the sweep this is: `I/N`.
    pub shard: String,
    /// How many runs this part has.
    pub planned: u64,
    /// Why it was over.
    pub ended: Ending,
    /// Real milliseconds.
    pub wall_ms: u64,
    /// Over all scenarios.
    #[serde(flatten)]
    pub counts: Counts,
    /// For each scenario, by its [`label`].
    pub scenarios: BTreeMap<String, Counts>,
    /// Each distinct failure; those of the testbed last.
    pub failures: Vec<Failure>,
}

/// What identifies a distinct failure. The kind of verdict first, so that failures of the testbed
/// come last.
type Key = (Verdict, String, bool, Kind, String);

/// What identifies a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The file of its scenario.
    pub file: String,
    /// Which of its variants.
    pub variant: Option<String>,
    /// Whether the seed drew the faults.
    pub explored: bool,
    /// The seed.
    pub seed: u64,
}

/// Counts runs as they come.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: Counts,
    scenarios: BTreeMap<String, Counts>,
    failures: BTreeMap<Key, Failure>,
    seen: BTreeSet<String>,
    hashes: BTreeMap<Run, String>,
    not_repeated: BTreeMap<Run, (String, String)>,
}

impl Tally {
    /// A tally that knows these scenarios, by their labels, before they have runs.
    pub fn new(labels: impl IntoIterator<Item = String>) -> Self {
        Self {
            scenarios: labels
                .into_iter()
                .map(|label| (label, Counts::default()))
                .collect(),
            ..Self::default()
        }
    }

    /// Counts a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.counts.add(outcome.verdict);
        let label = label(&outcome.file, outcome.variant.as_deref());
        self.scenarios
            .entry(label.clone())
            .or_default()
            .add(outcome.verdict);
        for finding in &outcome.findings {
            let key = (
                outcome.verdict,
                label.clone(),
                outcome.explored,
                finding.kind,
                finding.name.clone(),
            );
            let failure = self.failures.entry(key).or_insert_with(|| Failure {
                scenario: outcome.scenario.clone(),
                file: outcome.file.clone(),
                variant: outcome.variant.clone(),
                verdict: outcome.verdict,
                kind: finding.kind,
                name: finding.name.clone(),
                runs: 0,
                first_seed: outcome.seed,
                explored: outcome.explored,
                text: finding.text.clone(),
            });
            failure.runs += 1;
            if outcome.seed < failure.first_seed {
                failure.first_seed = outcome.seed;
                failure.text.clone_from(&finding.text);
            }
        }
    }

    /// Counts a run from somewhere else, unless the very same was counted before: shards may
    /// overlap, and a pod may have been started twice.
    pub fn merge(&mut self, outcome: &Outcome) {
        let same = Outcome {
            wall_ms: 0,
            ..outcome.clone()
        };
        let text = serde_json::to_string(&same).unwrap_or_default();
        if !self.seen.insert(text) {
            return;
        }
        self.add(outcome);
        if let Some(hash) = &outcome.trace_hash {
            let run = Run {
                file: outcome.file.clone(),
                variant: outcome.variant.clone(),
                explored: outcome.explored,
                seed: outcome.seed,
            };
            let first = self
                .hashes
                .entry(run.clone())
                .or_insert_with(|| hash.clone());
            if first != hash {
                self.not_repeated.insert(run, (first.clone(), hash.clone()));
            }
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Runs that were merged from two places and had two traces, with the hashes. Not the same build,
    /// not the same files, or a leak in the simulation.
    pub fn not_repeated(&self) -> impl Iterator<Item = (&Run, &str, &str)> {
        let runs = self.not_repeated.iter();
        runs.map(|(run, (a, b))| (run, a.as_str(), b.as_str()))
    }

    /// What it comes to.
    pub fn summary(&self, shard: String, planned: u64, ended: Ending, wall_ms: u64) -> Summary {
        Summary {
            shard,
            planned,
            ended,
            wall_ms,
            counts: self.counts,
            scenarios: self.scenarios.clone(),
            failures: self.failures.values().cloned().collect(),
        }
    }
}
