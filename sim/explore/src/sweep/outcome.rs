//! What came of one run: a line of JSON, whose fields are a contract with whoever reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_record::Summary;
use squall_scenario::RunError;

use crate::isolated::Ended;

/// What a child hands back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Played {
    /// A run to its end.
    Judged(Summary),
    /// The testbed broke.
    Broken {
        /// What it did: the same for every seed that breaks it in this way.
        what: String,
        /// The whole complaint, with the time.
        text: String,
    },
}

impl From<Result<Summary, RunError>> for Played {
    fn from(result: Result<Summary, RunError>) -> Self {
        match result {
            Ok(summary) => Self::Judged(summary),
            Err(error) => Self::Broken {
                text: error.to_string(),
                what: match error {
                    RunError::Broken { host, what, .. } => format!("{host} {what}"),
                    RunError::Trace { .. } => "the trace cannot be written".to_owned(),
                },
            },
        }
    }
}

/// What a run in a sweep shows, or why it shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation and invariant holds.
    Passed,
    /// At least one does not.
    Failed,
    /// Nothing was shown.
    Unknown,
    /// The testbed broke and says how.
    Broken,
    /// No result within the time for one run.
    Hung,
    /// The process was killed by a signal, or ended by itself.
    Aborted,
    /// It asked for more memory than a run may have.
    Memory,
}

impl Verdict {
    /// All of them, as summaries list them.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Failed,
        Self::Unknown,
        Self::Broken,
        Self::Hung,
        Self::Aborted,
        Self::Memory,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
            Self::Hung => "hung",
            Self::Aborted => "aborted",
            Self::Memory => "memory",
        }
    }

    /// Whether it is the testbed that failed, and nothing is known about the system.
    pub fn is_of_the_testbed(self) -> bool {
        matches!(
            self,
            Self::Broken | Self::Hung | Self::Aborted | Self::Memory
        )
    }
}

/// What speaks against a run: a judgement that does not hold, or that could not be made, or how the
/// testbed broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// The name of the invariant, the expectation with its phase, or how the testbed broke: the
    /// same for all seeds that show the same.
    pub name: String,
    /// What was seen in this run.
    pub text: String,
}

/// What a [`Finding`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An invariant of the whole run.
    Invariant,
    /// An expectation of a phase.
    Expectation,
    /// The testbed.
    Testbed,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::Expectation => "expectation",
            Self::Testbed => "testbed",
        }
    }
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// Its file, as it was named to the sweep.
    pub file: String,
    /// Which of its variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Whether the seed drew the faults.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explored: bool,
    /// What it shows.
    pub verdict: Verdict,
    /// How long the run took for those in it, if it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_ms: Option<u64>,
    /// How long it took for us, from the start of its process; the one figure that differs from
    /// sweep to sweep.
    pub wall_ms: u64,
    /// Events that the engine processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Hash of the trace of all events: that of `squall run` with this seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
    /// What speaks against it; empty when it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// What came of a run, by how its child ended and how long that took.
    pub fn of(
        scenario: &str,
        file: &str,
        seed: u64,
        ended: &Ended<Played>,
        wall: Duration,
    ) -> Self {
        let (verdict, findings) = match ended {
            Ended::Value(Played::Judged(summary)) => (judged(summary), findings(summary)),
            ended => {
                let (verdict, name, text) = without_result(ended);
                let kind = Kind::Testbed;
                (verdict, vec![Finding { kind, name, text }])
            }
        };
        let summary = match ended {
            Ended::Value(Played::Judged(summary)) => Some(summary),
            _ => None,
        };
        Self {
            scenario: scenario.to_owned(),
            file: file.to_owned(),
            variant: None,
            seed,
            explored: false,
            verdict,
            virtual_ms: summary.map(|summary| summary.virtual_ms),
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            events: summary.map(|summary| summary.events),
            trace_hash: summary.map(|summary| summary.trace_hash.clone()),
            findings,
        }
    }
}

/// What summaries call a file, or a variant of it: `web.yaml (kvstore)`.
pub fn label(file: &str, variant: Option<&str>) -> String {
    match variant {
        Some(variant) => format!("{file} ({variant})"),
        None => file.to_owned(),
    }
}

/// Whether a sweep that looks for a failure has found one.
pub(super) fn is_failure(ended: &Ended<Played>) -> bool {
    match ended {
        Ended::Value(Played::Judged(summary)) => judged(summary) == Verdict::Failed,
        _ => true,
    }
}

fn judged(summary: &Summary) -> Verdict {
    match summary.verdict {
        squall_record::Verdict::Passed => Verdict::Passed,
        squall_record::Verdict::Failed => Verdict::Failed,
        squall_record::Verdict::Unknown => Verdict::Unknown,
    }
}

/// The judgements that made the verdict.
fn findings(summary: &Summary) -> Vec<Finding> {
    let against = match summary.verdict {
        squall_record::Verdict::Passed => return Vec::new(),
        squall_record::Verdict::Failed => Some(false),
        squall_record::Verdict::Unknown => None,
    };
    let expectations = summary.phases.iter().flat_map(|phase| {
        let against = phase
            .expectations
            .iter()
            .filter(move |one| one.holds == against);
        against.map(|one| Finding {
            kind: Kind::Expectation,
            name: format!("{} in `{}`", one.what, phase.name),
            text: format!("expected {}, was {}", one.expected, one.actual),
        })
    });
    let against = summary.invariants.iter().filter(|one| one.holds == against);
    let invariants = against.map(|one| Finding {
        kind: Kind::Invariant,
        name: one.name.clone(),
        text: one.detail.clone(),
    });
    invariants.chain(expectations).collect()
}

/// The verdict, the name and the text of a run without a summary.
fn without_result(ended: &Ended<Played>) -> (Verdict, String, String) {
    let (verdict, name, said) = match ended {
        Ended::Value(Played::Judged(_)) => unreachable!("it has a summary"),
        Ended::Value(Played::Broken { what, text }) => {
            return (Verdict::Broken, what.clone(), text.clone());
        }
        Ended::Hung { after, said } => (Verdict::Hung, format!("no result within {after:?}"), said),
        Ended::TooMuchMemory { limit_bytes, said } => (
            Verdict::Memory,
            format!("needs more than {} MiB", limit_bytes >> 20),
            said,
        ),
        Ended::Aborted {
            signal: libc::SIGKILL,
            said,
        } => {
            let name = "killed by SIGKILL, not by the sweep: is the machine out of memory?";
            (Verdict::Aborted, name.to_owned(), said)
        }
        Ended::Aborted { signal, said } => (
            Verdict::Aborted,
            format!("killed by {}", signal_name(*signal)),
            said,
        ),
        Ended::Exited { status, said } => (
            Verdict::Aborted,
            format!("its process ended with status {status} and no result"),
            said,
        ),
    };
    let said = said.trim_end();
    let text = if said.is_empty() {
        name.clone()
    } else {
        format!("{name}; it said: {said}")
    };
    (verdict, name, text)
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGABRT => "SIGABRT".to_owned(),
        libc::SIGSEGV => "SIGSEGV".to_owned(),
        libc::SIGBUS => "SIGBUS".to_owned(),
        libc::SIGILL => "SIGILL".to_owned(),
        libc::SIGFPE => "SIGFPE".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ended: &Ended<Played>) -> Outcome {
        Outcome::of("s", "dir/s.yaml", 7, ended, Duration::from_millis(12))
    }

    #[test]
    fn a_run_without_a_result_says_why() {
        let said = || "memory allocation of 8 bytes failed\n".to_owned();
        let quiet = String::new;
        let cases = [
            (
                Ended::Hung {
                    after: Duration::from_secs(120),
                    said: quiet(),
                },
                Verdict::Hung,
                "no result within 120s",
            ),
            (
                Ended::TooMuchMemory {
                    limit_bytes: 1 << 30,
                    said: said(),
                },
                Verdict::Memory,
                "needs more than 1024 MiB",
            ),
            (
                Ended::Aborted {
                    signal: libc::SIGABRT,
                    said: said(),
                },
                Verdict::Aborted,
                "killed by SIGABRT",
            ),
            (
                Ended::Aborted {
                    signal: libc::SIGKILL,
                    said: quiet(),
                },
                Verdict::Aborted,
                "out of memory?",
            ),
            (
                Ended::Exited {
                    status: 101,
                    said: quiet(),
                },
                Verdict::Aborted,
                "status 101",
            ),
        ];
        for (ended, verdict, wanted) in cases {
            let outcome = of(&ended);
            assert_eq!(outcome.verdict, verdict);
            assert!(outcome.verdict.is_of_the_testbed() && is_failure(&ended));
            let [finding] = &outcome.findings[..] else {
                panic!("one")
            };
            assert!(finding.name.contains(wanted), "{finding:?}");
            assert!(finding.text.starts_with(&finding.name), "{finding:?}");
        }
    }

    #[test]
    fn a_line_has_the_keys_that_are_promised_and_no_others() {
        let ended = Ended::Value(Played::Broken {
            what: "w".into(),
            text: "t".into(),
        });
        let json = serde_json::to_string(&of(&ended)).unwrap();
        assert_eq!(
            json,
            r#"{"scenario":"s","file":"dir/s.yaml","seed":7,"verdict":"broken","wall_ms":12,"findings":[{"kind":"testbed","name":"w","text":"t"}]}"#
        );
        assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), of(&ended));
    }
}
