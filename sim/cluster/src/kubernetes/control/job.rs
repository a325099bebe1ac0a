//! Jobs: pods that come to an end (k8s.io/kubernetes, `pkg/controller/job/job_controller.go`).
//!
//! Deliberately absent: indexed Jobs, suspension, removal after a time.

use std::time::Duration;

use tokio::time::Instant;

use super::owners::{Revision, Work};
use super::pods::{Phase, PodId};
use super::state::{NewPod, State};
use crate::kubernetes::plan::{Job, Restart};

/// Between a failure and the next pod, doubling (`DefaultJobPodFailureBackOff`,
/// `MaxJobPodFailureBackOff`).
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_LAST: Duration = Duration::from_secs(360);

/// How a Job is.
#[derive(Clone, Debug, Default)]
pub(super) struct JobState {
    began: Option<Instant>,
    /// Pods that were counted.
    counted: Vec<PodId>,
    succeeded: u32,
    failed: u32,
    last_failure: Option<Instant>,
    pub(super) end: Option<Result<(), String>>,
}

impl State {
    pub(super) fn job(&mut self, owner: usize, job: Job, now: Instant) -> Work {
        let mut work = Work::default();
        if self.owners[owner].job.end.is_some() {
            return work;
        }
        self.count_ended(owner, now);
        let active: Vec<PodId> = self
            .pods_of(owner)
            .filter(|pod| pod.active())
            .map(|pod| pod.id)
            .collect();
        let mut state = self.owners[owner].job.clone();
        let began = *state.began.get_or_insert(now);
        let deadline = job.active_deadline.map(|after| began + after);
        if state.succeeded >= job.completions {
            state.end = Some(Ok(()));
            work.delete = active;
        } else if deadline.is_some_and(|deadline| now >= deadline) {
            state.end = Some(Err("DeadlineExceeded".to_owned()));
            work.delete = active;
        } else if self.too_often(owner, job, state.failed) {
            let failed = state.failed;
            state.end = Some(Err(format!(
                "BackoffLimitExceeded after {failed} failed pods"
            )));
            work.delete = active;
        } else {
            if let Some(deadline) = deadline {
                work.again_at(deadline);
            }
            let wait = state.last_failure.map(|last| last + backoff(state.failed));
            let want = job.parallelism.min(job.completions - state.succeeded) as usize;
            match wait.filter(|&until| until > now && active.len() < want) {
                Some(until) => work.again_at(until),
                None => {
                    for _ in active.len()..want {
                        let new = self.trial(owner);
                        work.create.push(new);
                    }
                    // Too many only after an edit of the Job, which nobody can make here.
                }
            }
        }
        work.ended = state.end.is_some();
        self.owners[owner].job = state;
        work
    }

    /// A pod that is deleted before its end counts as failed, as one that failed does.
    fn count_ended(&mut self, owner: usize, now: Instant) {
        let ended: Vec<(PodId, bool)> = self
            .pods_of(owner)
            .filter(|pod| pod.finished() || pod.terminating())
            .map(|pod| (pod.id, pod.phase == Phase::Succeeded))
            .collect();
        let state = &mut self.owners[owner].job;
        for (id, good) in ended {
            if state.counted.contains(&id) {
                continue;
            }
            state.counted.push(id);
            if good {
                state.succeeded += 1;
                state.last_failure = None;
            } else {
                state.failed += 1;
                state.last_failure = Some(now);
            }
        }
    }

    /// Failed pods count against the limit, and restarts in pods that restart by themselves.
    fn too_often(&self, owner: usize, job: Job, failed: u32) -> bool {
        let restarts: u32 = self
            .pods_of(owner)
            .filter(|pod| pod.template.restart == Restart::OnFailure && pod.active())
            .map(|pod| pod.restarts())
            .sum();
        failed > job.backoff_limit || (restarts > 0 && restarts >= job.backoff_limit)
    }

    fn trial(&mut self, at: usize) -> NewPod {
        let owner = &mut self.owners[at];
        let Revision { hash, template, .. } = owner.revisions[owner.current].clone();
        let name = owner.workload.name.clone();
        NewPod {
            owner: at,
            name: format!("{name}-{}", owner.random.suffix()),
            hash,
            ordinal: None,
            template,
            labels: vec![
                ("batch.kubernetes.io/job-name", name.clone()),
                ("job-name", name),
            ],
        }
    }
}

fn backoff(failed: u32) -> Duration {
    let doublings = failed.saturating_sub(1).min(10);
    (BACKOFF_FIRST * 2_u32.pow(doublings)).min(BACKOFF_LAST)
}

impl JobState {
    /// How far it is, for the user.
    pub(super) fn count(&self, completions: u32) -> String {
        let Self {
            succeeded, failed, ..
        } = self;
        format!("{succeeded} of {completions} complete, {failed} failed")
    }
}
