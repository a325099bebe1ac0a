//! Phases, judged: each once the last request that was sent in it has its outcome, while the story
//! goes on.

use std::time::Duration;

use squall_record::PhaseView;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until};

use super::Director;
use super::play::Bounds;
use crate::file::length::TIMEOUT_SLACK;
use crate::judge;
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
}
