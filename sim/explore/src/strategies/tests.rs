#![allow(clippy::unwrap_used)]

use proptest::strategy::ValueTree;
use proptest::test_runner::{TestError, TestRunner};

use super::*;

fn budget() -> Budget {
    Budget {
        faults_max: 8,
        down_max: 2,
        ..Budget::new(["a", "b", "c"], Duration::from_secs(20))
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(config(cases, 7))
}

/// The names that a step takes down, and from when to when.
fn down(step: &Step) -> Vec<(String, Duration, Duration)> {
    let (Act::Process(_, names) | Act::Power(names, _)) = &step.act else {
        return Vec::new();
    };
    let end = step.at + step.lasts.unwrap();
    names
        .iter()
        .map(|name| (name.value.clone(), step.at, end))
        .collect()
}

#[test]
fn a_schedule_keeps_to_its_budget() {
    let check = |steps: Vec<Step>| {
        prop_assert!(steps.len() <= 8);
        prop_assert!(steps.is_sorted_by_key(|step| step.at));
        let down: Vec<_> = steps.iter().flat_map(down).collect();
        // Whenever one goes down, few are, and not the same twice.
        for (_, from, _) in &down {
            let at_once = down.iter().filter(|(_, at, end)| at <= from && from < end);
            let mut names: Vec<&str> = at_once.map(|(name, ..)| name.as_str()).collect();
            names.sort_unstable();
            prop_assert!(names.len() <= 2, "{down:?}");
            prop_assert!(names.is_sorted_by(|one, other| one < other), "{down:?}");
        }
        for step in &steps {
            let lasts = step.lasts.unwrap();
            prop_assert!(step.at + lasts <= Duration::from_secs(20), "{step:?}");
            prop_assert!(lasts >= ms(LASTS_MIN_MS) && lasts <= Duration::from_secs(20) / 3);
            prop_assert!(step.act.can_last());
        }
        Ok(())
    };
    runner(500).run(&faults(budget()), check).unwrap();
}

#[test]
fn every_kind_is_drawn() {
    let mut runner = runner(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        for step in faults(budget()).new_tree(&mut runner).unwrap().current() {
            seen.insert(match step.act {
                Act::Process(Process::Kill, _) => FaultKind::Kill,
                Act::Process(..) => FaultKind::Pause,
                Act::Power(..) => FaultKind::PowerOff,
                Act::Link(_, LinkFault::Cut) => FaultKind::Partition,
                Act::Link(_, LinkFault::Latency(_)) => FaultKind::Latency,
                Act::Link(_, LinkFault::Loss(_)) => FaultKind::Loss,
                _ => panic!("{step:?}"),
            });
        }
    }
    assert!(seen.into_iter().eq(FaultKind::ALL));
}

/// The smallest schedule on which `fails`.
fn smallest(fails: impl Fn(&Step) -> bool) -> Vec<Step> {
    let test = |steps: Vec<Step>| {
        prop_assert!(!steps.iter().any(&fails));
        Ok(())
    };
    match runner(500).run(&faults(budget()), test) {
        Err(TestError::Fail(_, steps)) => steps,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_schedule_shrinks_to_the_one_fault_that_matters() {
    let steps = smallest(|step| matches!(step.act, Act::Power(..)));
    let expected = Step {
        line: 0,
        at: Duration::ZERO,
        act: Act::Power(vec![located("a".to_owned())], false),
        lasts: Some(ms(LASTS_MIN_MS)),
    };
    assert_eq!(steps, [expected]);
    // A bound in the middle is met to the millisecond.
    let steps = smallest(|step| {
        matches!(step.act, Act::Link(_, LinkFault::Cut))
            && step.at >= ms(4_321)
            && step.lasts >= Some(ms(765))
    });
    assert_eq!(steps.len(), 1);
    assert_eq!((steps[0].at, steps[0].lasts), (ms(4_321), Some(ms(765))));
}

#[test]
fn the_same_cases_are_drawn_again() {
    let draw = |seed| {
        let mut runner = TestRunner::new(config(1, seed));
        let strategy = (
            faults(budget()),
            load(&["http://a/"], &[Method::GET], 1..=3),
        );
        format!("{:?}", strategy.new_tree(&mut runner).unwrap().current())
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn load_shrinks_to_one_request_a_second() {
    let urls = ["http://a/", "http://b/"];
    let strategy = load(&urls, &[Method::GET, Method::PUT], 1..=3);
    let found = runner(50).run(&strategy, |_| Err(TestCaseError::fail("always")));
    let Err(TestError::Fail(_, clients)) = found else {
        panic!("{found:?}")
    };
    let [client] = clients.as_slice() else {
        panic!("{clients:?}")
    };
    let period = Duration::from_secs(1);
    assert_eq!(client.pace, Pace::Open { period });
    assert_eq!(
        (client.method.as_str(), client.url.value.host.as_str()),
        ("GET", "a")
    );
    assert_eq!(client.users, 1);
}
