//! Schedules keep to their budget, whatever the seed: how many faults at once, who stays alive, all
//! over when the phase is. And a seed is one schedule.
#![allow(clippy::unwrap_used)]

#[path = "../../scenario/tests/arbitrary/mod.rs"]
mod arbitrary;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use squall_explore::draw;
use squall_explore::facts::{Facts, Service};
use squall_scenario::Scenario;
use squall_scenario::file::explore::{Budget, matches};
use squall_scenario::file::write::write;
use squall_scenario::file::{Act, Located};

/// A proxy, two services of one container, one service of three.
fn facts() -> Facts {
    let service = |name: &str, containers: &[&str], peers: &[&str]| Service {
        name: name.to_owned(),
        containers: containers.iter().map(|&c| c.to_owned()).collect(),
        peers: peers.iter().map(|&p| p.to_owned()).collect(),
    };
    Facts {
        services: vec![
            service("proxy", &["proxy"], &["backend", "db1", "db2"]),
            service(
                "backend",
                &["backend-1", "backend-2", "backend-3"],
                &["proxy"],
            ),
            service("db1", &["db1"], &["proxy"]),
            service("db2", &["db2"], &["proxy"]),
        ],
        shares_machines: false,
    }
}

const FILE: &str = "
scenario: exploring
system: {compose: docker-compose.yml}
phases:
  - {phase: quiet, for: 5s}
  - {phase: faults, for: 60s, explore: {}, steps: [{at: 30s, scale: {db1: 2}}]}
  - {phase: well, for: 20s}
";

fn exploring(budget: Budget) -> Scenario {
    let mut scenario = Scenario::read("x.yaml".into(), FILE).unwrap();
    scenario.phases[1].explore = Some(budget);
    scenario
}

/// A budget about the services that there are.
fn budget() -> impl Strategy<Value = Budget> {
    let pattern = || {
        prop_oneof![
            Just("*"),
            Just("db*"),
            Just("backend"),
            Just("db1"),
            Just("proxy")
        ]
    };
    let located = |value: &str| Located {
        line: 0,
        value: value.to_owned(),
    };
    let services = proptest::collection::vec(pattern().prop_map(located), 0..3);
    let alive = proptest::collection::vec((pattern().prop_map(located), 0..3_u32), 0..3);
    (arbitrary::budget(), services, alive).prop_map(|(budget, services, alive)| Budget {
        services,
        alive,
        ..budget
    })
}

struct Drawn {
    from: Duration,
    to: Duration,
    befalls: Vec<String>,
}

/// What was drawn, read from the steps alone.
fn faults(scenario: &Scenario) -> Vec<Drawn> {
    let steps = scenario.phases[1].steps.iter();
    let steps = steps.filter(|step| !matches!(step.act, Act::Scale(..)));
    steps
        .map(|step| {
            let names: Vec<&Located<String>> = match &step.act {
                Act::Process(_, names) | Act::Power(names, false) => names.iter().collect(),
                Act::Link(links, _) | Act::Reset(links) => {
                    links.from.iter().chain(&links.towards).flatten().collect()
                }
                other => panic!("no fault: {other:?}"),
            };
            let facts = facts();
            let of = |name: &str| -> Vec<String> {
                let service = facts.services.iter().find(|service| service.name == name);
                service.map_or(vec![name.to_owned()], |service| service.containers.clone())
            };
            Drawn {
                from: step.at,
                to: step.at + step.lasts.unwrap_or_default(),
                befalls: names.iter().flat_map(|name| of(&name.value)).collect(),
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn a_schedule_keeps_to_its_budget(budget in budget(), seed: u64) {
        let drawn = draw(&exploring(budget.clone()), &facts(), seed);
        let faults = faults(&drawn);
        let lasts = drawn.phases[1].length.fixed().unwrap();
        let containers = facts().services.into_iter().flat_map(|service| {
            service.containers.into_iter().map(move |container| (service.name.clone(), container))
        });
        let containers: Vec<(String, String)> = containers.collect();
        for fault in &faults {
            prop_assert!(fault.to <= lasts, "not over when the phase is");
            let length = fault.to - fault.from;
            let is_cut_short = fault.to == lasts;
            prop_assert!(length.is_zero() || is_cut_short || length >= budget.last.0);
            prop_assert!(length <= budget.last.1);
            let wanted = |name: &str| {
                budget.services.is_empty() || budget.services.iter().any(|p| matches(&p.value, name))
            };
            let is_wanted = containers.iter().any(|(service, container)| {
                wanted(service) && fault.befalls.contains(container)
            });
            prop_assert!(is_wanted, "nobody in it was to suffer");
        }
        // Something changes only where a fault begins.
        for now in faults.iter().map(|fault| fault.from) {
            let there = faults.iter().filter(|f| f.from <= now && now <= f.to).count();
            prop_assert!(there <= budget.at_once as usize, "{} at once", there);
            let felt = |f: &&Drawn| f.from <= now && now <= f.to + budget.rest;
            let felt: Vec<&String> = faults.iter().filter(felt).flat_map(|f| &f.befalls).collect();
            for (pattern, wanted) in &budget.alive {
                let well = containers.iter().filter(|(service, container)| {
                    matches(&pattern.value, service) && !felt.contains(&container)
                });
                prop_assert!(well.count() >= *wanted as usize, "{} of {}", wanted, pattern.value);
            }
        }
    }

    #[test]
    fn a_seed_is_one_schedule_which_can_be_written(budget in budget(), seed: u64) {
        let scenario = exploring(budget);
        let drawn = draw(&scenario, &facts(), seed);
        prop_assert_eq!(&drawn, &draw(&scenario, &facts(), seed));
        prop_assert!(drawn.phases.iter().all(|phase| phase.explore.is_none()));
        let again = Scenario::read("x.yaml".into(), &write(&drawn, "")).unwrap();
        prop_assert_eq!(arbitrary::without_lines(again), arbitrary::without_lines(drawn));
    }
}

#[test]
fn seeds_differ_in_kinds_and_in_services() {
    let text = FILE.replace("explore: {}", "explore: {at_once: 2}");
    let scenario = Scenario::read("x.yaml".into(), &text).unwrap();
    let mut sets = BTreeSet::new();
    let mut count = 0;
    for seed in 0..100 {
        let drawn = draw(&scenario, &facts(), seed);
        let words = drawn.phases[1].steps.iter().map(|step| match &step.act {
            Act::Process(process, _) => format!("{process:?}"),
            Act::Link(_, fault) => fault.kind().name().to_owned(),
            other => format!("{other:?}").split('(').next().unwrap().to_owned(),
        });
        let words: BTreeSet<String> = words.filter(|word| word != "Scale").collect();
        count += faults(&drawn).len();
        sets.insert(words);
    }
    assert!(sets.len() > 50, "{} sets of kinds", sets.len());
    assert!(
        (300..3000).contains(&count),
        "{count} faults in 100 schedules"
    );
}

#[test]
fn containers_that_share_machines_do_not_lose_their_power_alone() {
    let powerless = |shares_machines| {
        let facts = Facts {
            shares_machines,
            ..facts()
        };
        (0..50).all(|seed| {
            let scenario = Scenario::read("x.yaml".into(), FILE).unwrap();
            let drawn = draw(&scenario, &facts, seed);
            let mut steps = drawn.phases.iter().flat_map(|phase| &phase.steps);
            !steps.any(|step| matches!(step.act, Act::Power(..)))
        })
    };
    assert!(powerless(true));
    assert!(!powerless(false));
}
