//! Searches against made-up failures: what is needed is found, each step is smaller, the same
//! search ends the same.
#![allow(clippy::unwrap_used)]

#[path = "../../scenario/tests/arbitrary/mod.rs"]
mod arbitrary;

use std::ops::ControlFlow;
use std::time::Duration;

use proptest::prelude::*;
use squall_explore::shrink::{Goal, Shrunk, Size, shrink};
use squall_explore::{Breach, Facts};
use squall_fault::LinkFault;
use squall_fault::link::Loss;
use squall_scenario::Scenario;
use squall_scenario::file::{Act, Length, Located, Process, Step};

fn breach() -> Breach {
    Breach {
        what: "no-failed-request".to_owned(),
        phase: None,
    }
}

fn search(scenario: &Scenario, runs_max: u64, fails: impl Fn(&Scenario) -> bool) -> Shrunk {
    let breach = breach();
    let facts = Facts::default();
    let goal = Goal {
        breach: &breach,
        facts: &facts,
        runs_max,
    };
    let mut run = |candidate: &Scenario| match fails(candidate) {
        true => vec![breach.clone()],
        false => vec![],
    };
    let (mut runs, mut kept, mut last) = (0, 0, Size::of(scenario, &facts));
    let shrunk = shrink(scenario, &goal, &mut run, &mut |statistics| {
        runs += 1;
        assert_eq!(statistics.runs, runs);
        let kept_now: u64 = statistics.kept.values().sum();
        let is_smaller = statistics.size < last;
        assert_eq!(
            kept_now > kept,
            is_smaller,
            "what is kept is smaller, and nothing else is"
        );
        (kept, last) = (kept_now, statistics.size);
        ControlFlow::Continue(())
    });
    assert!(shrunk.statistics.runs <= runs_max);
    assert_eq!(shrunk.statistics.size, Size::of(&shrunk.scenario, &facts));
    shrunk
}

fn process(process: Process, name: &str) -> Act {
    let value = name.to_owned();
    Act::Process(process, vec![Located { line: 0, value }])
}

fn step(at_ms: u64, act: Act, lasts_ms: u64) -> Step {
    Step {
        line: 0,
        at: Duration::from_millis(at_ms),
        act,
        lasts: Some(Duration::from_millis(lasts_ms)),
    }
}

/// When the first step that does this begins and ends, from the start of the story.
fn when(scenario: &Scenario, act: &Act) -> Option<(Duration, Duration)> {
    let mut start = Duration::ZERO;
    for (phase, longest) in scenario.phases.iter().zip(scenario.at_most()) {
        for step in &phase.steps {
            let mut this = Scenario::clone(scenario);
            this.phases.truncate(1);
            this.phases[0].steps = vec![step.clone()];
            let this = arbitrary::without_lines(this);
            if this.phases[0].steps[0].act == *act {
                let from = start + step.at;
                return Some((from, from + step.lasts?));
            }
        }
        start += longest;
    }
    None
}

fn overlap_more_than(scenario: &Scenario, least: Duration) -> bool {
    let kill = when(scenario, &process(Process::Kill, "x"));
    let pause = when(scenario, &process(Process::Pause, "y"));
    match (kill, pause) {
        (Some(a), Some(b)) => a.1.min(b.1).saturating_sub(a.0.max(b.0)) > least,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn two_faults_that_overlap_are_all_that_is_left(
        scenario in arbitrary::scenario(),
        which: proptest::sample::Index,
        kill_ms in 0_u64..20_000,
        pause_ms in 0_u64..20_000,
    ) {
        let mut scenario = scenario;
        let at = which.index(scenario.phases.len());
        let phase = &mut scenario.phases[at];
        let lasts = phase.length.fixed().unwrap_or_default();
        phase.length = Length::For(lasts + Duration::from_secs(90));
        phase.steps.push(step(kill_ms, process(Process::Kill, "x"), 30_000));
        phase.steps.insert(0, step(pause_ms, process(Process::Pause, "y"), 35_300));
        let least = Duration::from_secs(2);
        prop_assume!(overlap_more_than(&scenario, least));
        let found = search(&scenario, 5_000, |candidate| overlap_more_than(candidate, least));
        let left = &found.scenario;
        prop_assert!(found.statistics.is_finished);
        prop_assert_eq!(left.phases.len(), 1);
        prop_assert_eq!(left.phases[0].steps.len(), 2);
        prop_assert!(left.clients.is_empty() && left.invariants.len() <= 1);
        prop_assert!(overlap_more_than(left, least));
        let ends = when(left, &process(Process::Kill, "x")).unwrap().1;
        prop_assert!(ends <= Duration::from_secs(4), "{:?}", ends);
        let again = search(&scenario, 5_000, |candidate| overlap_more_than(candidate, least));
        prop_assert_eq!(again.statistics, found.statistics);
        prop_assert_eq!(&again.scenario, left);
    }

    #[test]
    fn any_failure_ends_and_still_fails(
        scenario in arbitrary::scenario(),
        salt: u64,
        runs_max in 0_u64..200,
    ) {
        // As wayward as a failure can be: whether a candidate fails depends on all of its text.
        let fails = |candidate: &Scenario| {
            let text = squall_scenario::file::write::write(candidate, "");
            text.bytes().fold(salt, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)) >> 63 == 0
        };
        let found = search(&scenario, runs_max, fails);
        prop_assert!(found.statistics.kept.is_empty() || fails(&found.scenario));
        prop_assert!(found.statistics.is_finished || found.statistics.runs == runs_max);
    }
}

#[test]
fn what_is_left_is_round_and_says_only_what_fails() {
    let text = "
scenario: x
system: {compose: c.yml, scale: {a: 3}}
network: {latency: 1ms}
clients:
  - {name: load, get: 'http://x/', rate: 37/s, headers: {a: b}}
  - {name: other, get: 'http://x/', every: 1s, users: 7}
phases:
  - {phase: before, for: 9s, expect: {success: 100%}}
  - phase: faults
    for: 47s
    steps:
      - {at: 7.3s, loss: {percent: 37%, of: [a, b]}, for: 31.7s}
      - {at: 9.9s, isolate: b, for: 10s}
    expect: {success: 100%, failed: 0}
  - {phase: after, for: 9s, expect: {success: 100%}}
invariants: [no-failed-request, no-server-error]
";
    let scenario = Scenario::read("x.yaml".into(), text).unwrap();
    // Fails where at least 20 % of what comes to `a` is lost for 3 s and somebody sends.
    let found = search(&scenario, 1_000, |candidate| {
        let sends = candidate
            .clients
            .iter()
            .any(|client| client.name.value == "load");
        let steps = candidate.phases.iter().flat_map(|phase| &phase.steps);
        let mut steps = steps.filter(|step| match &step.act {
            Act::Link(links, LinkFault::Loss(Loss::Random(loss))) => {
                let mut names = links.towards.iter().flatten();
                loss.probability >= 0.2 && names.any(|name| name.value == "a")
            }
            _ => false,
        });
        sends && steps.any(|step| step.lasts >= Some(Duration::from_secs(3)))
    });
    let text = squall_scenario::file::write::write(&found.scenario, "");
    let wanted = "\
scenario: x

system:
  compose: c.yml
  scale: {a: 3}

clients:
  - name: load
    get: http://x/
    rate: 1/h

phases:
  - phase: faults
    for: 3s
    steps:
      - {loss: {percent: 20%, towards: a}, for: 3s}

invariants:
  - no-failed-request
";
    assert_eq!(text, wanted, "{:#?}", found.statistics);
}

#[test]
fn a_failure_that_faults_cause_stays_one() {
    let text = "
scenario: x
system: {compose: c.yml}
clients: [{name: load, get: 'http://x/', rate: 1/s}]
phases:
  - {phase: p, for: 10s, steps: [{kill: a, for: 1s}]}
invariants: [no-failed-request]
";
    let scenario = Scenario::read("x.yaml".into(), text).unwrap();
    // Without load, or in less than 5 s, it fails whatever happens: another failure.
    let found = search(&scenario, 1_000, |candidate| {
        let is_short = candidate.phases[0].length.fixed().unwrap() < Duration::from_secs(5);
        let is_killed = candidate.phases[0].steps.len() == 1;
        is_killed || is_short || candidate.clients.is_empty()
    });
    let left = &found.scenario;
    assert_eq!(left.phases[0].steps.len(), 1);
    assert_eq!(left.phases[0].length, Length::For(Duration::from_secs(5)));
    assert_eq!(left.clients.len(), 1);
}

#[test]
fn faults_that_follow_each_other_are_not_moved_together() {
    let text = "
scenario: x
system: {compose: c.yml}
phases:
  - {phase: p, for: 20s, steps: [{at: 2s, kill: a, for: 3s}, {at: 9s, kill: b, for: 3s}]}
invariants: [no-failed-request]
";
    let scenario = Scenario::read("x.yaml".into(), text).unwrap();
    let found = search(&scenario, 1_000, |candidate| {
        let steps = &candidate.phases[0].steps;
        let a_second = Duration::from_secs(1);
        steps.len() == 2 && steps.iter().all(|step| step.lasts >= Some(a_second))
    });
    let steps = &found.scenario.phases[0].steps;
    // One second for the first fault, and one in which its victim recovers.
    let times = (steps[0].at, steps[1].at);
    assert_eq!(times, (Duration::ZERO, Duration::from_secs(2)));
}
