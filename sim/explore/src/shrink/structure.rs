//! What can be left out as a whole.

use std::time::Duration;

use squall_scenario::file::{Located, Phase, Scenario, Step};
use squall_scenario::judge;

use super::{Search, act, subset};
use squall_record::Breach;

pub(super) fn reduce(search: &mut Search<'_>) {
    judgements(search);
    steps(search);
    phases(search);
    clients(search);
    services(search);
    forms(search);
}

/// What is not broken, or broken beside what is searched for, says nothing in the result.
fn judgements(search: &mut Search<'_>) {
    let breach = search.goal.breach.clone();
    search.keep("judgements left out", |scenario| {
        let is_invariant = breach.phase.is_none();
        scenario
            .invariants
            .retain(|invariant| is_invariant && invariant.name() == breach.what);
        scenario.invariants.dedup(); // said twice
        for phase in &mut scenario.phases {
            let alone = |at: usize| Phase {
                expect: vec![phase.expect[at].clone()],
                ..phase.clone()
            };
            let names = (0..phase.expect.len()).map(|at| name_of(&alone(at)));
            let is_it: Vec<bool> = names.map(|name| name.as_ref() == Some(&breach)).collect();
            let mut is_it = is_it.into_iter();
            phase.expect.retain(|_| is_it.next() == Some(true));
        }
    });
}

/// What the breach of a phase's only expectation is called.
fn name_of(phase: &Phase) -> Option<Breach> {
    let judged = judge::phase(
        phase,
        Duration::ZERO,
        Duration::ZERO,
        &[],
        &judge::Workloads::default(),
    );
    let what = judged.expectations.into_iter().next()?.what;
    Some(Breach {
        what,
        phase: Some(phase.name.value.clone()),
    })
}

fn steps(search: &mut Search<'_>) {
    let all: Vec<Vec<Step>> = search.best.phases.iter().map(|p| p.steps.clone()).collect();
    let count = all.iter().map(Vec::len).sum();
    subset::needed(count, |some| {
        search.keep("steps left out", |scenario| {
            let mut number = 0..;
            for (phase, steps) in scenario.phases.iter_mut().zip(&all) {
                let numbered = steps.iter().zip(number.by_ref());
                let kept = numbered.filter(|(_, number)| some.contains(number));
                phase.steps = kept.map(|(step, _)| step.clone()).collect();
            }
        })
    });
}

fn phases(search: &mut Search<'_>) {
    let all = search.best.phases.clone();
    subset::needed(all.len(), |some| {
        search.keep("phases left out", |scenario| {
            scenario.phases = some.iter().map(|at| all[*at].clone()).collect();
        })
    });
}

fn clients(search: &mut Search<'_>) {
    let all = search.best.clients.clone();
    let phases = search.best.phases.clone();
    subset::needed(all.len(), |some| {
        search.keep("clients left out", |scenario| {
            scenario.clients = some.iter().map(|at| all[*at].clone()).collect();
            scenario.phases.clone_from(&phases);
            let clients = &scenario.clients;
            for phase in &mut scenario.phases {
                let is_there = |name: &String| clients.iter().any(|c| c.name.value == *name);
                phase.load.retain(|(name, _)| is_there(name));
                for step in &mut phase.steps {
                    act::retain_clients(&mut step.act, is_there);
                }
            }
        })
    });
}

/// One by one, since what depends on a service must go before it.
fn services(search: &mut Search<'_>) {
    for service in &search.goal.facts.services {
        let system = &search.best.system;
        if system.without.iter().any(|name| name.value == service.name) {
            continue;
        }
        let value = service.name.clone();
        let without = |scenario: &mut Scenario| {
            scenario.system.without.push(Located { line: 0, value });
            scenario.system.scale.remove(&service.name);
        };
        if !search.keep("services left out", without) {
            search.keep("services scaled to one container", |scenario| {
                let one = Located { line: 0, value: 1 };
                scenario.system.scale.insert(service.name.clone(), one);
            });
        }
    }
}

/// Fewer names in a step, one direction for two.
fn forms(search: &mut Search<'_>) {
    for (phase, step) in places(&search.best) {
        loop {
            let simpler = act::simpler(&search.best.phases[phase].steps[step].act);
            let kept = simpler.into_iter().any(|act| {
                search.keep("steps simplified", |scenario| {
                    scenario.phases[phase].steps[step].act = act;
                })
            });
            if !kept {
                break;
            }
        }
    }
}

/// Every step, by its phase and its place there.
pub(super) fn places(scenario: &Scenario) -> Vec<(usize, usize)> {
    let phases = scenario.phases.iter().enumerate();
    phases
        .flat_map(|(phase, p)| (0..p.steps.len()).map(move |step| (phase, step)))
        .collect()
}
