//! The one who plays a scenario: brings the system up, starts the clients, does every step at its
//! time, and judges each phase once the last request that was sent in it has its outcome.
//!
//! | module | idea |
//! |---|---|
//! | `play` | the parts of the story, one after the other |
//! | `phases` | the judging of each phase, beside it |
//! | `faults`, `force`, `choose`, `pods` | what a step does |
//!
//! Deliberately absent: how any of it is done (that is [`World`]'s and [`System`]'s).

mod choose;
mod faults;
mod force;
mod phases;
mod play;
mod pods;

use std::sync::Arc;
use std::time::Duration;

use squall_cluster::machine::{Exit, NodeId};
use squall_host::Launch;
use squall_record::{Invariant, Kind, PhaseView, RunRecord, Summary, Verdict};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, timeout, timeout_at};

use crate::director::faults::Faults;
use crate::director::play::Play;
use crate::file::Scenario;
use crate::journal::Journal;
use crate::plan::Workload;
use crate::recorder::Recorder;
use crate::timeline::Timeline;
use crate::world::{System, World};

/// Is told how a run goes on while it does.
pub trait Progress: Send + Sync + 'static {
    /// All of the system has started, `at` this virtual time.
    fn system_is_up(&self, at: Duration) {
        let _ = at;
    }

    /// A phase is over and judged. Phases come in order.
    fn phase_ended(&self, view: PhaseView<'_>) {
        let _ = view;
    }
}

/// For those who do not want to be told.
impl Progress for () {}

/// How much longer than the story a workload may take, until it is held to have no end.
const WORKLOAD_PATIENCE: Duration = Duration::from_secs(600);

/// Plays one scenario, once.
pub struct Director {
    /// What is played.
    pub scenario: Arc<Scenario>,
    /// Who plays in it beside the scenario's clients.
    pub workloads: Vec<Workload>,
    /// Where.
    pub world: Arc<dyn World>,
    /// With whom.
    pub system: Arc<dyn System>,
    /// What befalls the system; the world writes into the same.
    pub journal: Arc<Journal>,
    /// Is told how it goes.
    pub progress: Arc<dyn Progress>,
    /// Whom faults befall that leave it to chance follows from it.
    pub seed: u64,
}

/// What the director saw.
#[derive(Debug)]
pub struct Told {
    scenario: Arc<Scenario>,
    phases: Vec<squall_record::Phase>,
    samples: Vec<squall_record::Sample>,
    /// Judgements of the play itself: what went wrong in it, and whether workloads came to an end.
    mishaps: Vec<Invariant>,
}

/// What only the one who ran the engine knows about a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// The seed.
    pub seed: u64,
    /// Virtual time from the start of the run to its end.
    pub virtual_time: Duration,
    /// The same on the real clock.
    pub wall_time: Duration,
    /// Events that the engine processed.
    pub events: u64,
    /// Hash of the trace, in hexadecimal.
    pub trace_hash: String,
    /// What the clocks said when the run began, since 1970.
    pub epoch: Duration,
}

impl Director {
    /// Plays the scenario to its end.
    pub async fn direct(self) -> Told {
        let timeline = Timeline::of(&self.scenario);
        let clients: Vec<NodeId> = self
            .scenario
            .clients
            .iter()
            .map(|client| &client.name.value)
            .chain(self.workloads.iter().map(|workload| &workload.name.value))
            .map(|name| self.world.add_client(name))
            .collect();
        // Links are as they normally are before anything starts.
        let faults = Faults::new(&self, &clients);
        if let Err(why) = self.bring_up().await {
            return self.told(
                vec![],
                vec![],
                vec![mishap(THE_SYSTEM_STARTS, Some(false), why)],
            );
        }
        let began = self.world.now();
        self.progress.system_is_up(began);
        let system = self.system.clone();
        let recorder = Recorder::new(began, Arc::new(move |address| system.service_at(address)));
        let (of_scenario, workloads) = clients.split_at(self.scenario.clients.len());
        for (workload, node) in self.workloads.iter().zip(workloads) {
            let program = &workload.program;
            self.world.start(*node, program, &Launch::default());
        }
        let (known, bounds) = unbounded_channel();
        let play = Play::new(&self, &recorder, faults, of_scenario);
        let (phases, mut mishaps) = futures::join!(
            self.judge_phases(bounds, &recorder),
            play.run(&timeline, known),
        );
        mishaps.extend(self.await_workloads(workloads).await);
        self.told(phases, recorder.take(), mishaps)
    }

    async fn bring_up(&self) -> Result<(), String> {
        let within = self.scenario.system.up_within;
        match timeout(within, self.system.up()).await {
            Ok(result) => result,
            Err(_) => Err(format!("the system has not started within {within:?}")),
        }
    }

    /// Waits until every workload has ended by itself: whether it did.
    async fn await_workloads(&self, nodes: &[NodeId]) -> Vec<Invariant> {
        let end = Instant::now() + WORKLOAD_PATIENCE;
        let mut judged = Vec::new();
        for (workload, node) in self.workloads.iter().zip(nodes) {
            let name = &workload.name.value;
            let (holds, detail) = match timeout_at(end, self.world.exit(*node)).await {
                Ok(Exit::Status(0)) => (true, "done".to_owned()),
                Ok(Exit::Status(_)) => (false, "it returned an error".to_owned()),
                Ok(Exit::Killed) => (false, "it was killed".to_owned()),
                Err(_) => (
                    false,
                    format!("it still runs {WORKLOAD_PATIENCE:?} after the end of the story"),
                ),
            };
            judged.push(mishap(&format!("{name} ends"), Some(holds), detail));
        }
        judged
    }

    /// What is wrong with the end of a step, if anything is.
    fn done(&self, (what, result): (String, Result<(), String>)) -> Option<Invariant> {
        let why = result.err()?;
        let text = format!("{what} failed: {why}");
        self.journal
            .happened(self.world.now(), "scenario", text, Kind::Note);
        Some(mishap("every-step-is-done", None, format!("{what}: {why}")))
    }

    fn told(
        &self,
        phases: Vec<squall_record::Phase>,
        samples: Vec<squall_record::Sample>,
        mishaps: Vec<Invariant>,
    ) -> Told {
        Told {
            scenario: self.scenario.clone(),
            phases,
            samples,
            mishaps,
        }
    }
}

/// What does not hold of a run whose system does not start.
pub(crate) const THE_SYSTEM_STARTS: &str = "the-system-starts";

fn mishap(name: &str, holds: Option<bool>, detail: String) -> Invariant {
    Invariant {
        figures: std::collections::BTreeMap::new(),
        blames: Vec::new(),
        name: name.to_owned(),
        holds,
        detail,
    }
}

impl Told {
    /// The record of the run: judges the invariants and with them the whole.
    pub fn into_record(self, measured: Measured, journal: &Journal) -> RunRecord {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let kept = journal.take();
        let mut record = RunRecord {
            summary: Summary {
                scenario: self.scenario.name.clone(),
                seed: measured.seed,
                verdict: Verdict::Unknown,
                virtual_ms: millis(measured.virtual_time),
                wall_ms: millis(measured.wall_time),
                events: measured.events,
                trace_hash: measured.trace_hash,
                phases: self.phases,
                invariants: self.mishaps,
            },
            samples: self.samples,
            happenings: kept.happenings,
            changes: kept.changes,
            log: kept.log,
            epoch_s: measured.epoch.as_secs(),
        };
        let judged = squall_check::judge(&self.scenario.invariants, &record);
        record.summary.invariants.extend(judged);
        record.summary.verdict = record.summary.judged();
        record
    }
}
