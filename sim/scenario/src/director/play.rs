//! The parts of a story, played one after the other: clients started, steps done at their time, the
//! end of each part seen.
//!
//! Deliberately absent: judging what the clients saw; that is `phases`'.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use squall_cluster::machine::{NodeId, Signal};
use squall_host::Launch;
use squall_record::{Expectation, Invariant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep_until, timeout, timeout_at};

use super::faults::{Doing, Faults};
use super::{Director, mishap};
use crate::client;
use crate::file::Length;
use crate::file::length::TIMEOUT_SLACK;
use crate::file::write::quantity::duration;
use crate::recorder::Recorder;
use crate::timeline::{Ends, Event, Part, Timeline};

/// How long a step such as `stop` may take beyond the end of the story.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// A phase whose bounds are known, in times of the story. Its end may be still to come.
pub(super) struct Bounds {
    /// Its place in the scenario.
    pub(super) phase: usize,
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// How the rollout went, of a phase that waits for one.
    pub(super) rollout: Option<Expectation>,
}

/// A story that is being played.
pub(super) struct Play<'a> {
    pub(super) director: &'a Director,
    pub(super) recorder: &'a Recorder,
    pub(super) faults: Faults<'a>,
    /// The machines of the scenario's clients.
    pub(super) clients: &'a [NodeId],
    /// Steps that take their time.
    doing: FuturesUnordered<Doing>,
    /// What is still to be done, by its time in the story; at one instant in the order of the file.
    agenda: BTreeMap<(Duration, usize, bool), Event>,
    mishaps: Vec<Invariant>,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        director: &'a Director,
        recorder: &'a Recorder,
        faults: Faults<'a>,
        clients: &'a [NodeId],
    ) -> Self {
        Self {
            director,
            recorder,
            faults,
            clients,
            doing: FuturesUnordered::new(),
            agenda: BTreeMap::new(),
            mishaps: Vec::new(),
        }
    }

    /// Plays the whole story and says the bounds of its phases in their order; what went wrong.
    pub(super) async fn run(
        mut self,
        timeline: &Timeline,
        known: UnboundedSender<Bounds>,
    ) -> Vec<Invariant> {
        let last = timeline.parts.len().saturating_sub(1);
        for (number, part) in timeline.parts.iter().enumerate() {
            self.part(part, number == last, &known).await;
        }
        drop(known);
        let end = tokio::time::Instant::now() + STEP_TIMEOUT;
        while let Ok(Some(done)) = timeout_at(end, self.doing.next()).await {
            self.mishaps.extend(self.director.done(done));
        }
        if !self.doing.is_empty() {
            let why = format!("not done {STEP_TIMEOUT:?} after the end of the story");
            let done = self.director.done(("a step".to_owned(), Err(why)));
            self.mishaps.extend(done);
        }
        self.mishaps
    }

    async fn part(&mut self, part: &Part, is_last: bool, known: &UnboundedSender<Bounds>) {
        let from = self.now();
        for event in &part.events {
            let (at, due) = (from + event.at, from + event.due);
            let event = event.clone();
            let key = (at, event.id, event.undo);
            self.agenda.insert(key, Event { at, due, ..event });
        }
        let started = self.start_clients(part, from);
        let tell = |phase, from, to, rollout| {
            // The judge listens for as long as there are phases.
            let _ = known.send(Bounds {
                phase,
                from,
                to,
                rollout,
            });
        };
        if let Ends::On(bounds) = &part.ends {
            for (phase, (start, end)) in part.phases.clone().zip(bounds) {
                tell(phase, from + *start, from + *end, None);
            }
        }
        let end = end(self.director, part, self.recorder, from, is_last, started);
        let (rollout, silent) = self.attend(end).await;
        let to = self.now();
        if !matches!(part.ends, Ends::On(_)) {
            tell(part.phases.start, from, to, rollout);
        }
        if silent {
            let detail = "a client did not end its part of the story".to_owned();
            self.mishaps.push(mishap("clients-end", None, detail));
        }
        self.close(to);
    }

    /// Starts the clients that send something in a part; their machines.
    fn start_clients(&self, part: &Part, from: Duration) -> Vec<NodeId> {
        let began = self.recorder.story_began() + from;
        let clients = &self.director.scenario.clients;
        let mut started = Vec::new();
        for ((client, turn), node) in clients.iter().zip(&part.turns).zip(self.clients) {
            if !turn.is_empty() {
                let program = client::program(client, turn, began, self.recorder);
                self.director
                    .world
                    .start(*node, &program, &Launch::default());
                started.push(*node);
            }
        }
        started
    }

    /// Does what is to be done until something has come about.
    async fn attend<T>(&mut self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            let next = self.agenda.first_key_value().map(|((at, ..), _)| *at);
            let at = self.recorder.story_began() + next.unwrap_or_default();
            // What is waited for may depend on what is to be done now.
            let is_due = next.is_some_and(|at| at <= self.now());
            tokio::select! {
                biased;
                Some(done) = self.doing.next() => {
                    self.recorder.addresses_changed();
                    self.faults.machines_changed();
                    self.mishaps.extend(self.director.done(done));
                }
                () = sleep_until(at), if next.is_some() => self.next(),
                value = &mut until, if !is_due => return value,
            }
        }
    }

    /// Does what is first on the agenda.
    fn next(&mut self) {
        if let Some((_, event)) = self.agenda.pop_first() {
            self.recorder.addresses_changed();
            self.doing.extend(self.faults.apply(&event));
        }
    }

    /// A part has ended: steps that were to come later in it come now.
    fn close(&mut self, now: Duration) {
        for (_, event) in std::mem::take(&mut self.agenda) {
            let early = event.due.saturating_sub(now);
            let (at, due) = (event.at - early, event.due - early);
            let key = (at, event.id, event.undo);
            self.agenda.insert(key, Event { at, due, ..event });
        }
        while self
            .agenda
            .first_key_value()
            .is_some_and(|((at, ..), _)| *at <= now)
        {
            self.next();
        }
    }

    fn now(&self) -> Duration {
        self.recorder.story_began().elapsed()
    }
}

/// Ends with the part: how its rollout went, and whether a client was not heard of in time.
async fn end(
    director: &Director,
    part: &Part,
    recorder: &Recorder,
    from: Duration,
    is_last: bool,
    started: Vec<NodeId>,
) -> (Option<Expectation>, bool) {
    let began = recorder.story_began() + from;
    let longest = director
        .scenario
        .clients
        .iter()
        .map(|client| client.timeout)
        .max();
    let patience = longest.unwrap_or_default() + TIMEOUT_SLACK;
    let settled = async |patience: Duration| {
        let exits = started.iter().map(|node| director.world.exit(*node));
        timeout(patience, join_all(exits)).await.is_ok()
    };
    match &part.ends {
        Ends::On(bounds) => {
            let lasts = bounds.last().map_or(Duration::ZERO, |(_, end)| *end);
            sleep_until(began + lasts).await;
            // The last requests of the story are the judge's to wait for.
            let silent = !is_last && !settled(patience).await;
            (None, silent)
        }
        Ends::Sent(at_most) => (None, !settled(*at_most + patience).await),
        Ends::RolledOut { of, within } => {
            let done = timeout(*within, director.system.rolled_out(&of.value)).await;
            let (holds, actual) = match done {
                Ok(Ok(())) => (
                    true,
                    format!("after {:.3} s", began.elapsed().as_secs_f64()),
                ),
                Ok(Err(why)) => (false, why),
                Err(_) => (false, "not done by then".to_owned()),
            };
            let rollout = Expectation {
                what: Length::rollout_of(&of.value),
                expected: format!("within {}", duration(*within)),
                actual,
                holds: Some(holds),
            };
            for node in &started {
                director.world.signal(*node, Signal::Terminate);
            }
            (Some(rollout), !settled(patience).await)
        }
    }
}
