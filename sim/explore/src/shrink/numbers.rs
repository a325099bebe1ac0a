//! Times, rates and shares: shorter, fewer, rounder.

use std::time::Duration;

use squall_scenario::file::link::network;
use squall_scenario::file::{Client, Length, Load, Pace, Scenario};

use super::{Search, act, structure};

/// No fault is made shorter than this: `docker kill` has not even returned by then.
const FAULT_MIN: Duration = Duration::from_millis(100);

pub(super) fn reduce(search: &mut Search<'_>) {
    together(search);
    for phase in 0..search.best.phases.len() {
        descend(
            search,
            "phases shortened",
            |scenario| scenario.phases[phase].length.fixed(),
            |scenario, lasts| scenario.phases[phase].length = Length::For(lasts),
        );
        fewer_requests(search, phase);
        search.keep("load as declared", |scenario| {
            scenario.phases[phase].load.clear()
        });
    }
    clients(search);
    for (phase, step) in structure::places(&search.best) {
        descend(
            search,
            "faults shortened",
            |scenario| scenario.phases[phase].steps[step].lasts,
            |scenario, lasts| {
                if lasts >= FAULT_MIN {
                    scenario.phases[phase].steps[step].lasts = Some(lasts);
                }
            },
        );
        descend(
            search,
            "steps moved forward",
            |scenario| Some(scenario.phases[phase].steps[step].at),
            |scenario, at| scenario.phases[phase].steps[step].at = at,
        );
        weaken(search, phase, step);
    }
    search.keep("usual network", |scenario| {
        scenario.network = network();
        scenario.links.clear();
    });
}

/// Lowers the number of requests with which a phase ends.
fn fewer_requests(search: &mut Search<'_>, phase: usize) {
    while let Length::Requests(count) = search.best.phases[phase].length {
        let fewer = [count / 10, count / 4, count / 2, count * 3 / 4, count - 1];
        let fewer: Vec<u32> = fewer
            .into_iter()
            .filter(|fewer| (1..count).contains(fewer))
            .collect();
        let kept = fewer.into_iter().any(|fewer| {
            search.keep("phases shortened", |scenario| {
                scenario.phases[phase].length = Length::Requests(fewer);
            })
        });
        if !kept {
            break;
        }
    }
}

/// Moves all steps of a phase forward by the same time, which leaves their order and overlaps.
fn together(search: &mut Search<'_>) {
    let first = |scenario: &Scenario, phase: usize| {
        scenario.phases[phase]
            .steps
            .iter()
            .map(|step| step.at)
            .min()
    };
    for phase in 0..search.best.phases.len() {
        descend(
            search,
            "steps moved forward",
            |scenario| first(scenario, phase),
            |scenario, at| {
                let by = first(scenario, phase).unwrap_or_default() - at;
                for step in &mut scenario.phases[phase].steps {
                    step.at -= by;
                }
            },
        );
    }
}

fn weaken(search: &mut Search<'_>, phase: usize, step: usize) {
    loop {
        let weaker = act::weaker(&search.best.phases[phase].steps[step].act);
        let kept = weaker.into_iter().any(|act| {
            search.keep("faults weakened", |scenario| {
                scenario.phases[phase].steps[step].act = act;
            })
        });
        if !kept {
            break;
        }
    }
}

fn clients(search: &mut Search<'_>) {
    for at in 0..search.best.clients.len() {
        let mut change = |change: fn(&mut Client)| {
            search.keep("clients simplified", |scenario| {
                change(&mut scenario.clients[at])
            });
        };
        change(|client| {
            client.headers.clear();
            client.forget_unused_draws();
        });
        change(|client| {
            client.body.clear();
            client.forget_unused_draws();
        });
        change(|client| client.keep_alive = false);
        change(|client| client.keep_body = false);
        change(|client| client.backend = None);
        change(|client| client.database = None);
        change(|client| client.users = 1);
        change(|client| client.users = client.users.div_ceil(2));
        loop {
            let slower = slower(search.best.clients[at].pace);
            let kept = slower.into_iter().any(|pace| {
                search.keep("load lowered", |scenario| scenario.clients[at].pace = pace)
            });
            if !kept {
                break;
            }
        }
    }
    for phase in 0..search.best.phases.len() {
        for at in 0..search.best.phases[phase].load.len() {
            let Load::Pace(pace) = search.best.phases[phase].load[at].1 else {
                continue;
            };
            let _ = slower(pace).into_iter().any(|pace| {
                search.keep("load lowered", |scenario| {
                    scenario.phases[phase].load[at].1 = Load::Pace(pace);
                })
            });
        }
    }
}

/// Makes a time as short as it can be.
fn descend(
    search: &mut Search<'_>,
    what: &'static str,
    get: impl Fn(&Scenario) -> Option<Duration>,
    set: impl Fn(&mut Scenario, Duration),
) {
    while let Some(time) = get(&search.best) {
        let kept = shorter(time)
            .into_iter()
            .any(|time| search.keep(what, |scenario| set(scenario, time)));
        if !kept {
            break;
        }
    }
}

/// Shorter times, the shortest first, all of them round: a tenth to nine tenths, and with fewer
/// digits.
pub(super) fn shorter(time: Duration) -> Vec<Duration> {
    let ns = time.as_nanos();
    let parts = [0, 10, 25, 50, 75, 90].map(|percent| rounded(ns * percent / 100, 2));
    let mut all: Vec<u128> = parts
        .into_iter()
        .chain([rounded(ns, 1), rounded(ns, 2)])
        .collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|less| *less < ns);
    let nanos = |ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
    all.into_iter().map(nanos).collect()
}

/// With so many digits, and zeros after them.
fn rounded(number: u128, digits: u32) -> u128 {
    let length = number.checked_ilog10().map_or(0, |log| log + 1);
    let grain = 10_u128.pow(length.saturating_sub(digits));
    number / grain * grain
}

/// Slower paces, the slowest first.
fn slower(pace: Pace) -> Vec<Pace> {
    match pace {
        Pace::Open { period } => {
            let per_hour = 3_600_000_000_000 / period.as_nanos().max(1);
            let second = 3600;
            let fewer = [10, 25, 50, 75, 90].map(|percent| {
                let per_hour = per_hour * percent / 100;
                // Whole requests in a second, where it is more than one.
                match per_hour / second {
                    0 => rounded(per_hour, 1),
                    per_second => rounded(per_second, 1) * second,
                }
            });
            let periods = fewer.into_iter().filter(|per_hour| *per_hour > 0);
            let periods = periods.map(|per_hour| (3_600_000_000_000.0 / per_hour as f64).round());
            let mut periods: Vec<u64> = periods.map(|ns| ns as u64).collect();
            periods.dedup();
            let open = |ns| Pace::Open {
                period: Duration::from_nanos(ns),
            };
            periods.into_iter().map(open).collect()
        }
        Pace::Closed { pause } => [10, 4, 2]
            .map(|factor| rounded(pause.as_nanos() * factor, 1))
            .into_iter()
            .filter(|ns| *ns > pause.as_nanos())
            .map(|ns| Pace::Closed {
                pause: Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)),
            })
            .collect(),
    }
}
