//! What is printed when a test fails: what does not hold, the report of the run, the faults as code,
//! and the command that plays the same again.

use std::fmt;

use squall_host::Diagnostics;
use squall_record::{RunRecord, Verdict};
use squall_report::text::Text;
use squall_scenario::RunError;

use crate::Fault;
use crate::seeds::ONE;

/// Why a test failed. Shown, it is all that its author needs.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The test contradicts itself, or the files that it names; nothing has run.
    #[error("this test cannot be run\n{0}")]
    Input(#[from] Diagnostics),
    /// A run failed.
    #[error("{0}")]
    Seed(Box<Failed>),
}

/// A run that failed. Shown, it ends with how to play it again.
#[derive(Debug)]
pub struct Failed {
    /// The name of the test.
    pub test: String,
    pub(crate) about: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// The record of the run, whose verdict is not `passed`; or why there is none, as a panic in a
    /// service.
    pub cause: Result<RunRecord, RunError>,
    /// What broke in it, but for what a scenario file says. After proptest's shrinking: the smallest
    /// that fails.
    pub faults: Vec<Fault>,
    /// The command that plays the same again.
    pub replay: Replay,
}

/// A command that plays a run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay(String);

impl Replay {
    /// For this seed, or for all seeds, of the test that this thread runs.
    pub(crate) fn here(seed: Option<u64>) -> Self {
        // cargo tells a test its package, and libtest gives each test a thread with its name. One
        // test alone may run on the main thread.
        let package = std::env::var("CARGO_PKG_NAME").ok();
        let thread = std::thread::current();
        Self::of(seed, package.as_deref(), thread.name())
    }

    fn of(seed: Option<u64>, package: Option<&str>, thread: Option<&str>) -> Self {
        let package = package
            .map(|name| format!(" -p {name}"))
            .unwrap_or_default();
        let filter = match thread {
            None | Some("main") => String::new(),
            Some(test) => format!(" -- --exact {test}"),
        };
        let seed = seed.map(|seed| format!("{ONE}={seed} "));
        let seed = seed.unwrap_or_default();
        Self(format!("{seed}cargo test{package}{filter}"))
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failed {
    /// The names of what does not hold, and how.
    fn broken(&self, record: &RunRecord) -> Vec<String> {
        let summary = &record.summary;
        let expectations = summary.phases.iter().flat_map(|phase| {
            let of = |one: &squall_record::Expectation| {
                format!(
                    "{} in \"{}\": expected {}, was {}",
                    one.what, phase.name, one.expected, one.actual
                )
            };
            let open = phase.expectations.iter();
            open.filter(|one| one.holds != Some(true))
                .map(of)
                .collect::<Vec<_>>()
        });
        let invariants = summary.invariants.iter();
        let invariants = invariants
            .filter(|one| one.holds != Some(true))
            .map(|one| format!("{}: {}", one.name, one.detail));
        expectations.chain(invariants).collect()
    }

    /// The report of a run, as `squall run` prints it, without colours.
    fn report(&self, record: &RunRecord) -> std::io::Result<String> {
        let mut text = Text::new(Vec::new());
        text.head(&self.test, self.about.as_deref(), self.seed)?;
        for view in record.views() {
            text.phase(&view)?;
        }
        text.summary(&record.summary, &self.replay.0)?;
        let text = String::from_utf8_lossy(&text.into_inner()).into_owned();
        Ok(anstream::adapter::strip_str(&text).to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, seed, .. } = self;
        match &self.cause {
            Ok(record) => {
                match record.summary.verdict {
                    Verdict::Failed => writeln!(f, "\"{test}\" fails with seed {seed}:")?,
                    _ => writeln!(f, "\"{test}\" shows nothing with seed {seed}:")?,
                }
                let broken = self.broken(record);
                for one in &broken {
                    writeln!(f, "  {}", one.replace('\n', "\n  "))?;
                }
                if broken.is_empty() {
                    writeln!(
                        f,
                        "  nothing is asked of it; say what must hold with `phase`, `invariant` or `check`"
                    )?;
                }
                // Writing to memory cannot fail.
                writeln!(f, "\n{}", self.report(record).unwrap_or_default())?;
            }
            Err(error) => {
                writeln!(f, "\"{test}\" breaks off with seed {seed}:\n  {error}\n")?;
            }
        }
        if !self.faults.is_empty() {
            writeln!(f, "the faults of this run:")?;
            for fault in &self.faults {
                writeln!(f, "    test.fault({fault});")?;
            }
        }
        write!(f, "replay: {}", self.replay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_names_seed_package_and_test_as_far_as_they_are_known() {
        for (package, thread, command) in [
            (
                Some("shop"),
                Some("a::b"),
                "SQUALL_SEED=7 cargo test -p shop -- --exact a::b",
            ),
            (
                Some("shop"),
                Some("main"),
                "SQUALL_SEED=7 cargo test -p shop",
            ),
            (None, None, "SQUALL_SEED=7 cargo test"),
        ] {
            assert_eq!(Replay::of(Some(7), package, thread).to_string(), command);
        }
    }
}
