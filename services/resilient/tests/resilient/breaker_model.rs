//! The circuit breaker against what its documentation says of a whole history: no state machine, but the list of
//! what happened, from which each answer is worked out anew.

use std::time::Duration;

use proptest::prelude::*;
use squall_resilient::{Breaker, Open};
use tokio::time::advance;

const REST_MS: u64 = 100;

#[derive(Clone, Copy, Debug)]
enum Step {
    Enter,
    /// Ends the call so far down the list of those under way.
    End(usize, How),
    Wait(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Succeeded,
    Failed,
    Dropped,
}

/// What happened to calls that were let through.
#[derive(Clone, Copy, Debug)]
enum Event {
    Began { call: usize },
    Ended { call: usize, how: How, at_ms: u64 },
}

#[derive(Debug, PartialEq)]
enum Answer {
    Through,
    Refused { wait_ms: u64 },
}

/// What a call is answered now, after all that. It walks from one opening to the next.
fn expected(history: &[Event], threshold: usize, now_ms: u64) -> Answer {
    let mut rest = history;
    loop {
        // Closed: only the ends of calls that began here count.
        let Some((opened_ms, then)) = next_opening(rest, threshold) else {
            return Answer::Through;
        };
        rest = then;
        let mut may_probe_ms = opened_ms + REST_MS;
        loop {
            // Open: what begins next is the probe.
            let probe = rest.iter().enumerate().find_map(|(i, event)| match event {
                Event::Began { call } => Some((i, *call)),
                Event::Ended { .. } => None,
            });
            let Some((began, probe)) = probe else {
                return match may_probe_ms.saturating_sub(now_ms) {
                    0 => Answer::Through,
                    wait_ms => Answer::Refused { wait_ms },
                };
            };
            rest = &rest[began + 1..];
            let end = rest.iter().enumerate().find_map(|(i, event)| match event {
                Event::Ended { call, how, at_ms } if *call == probe => Some((i, *how, *at_ms)),
                _ => None,
            });
            let Some((ended, how, at_ms)) = end else {
                return Answer::Refused { wait_ms: 0 };
            };
            rest = &rest[ended + 1..];
            match how {
                How::Succeeded => break,
                How::Failed => may_probe_ms = at_ms + REST_MS,
                How::Dropped => may_probe_ms = at_ms,
            }
        }
    }
}

/// When it opens if it is closed at the beginning of these events, and the events after that.
fn next_opening(events: &[Event], threshold: usize) -> Option<(u64, &[Event])> {
    let mut here = Vec::new();
    let mut in_a_row = 0;
    for (i, event) in events.iter().enumerate() {
        match event {
            Event::Began { call } => here.push(*call),
            Event::Ended { call, how, at_ms } if here.contains(call) => {
                match how {
                    How::Succeeded => in_a_row = 0,
                    How::Failed => in_a_row += 1,
                    How::Dropped => {}
                }
                if in_a_row == threshold {
                    return Some((*at_ms, &events[i + 1..]));
                }
            }
            Event::Ended { .. } => {}
        }
    }
    None
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        2 => Just(How::Succeeded),
        4 => Just(How::Failed),
        1 => Just(How::Dropped),
    ];
    prop_oneof![
        4 => Just(Step::Enter),
        4 => (0..4_usize, how).prop_map(|(which, how)| Step::End(which, how)),
        2 => (0..150_u64).prop_map(Step::Wait),
    ]
}

fn run(threshold: usize, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let breaker = Breaker::new(
            u32::try_from(threshold).unwrap(),
            Duration::from_millis(REST_MS),
        );
        let (mut history, mut under_way, mut now_ms, mut calls) = (vec![], vec![], 0, 0);
        for step in steps {
            match *step {
                Step::Enter => {
                    let given = breaker.enter();
                    let seen = match &given {
                        Ok(_) => Answer::Through,
                        Err(Open { wait }) => Answer::Refused {
                            wait_ms: u64::try_from(wait.as_millis()).unwrap(),
                        },
                    };
                    assert_eq!(seen, expected(&history, threshold, now_ms), "{history:?}");
                    if let Ok(call) = given {
                        calls += 1;
                        history.push(Event::Began { call: calls });
                        under_way.push((calls, call));
                    }
                }
                Step::End(which, how) if !under_way.is_empty() => {
                    let (number, call) = under_way.remove(which % under_way.len());
                    match how {
                        How::Succeeded => call.succeeded(),
                        How::Failed => call.failed(),
                        How::Dropped => drop(call),
                    }
                    history.push(Event::Ended {
                        call: number,
                        how,
                        at_ms: now_ms,
                    });
                }
                Step::End(..) => {}
                Step::Wait(ms) => {
                    advance(Duration::from_millis(ms)).await;
                    now_ms += ms;
                }
            }
        }
        // Whatever happened: once nothing is under way and it has rested, a call goes through.
        under_way.clear();
        advance(Duration::from_millis(REST_MS)).await;
        assert!(breaker.enter().is_ok(), "{history:?}");
    });
}

proptest! {
    #[test]
    fn it_answers_as_its_history_says(
        threshold in 1..4_usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        run(threshold, &steps);
    }
}
