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
//! The search knows no clock and no chance: the same scenario and the same answers give the same
//! result. It knows no run either; whoever calls it says how a candidate fails.

mod act;
mod numbers;
pub mod size;
mod structure;
mod subset;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use squall_scenario::Scenario;
use squall_scenario::file::write::write;

use crate::breach::Breach;
use crate::facts::Facts;
pub use size::Size;

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
        is_ended: false,
        statistics: Statistics {
            runs: 0,
            kept: BTreeMap::new(),
            size_before: size,
            size,
            is_finished: false,
        },
    };
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
    /// The texts of what was run.
    seen: BTreeSet<String>,
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
        if size >= self.statistics.size {
            return false;
        }
        let text = write(&candidate, "");
        let Ok(candidate) = Scenario::read(candidate.file.clone(), &text) else {
            return false;
        };
        if !self.seen.insert(text) {
            return false;
        }
        if self.statistics.runs >= self.goal.runs_max {
            self.is_ended = true;
            return false;
        }
        self.statistics.runs += 1;
        let fails = (self.run)(&candidate).contains(self.goal.breach);
        if fails {
            self.best = candidate;
            self.statistics.size = size;
            *self.statistics.kept.entry(what).or_default() += 1;
        }
        self.is_ended = (self.progress)(&self.statistics).is_break();
        fails
    }
}
