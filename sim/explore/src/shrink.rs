//! Reduces a failing scenario to a small one that fails in the same way.
//!
//! | module | idea |
//! |---|---|
//! | [`size`] | what smaller means; every step of a search makes it smaller, so a search ends |
//! | `subset` | delta debugging: which of several things are needed |
//! | `structure` | judgements, steps, phases, clients, services: left out |
//! | `numbers` | times, rates, shares: shorter, fewer, rounder |
//! | `act` | simpler forms of what happens in a step |
//!
//! A candidate is written and read again before it runs, so what was found can be written as a file
//! that replays. A candidate that is no good scenario, or that cannot be planned, is no failure.
//!
//! A failure that faults cause must stay one: what fails without any step as well has become another
//! failure (a service was left out that the others need, say), so a candidate that fails is tried
//! without its steps, too. For the same reason there are never more faults at once than before: two
//! databases that die one after the other are not two that die together.
//!
//! The search knows no clock and no chance: the same scenario and the same answers give the same
//! result. It knows no run either; whoever calls it says how a candidate fails.

mod act;
mod numbers;
pub mod size;
mod structure;
mod subset;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use squall_scenario::Scenario;
use squall_scenario::file::write::write;

use crate::facts::Facts;
pub use size::Size;
use squall_record::Breach;

/// What is searched for, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// How the scenario fails; what is kept fails in the same way, and perhaps in others too.
    pub breach: &'a Breach,
    /// Its system.
    pub facts: &'a Facts,
    /// The most candidates that are run.
    pub runs_max: u64,
}

/// How a search went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Candidates that were run.
    pub runs: u64,
    /// Candidates that were kept, by what made them.
    pub kept: BTreeMap<&'static str, u64>,
    /// At the start.
    pub size_before: Size,
    /// Of the smallest so far.
    pub size: Size,
    /// Whether there was nothing left to try; if not, the search was ended.
    pub is_finished: bool,
}

/// The smallest scenario that was found, and how.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// It fails as the goal says.
    pub scenario: Scenario,
    /// How it was found.
    pub statistics: Statistics,
}

/// Reduces `scenario`, which must fail as the goal says. `run` runs a candidate and says all that
/// does not hold then. `progress` is told after each run and may end the search.
pub fn shrink(
    scenario: &Scenario,
    goal: &Goal<'_>,
    run: &mut dyn FnMut(&Scenario) -> Vec<Breach>,
    progress: &mut dyn FnMut(&Statistics) -> ControlFlow<()>,
) -> Shrunk {
    let size = Size::of(scenario, goal.facts);
    let mut search = Search {
        goal,
        run,
        progress,
        best: scenario.clone(),
        seen: BTreeSet::new(),
        controls: BTreeMap::new(),
        is_caused_by_steps: false,
        is_ended: false,
        statistics: Statistics {
            runs: 0,
            kept: BTreeMap::new(),
            size_before: size,
            size,
            is_finished: false,
        },
    };
    search.is_caused_by_steps = !search.fails_without_steps(scenario);
    loop {
        let before = search.statistics.size;
        structure::reduce(&mut search);
        numbers::reduce(&mut search);
        if search.is_ended || search.statistics.size == before {
            break;
        }
    }
    search.statistics.is_finished = !search.is_ended;
    Shrunk {
        scenario: search.best,
        statistics: search.statistics,
    }
}

struct Search<'a> {
    goal: &'a Goal<'a>,
    run: &'a mut dyn FnMut(&Scenario) -> Vec<Breach>,
    progress: &'a mut dyn FnMut(&Statistics) -> ControlFlow<()>,
    /// The smallest that fails.
    best: Scenario,
    /// The texts of the candidates that were run.
    seen: BTreeSet<String>,
    /// Whether these fail, by their texts: candidates without their steps.
    controls: BTreeMap<String, bool>,
    is_caused_by_steps: bool,
    is_ended: bool,
    statistics: Statistics,
}

impl Search<'_> {
    /// Keeps the best with a change, if it is smaller and still fails.
    fn keep(&mut self, what: &'static str, change: impl FnOnce(&mut Scenario)) -> bool {
        if self.is_ended {
            return false;
        }
        let mut candidate = self.best.clone();
        change(&mut candidate);
        let size = Size::of(&candidate, self.goal.facts);
        if size >= self.statistics.size || at_once(&candidate) > at_once(&self.best) {
            return false;
        }
        let text = write(&candidate, "");
        let Ok(candidate) = Scenario::read(candidate.file.clone(), &text) else {
            return false;
        };
        if !self.seen.insert(text) {
            return false;
        }
        let fails = self.fails(&candidate)
            && !(self.is_caused_by_steps && self.fails_without_steps(&candidate));
        if fails {
            self.best = candidate;
            self.statistics.size = size;
            *self.statistics.kept.entry(what).or_default() += 1;
        }
        fails
    }

    fn fails_without_steps(&mut self, scenario: &Scenario) -> bool {
        let mut control = scenario.clone();
        for phase in &mut control.phases {
            phase.steps.clear();
        }
        let text = write(&control, "");
        if let Some(fails) = self.controls.get(&text) {
            return *fails;
        }
        let fails = self.fails(&control);
        self.controls.insert(text, fails);
        fails
    }

    /// Runs a scenario, if there is a run left.
    fn fails(&mut self, scenario: &Scenario) -> bool {
        if self.is_ended || self.statistics.runs >= self.goal.runs_max {
            self.is_ended = true;
            return false;
        }
        self.statistics.runs += 1;
        let fails = (self.run)(scenario).contains(self.goal.breach);
        self.is_ended = (self.progress)(&self.statistics).is_break();
        fails
    }
}

/// For so long after its end a fault is still there: what was killed is starting.
const RECOVERY: Duration = Duration::from_secs(1);

/// The most faults that are there at the same time, of those that say how long they last.
fn at_once(scenario: &Scenario) -> usize {
    let mut start = Duration::ZERO;
    let mut faults = Vec::new();
    for (phase, longest) in scenario.phases.iter().zip(scenario.at_most()) {
        let lasting = phase
            .steps
            .iter()
            .filter_map(|step| Some((step, step.lasts?)));
        faults.extend(lasting.map(|(step, lasts)| (start + step.at, start + step.at + lasts)));
        start += longest;
    }
    let there = |at: Duration| {
        let now = faults
            .iter()
            .filter(|(from, to)| *from <= at && at < *to + RECOVERY);
        now.count()
    };
    faults
        .iter()
        .map(|(from, _)| there(*from))
        .max()
        .unwrap_or(0)
}
