//! When everything happens: the phases laid end to end, the steps among them, and for each client
//! the stretches of time in which it keeps one pace.
//!
//! All of it is known before the run, so a client needs no word from the director while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_chaos::Injection;

use crate::file::{Act, Applied, Load, Pace, Scenario};

/// When everything happens, counted from the start of the story.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Start and end of each phase.
    pub phases: Vec<(Duration, Duration)>,
    /// Steps and their undoing, in order.
    pub events: Vec<Event>,
    /// The paces of each client, in the order of the scenario's clients.
    pub stretches: Vec<Vec<Stretch>>,
    /// The end of the last phase.
    pub end: Duration,
}

/// Something that the director does.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Duration,
    /// What.
    pub deed: Deed,
    /// Whether it is done or undone.
    pub undo: bool,
    /// The same for what is done and its undoing, and for nothing else.
    pub id: usize,
}

/// What the director does.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A step of the scenario.
    Act(Act),
    /// One of the faults that the documents of a step come to.
    Inject(Injection),
}

/// A time in which a client keeps one pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// From here on.
    pub from: Duration,
    /// To here.
    pub to: Duration,
    /// How often.
    pub pace: Pace,
}

impl Timeline {
    /// The timeline of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let mut phases = Vec::new();
        let mut events = Vec::new();
        let mut changes: BTreeMap<&str, Vec<(Duration, Load)>> = BTreeMap::new();
        let mut change = |at, loads: &'_ [(String, Load)]| {
            for (name, load) in loads {
                let client = scenario.clients.iter().find(|c| c.name.value == *name);
                if let Some(client) = client {
                    let name = client.name.value.as_str();
                    changes.entry(name).or_default().push((at, *load));
                }
            }
        };
        let end: Duration = scenario.phases.iter().map(|phase| phase.lasts).sum();
        let mut id = 0;
        let mut start = Duration::ZERO;
        for phase in &scenario.phases {
            change(start, &phase.load);
            for step in &phase.steps {
                let at = start + step.at;
                let deleted = step.lasts.map(|lasts| at + lasts);
                let deeds = match &step.act {
                    Act::Chaos(applied) => injections(applied, at, deleted, end),
                    act => vec![(Deed::Act(act.clone()), at, deleted)],
                };
                for (deed, at, until) in deeds {
                    id += 1;
                    let event = |at, undo| Event {
                        at,
                        deed: deed.clone(),
                        undo,
                        id,
                    };
                    events.push(event(at, false));
                    // What outlasts the story needs no end.
                    let until = until.filter(|until| *until <= end);
                    events.extend(until.map(|until| event(until, true)));
                }
                if let Act::Load(loads) = &step.act {
                    change(at, loads);
                }
            }
            phases.push((start, start + phase.lasts));
            start += phase.lasts;
        }
        // Stable: what happens at one instant happens in the order of the file.
        events.sort_by_key(|event| event.at);
        let stretches = scenario
            .clients
            .iter()
            .map(|client| {
                let changes = changes
                    .remove(client.name.value.as_str())
                    .unwrap_or_default();
                stretches(client.pace, changes, start)
            })
            .collect();
        Self {
            phases,
            events,
            stretches,
            end: start,
        }
    }

    /// How many requests all clients together can send.
    pub fn requests_max(&self, scenario: &Scenario) -> u128 {
        let of_one = |(client, stretches): (&crate::file::Client, &Vec<Stretch>)| -> u128 {
            let users = u128::from(client.users);
            stretches
                .iter()
                .map(|stretch| {
                    let length = (stretch.to - stretch.from).as_nanos();
                    match stretch.pace {
                        Pace::Open { period } => length / period.as_nanos().max(1) + 1,
                        Pace::Closed { pause } => (length / pause.as_nanos().max(1) + 1) * users,
                    }
                })
                .sum()
        };
        scenario
            .clients
            .iter()
            .zip(&self.stretches)
            .map(of_one)
            .sum()
    }
}

/// What the documents of a step come to, with beginning and end. The plan has refused those that
/// come to too much.
fn injections(
    applied: &Applied,
    at: Duration,
    deleted: Option<Duration>,
    end: Duration,
) -> Vec<(Deed, Duration, Option<Duration>)> {
    let documents = applied.documents.iter().flatten();
    documents
        .flat_map(|document| squall_chaos::expand(document, at, deleted, end).unwrap_or_default())
        .map(|injection| {
            let (from, until) = (injection.from, injection.until);
            (Deed::Inject(injection), from, until)
        })
        .collect()
}

fn stretches(declared: Pace, mut changes: Vec<(Duration, Load)>, end: Duration) -> Vec<Stretch> {
    changes.sort_by_key(|(at, _)| *at);
    changes.push((end, Load::Off));
    let mut stretches: Vec<Stretch> = Vec::new();
    let (mut from, mut pace) = (Duration::ZERO, Some(declared));
    for (to, load) in changes {
        if let Some(pace) = pace
            && from < to
        {
            match stretches.last_mut() {
                // The same pace goes on: a phase that begins is no reason to lose the beat.
                Some(last) if last.pace == pace && last.to == from => last.to = to,
                _ => stretches.push(Stretch { from, to, pace }),
            }
        }
        from = to;
        pace = match load {
            Load::Off => None,
            Load::On => Some(declared),
            Load::Pace(pace) => Some(pace),
        };
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = "
scenario: changing load
system: {compose: docker-compose.yml}
clients:
  - {name: load, get: 'http://localhost/', rate: 10/s}
  - {name: other, get: 'http://localhost/', every: 1s, users: 3}
phases:
  - {phase: one, for: 10s, load: {other: off}}
  - phase: two
    for: 10s
    steps:
      - {at: 8s, load: {load: off}}
      - {at: 2s, pause: a, for: 11s}
      - {at: 5s, load: {load: 5/s}}
  - {phase: three, for: 10s, load: on}
";

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn phases_steps_and_paces_are_laid_end_to_end() {
        let scenario = Scenario::read("x.yaml".into(), SCENARIO).unwrap();
        let timeline = Timeline::of(&scenario);
        assert_eq!(
            timeline.phases,
            [(s(0), s(10)), (s(10), s(20)), (s(20), s(30))]
        );
        let times: Vec<(Duration, bool)> = timeline.events.iter().map(|e| (e.at, e.undo)).collect();
        assert_eq!(
            times,
            [
                (s(12), false),
                (s(15), false),
                (s(18), false),
                (s(23), true)
            ]
        );
        let open = |ms| Pace::Open {
            period: Duration::from_millis(ms),
        };
        assert_eq!(
            timeline.stretches[0],
            [
                Stretch {
                    from: s(0),
                    to: s(15),
                    pace: open(100)
                },
                Stretch {
                    from: s(15),
                    to: s(18),
                    pace: open(200)
                },
                Stretch {
                    from: s(20),
                    to: s(30),
                    pace: open(100)
                },
            ]
        );
        let closed = Pace::Closed { pause: s(1) };
        assert_eq!(
            timeline.stretches[1],
            [Stretch {
                from: s(20),
                to: s(30),
                pace: closed
            }]
        );
        assert_eq!(timeline.requests_max(&scenario), 151 + 16 + 101 + 33);
    }
}
