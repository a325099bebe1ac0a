//! How small the run that shows a defect can be made. Deliberately not how: `squall_explore::shrink`.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use squall_explore::shrink::{Goal, Size, Statistics, shrink};
use squall_explore::{Breach, Facts};
use squall_record::Verdict;
use squall_scenario::Scenario;
use squall_tests::play;

use crate::{Found, planned, with};

/// The most candidates that are run with the defect, for each defect. More would shorten the runs
/// further, and the table would take hours.
pub(crate) const RUNS_MAX: u64 = 60;

/// The size of a scenario before and after; how the table of the docs says it.
pub(crate) struct Shrunk(Statistics);

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics {
            size_before, size, ..
        } = &self.0;
        let steps = if size.steps == 1 { "step" } else { "steps" };
        let (from, to) = (size_before.steps, size.steps);
        write!(f, "{from} → {to} {steps}, ")?;
        write!(f, "{} s → {} s", seconds(size_before), seconds(size))?;
        match self.0.is_finished {
            true => f.write_str(", minimal"),
            false => Ok(()),
        }
    }
}

/// From the start of the first phase to the end of the last, to a tenth.
fn seconds(size: &Size) -> f64 {
    let story = Duration::from_nanos(u64::try_from(size.story_ns).unwrap_or(u64::MAX));
    (story.as_secs_f64() * 10.0).round() / 10.0
}

/// Reduces the run that shows a defect. What is kept fails in the same way with the defect, and the
/// system without it passes there: otherwise a load could become too much for a sound system, too.
pub(crate) fn shrunk(scenario: &Scenario, defect: &str, found: &Found) -> Shrunk {
    let seed = found.seed;
    let faulty = with(scenario, defect);
    let plan = planned(&faulty).unwrap_or_else(|problems| panic!("{problems}"));
    let record = play(&plan, seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    let breaches = Breach::all_of(&record.summary);
    let goal = Goal {
        breach: breaches.first().expect("it was found by a breach"),
        facts: &Facts::of(&plan),
        runs_max: RUNS_MAX,
    };
    let mut run = |candidate: &Scenario| {
        let breaches = breaches_of(candidate, seed);
        match breaches.contains(goal.breach) && !passes(&with(candidate, ""), seed) {
            true => Vec::new(),
            false => breaches,
        }
    };
    let mut progress = |_: &Statistics| ControlFlow::Continue(());
    let shrunk = shrink(&faulty, &goal, &mut run, &mut progress);
    assert!(breaches_of(&shrunk.scenario, seed).contains(goal.breach));
    assert!(passes(&with(&shrunk.scenario, ""), seed), "{defect}");
    Shrunk(shrunk.statistics)
}

/// What does not hold. What cannot be planned, or breaks the testbed, is no failure of the system.
fn breaches_of(scenario: &Scenario, seed: u64) -> Vec<Breach> {
    let Ok(plan) = planned(scenario) else {
        return Vec::new();
    };
    play(&plan, seed).map_or_else(|_| Vec::new(), |record| Breach::all_of(&record.summary))
}

fn passes(scenario: &Scenario, seed: u64) -> bool {
    planned(scenario).is_ok_and(|plan| {
        play(&plan, seed).is_ok_and(|record| record.summary.verdict == Verdict::Passed)
    })
}
