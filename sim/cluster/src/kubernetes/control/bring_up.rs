//! `kubectl apply`, and waiting for rollouts (`kubectl rollout status`).

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::owners::{Owner, Progress};
use super::pods::{Phase, Pod};
use super::state::{NewPod, State};
use super::{Error, Inner, Kube};
use crate::kubernetes::plan::Kind;

impl Kube {
    /// Applies everything; ends when all rollouts and Jobs are complete and all single pods ready.
    ///
    /// Errors: a Job that failed, a rollout past its deadline, a service that leads nowhere, or the end
    /// of `within`, naming who was not there.
    pub async fn up(&self, within: Duration) -> Result<(), Error> {
        let inner = &self.inner;
        inner.lock().check_external()?;
        let (services, owners) = {
            let state = inner.lock();
            (state.services.clone(), state.owners.len())
        };
        for (at, service) in services.into_iter().enumerate() {
            tokio::spawn(inner.clone().slice(at, service.clone()));
            tokio::spawn(inner.clone().proxy(at, service.clone()));
            tokio::spawn(inner.clone().resolve(at, service));
        }
        for owner in 0..owners {
            inner.apply(owner);
        }
        let all = async {
            for owner in 0..owners {
                inner.rolled_out(owner).await?;
            }
            Ok(())
        };
        match timeout(within, all).await {
            Ok(result) => result,
            Err(_) => Err(Error::Late {
                timeout: within,
                waiting: inner.lock().missing(0..owners),
            }),
        }
    }

    /// `kubectl rollout status`: ends when every replica is new and available; for a Job when it is
    /// complete, for a single pod when it is ready.
    pub async fn rollout_status(&self, workload: &str) -> Result<(), Error> {
        let owner = self.inner.lock().owner(workload)?;
        self.inner.rolled_out(owner).await
    }
}

impl Inner {
    fn apply(self: &std::sync::Arc<Self>, at: usize) {
        let now = Instant::now();
        let mut state = self.lock();
        let owner = &mut state.owners[at];
        owner.progress = Progress::begin();
        if !matches!(owner.workload.kind, Kind::Pod) {
            drop(state);
            tokio::spawn(self.clone().govern(at));
            return;
        }
        let new = NewPod {
            owner: at,
            name: owner.workload.name.clone(),
            hash: owner.revisions[0].hash.clone(),
            ordinal: None,
            template: owner.workload.template.clone(),
            labels: Vec::new(),
        };
        let id = state.create(new, now);
        self.announce(&mut state);
        drop(state);
        tokio::spawn(self.clone().live(id));
    }

    async fn rolled_out(&self, at: usize) -> Result<(), Error> {
        loop {
            let mut change = pin!(self.changed.notified());
            change.as_mut().enable();
            let wake = {
                let state = self.lock();
                match state.outlook(at, Instant::now()) {
                    Outlook::There => return Ok(()),
                    Outlook::Failed(error) => return Err(error),
                    Outlook::Coming(wake) => wake,
                }
            };
            // Time itself can make pods available, or a rollout late.
            match wake {
                Some(wake) => drop(timeout_at(wake, change).await),
                None => change.await,
            }
        }
    }
}

enum Outlook {
    There,
    /// Not yet; look again at this instant though nothing changes.
    Coming(Option<Instant>),
    Failed(Error),
}

impl State {
    /// How a workload's rollout is.
    fn outlook(&self, at: usize, now: Instant) -> Outlook {
        let workload = self.owners[at].workload.clone();
        let missing = self.missing(at..at + 1);
        if missing.is_empty() {
            return Outlook::There;
        }
        let mut wake = self.next_available(at, now);
        match &workload.kind {
            Kind::Deployment(rollout) => {
                let owner = &self.owners[at];
                let deadline = owner.progress.since + rollout.progress_deadline;
                if owner.progress.complete {
                    return Outlook::Coming(wake);
                }
                if now >= deadline {
                    return Outlook::Failed(Error::Progress {
                        workload: owner.shown.clone(),
                        waiting: missing,
                    });
                }
                wake = Some(wake.map_or(deadline, |wake| wake.min(deadline)));
            }
            Kind::Job(_) => {
                if let Some(Err(reason)) = &self.owners[at].job.end {
                    return Outlook::Failed(Error::JobFailed {
                        workload: self.owners[at].shown.clone(),
                        reason: reason.clone(),
                    });
                }
            }
            Kind::StatefulSet(_) | Kind::Pod => {}
        }
        Outlook::Coming(wake)
    }

    fn next_available(&self, at: usize, now: Instant) -> Option<Instant> {
        let min_ready = self.owners[at].min_ready();
        let pods = self.pods_of(at).filter_map(|pod| pod.ready);
        pods.map(|since| since + min_ready)
            .filter(|&then| then > now)
            .min()
    }

    /// Who is not there yet, and how it is.
    fn missing(&self, owners: std::ops::Range<usize>) -> Vec<String> {
        let now = Instant::now();
        owners.flat_map(|at| self.missing_of(at, now)).collect()
    }

    fn missing_of(&self, at: usize, now: Instant) -> Vec<String> {
        let owner = &self.owners[at];
        let shown = &owner.shown;
        let how = |pod: &Pod| match pod.column() {
            status if status == "Running" => "Running, not ready".to_owned(),
            status => status,
        };
        let min_ready = owner.min_ready();
        let wanted = match &owner.workload.kind {
            Kind::Job(_) if matches!(owner.job.end, Some(Ok(()))) => return Vec::new(),
            Kind::Job(job) => {
                return vec![format!(
                    "{shown} (job, {})",
                    owner.job.count(job.completions)
                )];
            }
            Kind::Pod => {
                let done = |pod: &Pod| pod.ready.is_some() || pod.phase == Phase::Succeeded;
                let missing = self.pods_of(at).filter(|pod| !done(pod));
                return missing
                    .map(|pod| format!("{shown} ({})", how(pod)))
                    .collect();
            }
            Kind::Deployment(_) | Kind::StatefulSet(_) => owner.replicas as usize,
        };
        let new = self.hash(at);
        let keeps_old = |pod: &Pod| match &owner.workload.kind {
            Kind::StatefulSet(set) => {
                set.on_delete || pod.ordinal.is_some_and(|ordinal| ordinal < set.partition)
            }
            _ => false,
        };
        let mut missing: Vec<String> = Vec::new();
        let mut there = 0;
        for pod in self.pods_of(at).filter(|pod| pod.active()) {
            if pod.hash != new && !keeps_old(pod) {
                missing.push(format!("{} (old)", pod.name));
            } else if !pod.available(min_ready, now) {
                missing.push(format!("{} ({})", pod.name, how(pod)));
            } else {
                there += 1;
            }
        }
        if missing.is_empty() && there != wanted {
            missing.push(format!("{shown} ({there} of {wanted} pods)"));
        }
        missing
    }
}

impl Owner {
    fn min_ready(&self) -> Duration {
        match &self.workload.kind {
            Kind::Deployment(rollout) => rollout.min_ready,
            Kind::StatefulSet(set) => set.min_ready,
            Kind::Job(_) | Kind::Pod => Duration::ZERO,
        }
    }
}
