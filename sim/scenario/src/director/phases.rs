//! Phases, judged: each once the last request that was sent in it has its outcome, while the story
//! goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;
use squall_record::{Kind, PhaseView, Sample};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until};

use super::Director;
use super::play::Bounds;
use crate::file::Extract;
use crate::file::length::TIMEOUT_SLACK;
use crate::journal::micros;
use crate::judge::{self, Workloads};
use crate::proxy_log;
use crate::recorder::Recorder;

/// How often the judge looks whether the last requests of a phase have their outcome. Clients run on
/// other machines, so nothing can wake it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Director {
    /// Judges phases as their bounds become known.
    pub(super) async fn judge_phases(
        &self,
        mut known: UnboundedReceiver<Bounds>,
        recorder: &Recorder,
    ) -> Vec<squall_record::Phase> {
        let began = recorder.story_began();
        let offset = self.world.now().saturating_sub(began.elapsed());
        let timeouts = self.scenario.clients.iter().map(|client| client.timeout);
        let patience = timeouts.max().unwrap_or_default() + TIMEOUT_SLACK;
        let mut judged = Vec::new();
        while let Some(bounds) = known.recv().await {
            let Bounds { from, to, .. } = bounds;
            let end = began + to;
            sleep_until(end).await;
            while !recorder.is_settled(to) && end.elapsed() < patience {
                sleep(LOOK_EVERY).await;
            }
            let workloads = self.journal.workloads();
            let sources = self.sources();
            if !sources.is_empty() {
                sleep(proxy_log::SLACK).await;
                self.read_databases(&sources, &bounds, offset, recorder, &workloads);
            }
            let phase = recorder.between(from, to, |samples| {
                let phase = &self.scenario.phases[bounds.phase];
                let (from, to) = (offset + from, offset + to);
                let mut phase = judge::phase(phase, from, to, samples, &workloads);
                phase.expectations.splice(0..0, bounds.rollout);
                self.journal.with(|happenings, log| {
                    self.progress
                        .phase_ended(PhaseView::cut(&phase, samples, happenings, &log.lines));
                });
                phase
            });
            judged.push(phase);
        }
        judged
    }

    /// The clients whose databases a proxy's log tells: which proxy, and its pattern.
    fn sources(&self) -> Vec<(&str, &str, Regex)> {
        let clients = self.scenario.clients.iter();
        let sources = clients.filter_map(|client| match client.database.as_ref()? {
            Extract::Log { of, matches } => {
                let pattern = Regex::new(matches).ok()?; // read before
                Some((client.name.value.as_str(), of.as_str(), pattern))
            }
            _ => None,
        });
        sources.collect()
    }

    /// Writes the databases of a phase's requests into their samples.
    fn read_databases(
        &self,
        sources: &[(&str, &str, Regex)],
        bounds: &Bounds,
        offset: Duration,
        recorder: &Recorder,
        workloads: &Workloads,
    ) {
        let mut done: Vec<(&str, &str)> = Vec::new();
        for (_, of, pattern) in sources {
            if done.contains(&(of, pattern.as_str())) {
                continue;
            }
            done.push((of, pattern.as_str()));
            // Clients of one proxy are each other's rivals for its lines.
            let is_same = |other: &&(&str, &str, Regex)| {
                (other.1, other.2.as_str()) == (*of, pattern.as_str())
            };
            let clients = sources.iter().filter(is_same);
            let clients: BTreeSet<&str> = clients.map(|(client, ..)| *client).collect();
            let from_us = micros(offset + bounds.from);
            let sessions = self
                .journal
                .with(|_, log| proxy_log::sessions(&log.lines, from_us, of, pattern, workloads));
            let open = recorder.among(bounds.from, bounds.to, |samples, range| {
                let asks = |sample: &Sample| clients.contains(sample.client.as_str());
                proxy_log::attribute(samples, range, asks, &sessions)
            });
            if open > 0 {
                let what = format!("its log leaves open which database {open} requests had");
                let now = self.world.now();
                self.journal.happened(now, of, what, Kind::Note);
            }
        }
    }
}
