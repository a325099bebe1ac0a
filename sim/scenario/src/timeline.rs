//! When everything happens: the story in parts, the steps of each, and for each client what it sends
//! in it.
//!
//! A part is a run of phases whose lengths the file says, or one phase that ends when something is
//! done. All that a client has to know of a part is known before the part begins, so it needs no word
//! from the director while it runs; only where a part ends with something that the system does is it
//! told to stop.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use squall_chaos::Injection;

use crate::file::load::Paces;
use crate::file::{Act, Applied, Client, Length, Load, Located, Pace, Phase, Scenario, Step};

/// When everything happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// In order; each begins when the one before has ended.
    pub parts: Vec<Part>,
    /// The latest end of the last part, from the start of the story.
    pub end: Duration,
}

/// A part of the story. Times count from its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its phases, by their place in the scenario.
    pub phases: Range<usize>,
    /// When it ends.
    pub ends: Ends,
    /// Steps and their undoing, in order. Some may come in a later part.
    pub events: Vec<Event>,
    /// What each client sends, in the order of the scenario's clients.
    pub turns: Vec<Turn>,
}

/// When a part ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ends {
    /// With the last of its phases, each of which has a start and an end.
    On(Vec<(Duration, Duration)>),
    /// When each client has done its turn; at the latest after this.
    Sent(Duration),
    /// When a rollout is done.
    RolledOut {
        /// Of this target.
        of: Located<String>,
        /// At the latest after this.
        within: Duration,
    },
}

/// What a client sends in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// At these paces, and nothing between them.
    Stretches(Vec<Stretch>),
    /// So many requests in a closed loop, and a pause after each.
    Requests {
        /// All users together.
        count: u32,
        /// From an answer to the next request.
        pause: Duration,
    },
}

/// Something that the director does.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Duration,
    /// When its step is due. If the part ends before, that is the time of the step, and all that
    /// follows from it comes so much earlier.
    pub due: Duration,
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
        let lengths = scenario.at_most();
        let end = lengths.iter().sum();
        let mut left = end;
        let mut paces = Paces::new(&scenario.clients);
        let mut id = 0;
        let mut parts = Vec::new();
        for phases in cut(&scenario.phases) {
            let story = &scenario.phases[phases.clone()];
            let mut start = Duration::ZERO;
            let mut events = Vec::new();
            let mut bounds = Vec::new();
            for (phase, lasts) in story.iter().zip(&lengths[phases.clone()]) {
                for step in &phase.steps {
                    add(&mut events, step, start, left, &mut id);
                }
                bounds.push((start, start + *lasts));
                start += *lasts;
            }
            // Stable: what happens at one instant happens in the order of the file.
            events.sort_by_key(|event| event.at);
            let turns = turns(scenario, story, &bounds, &mut paces);
            let ends = match &story[0].length {
                Length::For(_) => Ends::On(bounds),
                Length::Requests(_) => Ends::Sent(start),
                Length::Rollout { of, within } => Ends::RolledOut {
                    of: of.clone(),
                    within: *within,
                },
            };
            left -= start;
            parts.push(Part {
                phases,
                ends,
                events,
                turns,
            });
        }
        Self { parts, end }
    }

    /// How many requests all clients together can send.
    pub fn requests_max(&self, scenario: &Scenario) -> u128 {
        let turns = self
            .parts
            .iter()
            .flat_map(|part| scenario.clients.iter().zip(&part.turns));
        turns
            .map(|(client, turn)| turn.requests_max(client.users))
            .sum()
    }
}

impl Turn {
    /// Whether nothing is sent.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Stretches(stretches) if stretches.is_empty())
    }

    fn requests_max(&self, users: u32) -> u128 {
        let stretches = match self {
            Self::Requests { count, .. } => return u128::from(*count),
            Self::Stretches(stretches) => stretches.iter(),
        };
        stretches
            .map(|stretch| {
                let length = (stretch.to - stretch.from).as_nanos();
                match stretch.pace {
                    Pace::Open { period } => length / period.as_nanos().max(1) + 1,
                    Pace::Closed { pause } => {
                        (length / pause.as_nanos().max(1) + 1) * u128::from(users)
                    }
                }
            })
            .sum()
    }
}

/// Phases of fixed lengths that follow each other make one part; each other phase makes one.
fn cut(phases: &[Phase]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let is_fixed = |at: usize| phases[at].length.fixed().is_some();
    for at in 0..phases.len() {
        match parts.last_mut() {
            Some(last) if is_fixed(at) && is_fixed(last.start) => last.end = at + 1,
            _ => parts.push(at..at + 1),
        }
    }
    parts
}

/// Adds what a step comes to; of what is undone after the `end` only the doing.
fn add(events: &mut Vec<Event>, step: &Step, start: Duration, end: Duration, id: &mut usize) {
    let due = start + step.at;
    let deleted = step.lasts.map(|lasts| due + lasts);
    let deeds = match &step.act {
        Act::Chaos(applied) => injections(applied, due, deleted, end),
        act => vec![(Deed::Act(act.clone()), due, deleted)],
    };
    for (deed, at, until) in deeds {
        *id += 1;
        let event = |at, undo| Event {
            at,
            due,
            deed: deed.clone(),
            undo,
            id: *id,
        };
        events.push(event(at, false));
        // What outlasts the story needs no end.
        let until = until.filter(|until| *until <= end);
        events.extend(until.map(|until| event(until, true)));
    }
}

/// What each client sends in a part with these phases.
fn turns(
    scenario: &Scenario,
    phases: &[Phase],
    bounds: &[(Duration, Duration)],
    paces: &mut Paces<'_>,
) -> Vec<Turn> {
    let before = paces.now.clone();
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
    let mut at_start = Vec::new();
    for (phase, (start, _)) in phases.iter().zip(bounds) {
        change(*start, &phase.load);
        for step in &phase.steps {
            if let Act::Load(loads) = &step.act {
                change(*start + step.at, loads);
            }
        }
        paces.enter(phase);
        at_start.clone_from(&paces.now);
        paces.leave(phase);
    }
    let end = bounds.last().map_or(Duration::ZERO, |(_, end)| *end);
    let turn = |(at, client): (usize, &Client)| match (&phases[0].length, at_start[at]) {
        (Length::Requests(count), Some(Pace::Closed { pause })) => Turn::Requests {
            count: *count,
            pause,
        },
        // The scenario's reader has seen that nobody has an open loop here.
        (Length::Requests(_), _) => Turn::Stretches(Vec::new()),
        _ => {
            let changes = changes.remove(client.name.value.as_str());
            let changes = changes.unwrap_or_default();
            Turn::Stretches(stretches(client.pace, before[at], changes, end))
        }
    };
    scenario.clients.iter().enumerate().map(turn).collect()
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

fn stretches(
    declared: Pace,
    mut pace: Option<Pace>,
    mut changes: Vec<(Duration, Load)>,
    end: Duration,
) -> Vec<Stretch> {
    changes.sort_by_key(|(at, _)| *at);
    changes.push((end, Load::Off));
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut from = Duration::ZERO;
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
        pace = load.pace(declared);
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
        let [part] = &timeline.parts[..] else {
            panic!("{timeline:?}")
        };
        let bounds = vec![(s(0), s(10)), (s(10), s(20)), (s(20), s(30))];
        assert_eq!(part.ends, Ends::On(bounds));
        let times: Vec<(Duration, bool)> = part.events.iter().map(|e| (e.at, e.undo)).collect();
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
            part.turns[0],
            Turn::Stretches(vec![
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
            ])
        );
        let closed = Pace::Closed { pause: s(1) };
        assert_eq!(
            part.turns[1],
            Turn::Stretches(vec![Stretch {
                from: s(20),
                to: s(30),
                pace: closed
            }])
        );
        assert_eq!(timeline.requests_max(&scenario), 151 + 16 + 101 + 33);
    }

    #[test]
    fn a_phase_that_ends_with_something_is_a_part_of_its_own() {
        let text = "
scenario: parts
system: {compose: docker-compose.yml}
clients:
  - {name: load, get: 'http://localhost/', every: 1s, users: 2, timeout: 4s}
  - {name: other, get: 'http://localhost/', rate: 10/s}
phases:
  - {phase: a, for: 10s, load: {other: off}}
  - {phase: b, for: 10s, steps: [{at: 5s, pause: x, for: 30s}, {at: 6s, load: {load: 2s}}]}
  - {phase: c, requests: 3, steps: [{at: 1s, kill: x}]}
  - {phase: d, wait: {rollout: x, within: 20s}, load: {other: on}}
  - {phase: e, for: 10s, steps: [{at: 1s, pause: y, for: 9s}]}
";
        let scenario = Scenario::read("x.yaml".into(), text).unwrap();
        let timeline = Timeline::of(&scenario);
        let phases: Vec<Range<usize>> = timeline.parts.iter().map(|p| p.phases.clone()).collect();
        assert_eq!(phases, [0..2, 2..3, 3..4, 4..5]);
        // Three requests, each of 4 s, one of slack, and a pause of 2 s.
        assert_eq!(timeline.parts[1].ends, Ends::Sent(s(21)));
        assert_eq!(timeline.end, s(20 + 21 + 20 + 10));
        let counted = Turn::Requests {
            count: 3,
            pause: s(2),
        };
        assert_eq!(timeline.parts[1].turns[0], counted);
        assert!(timeline.parts[1].turns[1].is_empty());
        // The pace of before goes on, and what was off is on again.
        let stretch = |to, pace| Stretch {
            from: s(0),
            to: s(to),
            pace,
        };
        let (slow, open) = (
            Pace::Closed { pause: s(2) },
            Pace::Open { period: s(1) / 10 },
        );
        for (part, to) in [(2, 20), (3, 10)] {
            let turns = &timeline.parts[part].turns;
            assert_eq!(turns[0], Turn::Stretches(vec![stretch(to, slow)]));
            assert_eq!(turns[1], Turn::Stretches(vec![stretch(to, open)]));
        }
        // Its end is in a later part.
        let events = &timeline.parts[0].events;
        let times: Vec<_> = events.iter().map(|e| (e.at, e.undo)).collect();
        assert_eq!(times, [(s(15), false), (s(16), false), (s(45), true)]);
        let ids = |part: usize| timeline.parts[part].events.iter().map(|event| event.id);
        assert!(ids(0).max() < ids(1).min() && ids(1).max() < ids(3).min());
        let requests = (34 + 6) + 3 + (22 + 201) + (12 + 101);
        assert_eq!(timeline.requests_max(&scenario), requests);
    }
}
