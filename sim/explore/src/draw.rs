//! Fault schedules drawn from a seed, within the budget that a phase of the scenario sets.
//!
//! The result is a plain scenario with steps: what is run, recorded, shrunk and written. Every
//! fault is over when its phase is, so the phases that follow can demand that all is well.
//!
//! Swarm testing (Groce et al., ISSTA 2012): each seed does without a random half of the kinds of
//! faults and of the services, and has a density of its own. Runs differ more from each other than
//! if each had a little of everything; a fault that hides another is absent from every second run.

mod fault;

use std::time::Duration;

use squall_scenario::file::explore::{Budget, Kind, matches};
use squall_scenario::file::{Phase, Scenario, Step};

use crate::facts::Facts;
use crate::random::Random;
use fault::Fault;

/// How often another fault is drawn for an instant at which the first does not fit the budget.
const TRIES: u32 = 8;

/// How far apart faults begin, in lengths of a fault: from a few to always the next.
const DENSITIES: [f64; 3] = [3.0, 1.0, 0.3];

/// Between two faults that change the same of a container: a machine that has its power back takes
/// a moment to boot, and before that there is no process to pause.
const APART: Duration = Duration::from_secs(1);

/// Faults are not closer than this part of a phase; a schedule that nobody can read helps nobody.
const FAULTS_MAX: u32 = 100;

/// The scenario with the faults that this seed draws, and without any budget.
pub fn draw(scenario: &Scenario, facts: &Facts, seed: u64) -> Scenario {
    let mut drawn = scenario.clone();
    for (number, phase) in drawn.phases.iter_mut().enumerate() {
        // A phase of unknown length has no budget: its reader has seen to that.
        if let Some(budget) = phase.explore.take()
            && let Some(lasts) = phase.length.fixed()
        {
            let mut random = Random::new(seed, &format!("faults of phase {number}"));
            let faults = schedule(&budget, lasts, facts, &mut random);
            add(phase, &faults);
        }
    }
    drawn
}

fn add(phase: &mut Phase, faults: &[Fault]) {
    let line = phase.name.line;
    phase.steps.extend(faults.iter().map(|fault| Step {
        line,
        at: fault.from,
        act: fault.act.clone(),
        lasts: fault.act.can_last().then_some(fault.to - fault.from),
    }));
    // Stable: what the file says comes before what was drawn for the same instant.
    phase.steps.sort_by_key(|step| step.at);
}

fn schedule(budget: &Budget, lasts: Duration, facts: &Facts, random: &mut Random) -> Vec<Fault> {
    let wanted = |name: &str| {
        let mut patterns = budget.services.iter();
        budget.services.is_empty() || patterns.any(|pattern| matches(&pattern.value, name))
    };
    let services: Vec<usize> = (0..facts.services.len())
        .filter(|&at| wanted(&facts.services[at].name))
        .collect();
    let services = random.swarm(&services);
    let can_befall = |kind: &Kind| *kind != Kind::PowerOff || !facts.shares_machines;
    let kinds: Vec<Kind> = budget.faults.iter().copied().filter(can_befall).collect();
    let kinds = random.swarm(&kinds);
    let (shortest, longest) = budget.last;
    let gap = (shortest + longest).mul_f64(random.choose(&DENSITIES));
    let gap = gap.max(lasts / FAULTS_MAX);
    let mut faults: Vec<Fault> = Vec::new();
    if services.is_empty() || kinds.is_empty() {
        return faults;
    }
    let mut at = Duration::ZERO;
    // The first comes early, so that a run without any is rare.
    let mut within = gap.min(lasts / 2);
    for _ in 0..2 * FAULTS_MAX {
        at = readable(at + within.mul_f64(random.fraction()));
        within = gap;
        if at + shortest > lasts {
            break;
        }
        for _ in 0..TRIES {
            let victim = &facts.services[random.choose(&services)];
            let kind = random.choose(&kinds);
            let length = match kind {
                Kind::Reset => Duration::ZERO,
                _ => length(shortest, longest, random).min(lasts - at),
            };
            let fault = fault::draw(kind, victim, facts, at, length, random);
            if fits(&fault, &faults, budget, facts) {
                faults.push(fault);
                break;
            }
        }
    }
    faults
}

/// Whether the budget has room for one more fault. Faults come in the order in which they begin,
/// so whatever overlaps the new one is still there when it begins.
fn fits(new: &Fault, others: &[Fault], budget: &Budget, facts: &Facts) -> bool {
    let present = others.iter().filter(|other| other.to >= new.from);
    if present.count() >= budget.at_once as usize {
        return false;
    }
    let mut lately = others.iter().filter(|other| other.to + APART >= new.from);
    if lately.any(|other| other.is_confused_with(new)) {
        return false;
    }
    let felt = others
        .iter()
        .filter(|other| other.to + budget.rest >= new.from);
    let felt: Vec<&Fault> = felt.chain([new]).collect();
    budget.alive.iter().all(|(pattern, wanted)| {
        let group = facts
            .services
            .iter()
            .filter(|s| matches(&pattern.value, &s.name));
        let containers = group.flat_map(|service| &service.containers);
        let well = containers.filter(|c| !felt.iter().any(|fault| fault.befalls.contains(c)));
        well.count() >= *wanted as usize
    })
}

/// Between the shortest and the longest, the short ones as likely as the long ones.
fn length(shortest: Duration, longest: Duration, random: &mut Random) -> Duration {
    let (low, high) = (shortest.as_secs_f64(), longest.as_secs_f64());
    let drawn = low * (high / low).powf(random.fraction());
    readable(Duration::from_secs_f64(drawn)).clamp(shortest, longest)
}

/// A time that people can read: two digits or three.
fn readable(time: Duration) -> Duration {
    let grain_ms = match time.as_millis() {
        0..100 => 1,
        100..1_000 => 10,
        _ => 100,
    };
    let grain = Duration::from_millis(grain_ms);
    let whole = time.as_nanos() / grain.as_nanos();
    grain * u32::try_from(whole).unwrap_or(u32::MAX)
}
