//! Workloads as they are asked for now, and the loop of their controllers.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::Inner;
use super::job::JobState;
use super::pods::PodId;
use super::random::{Random, template_hash};
use super::state::{NewPod, State};
use crate::kubernetes::plan::{Kind, Template, Workload};

/// A workload, and what its controller remembers of it.
pub(super) struct Owner {
    pub(super) workload: Arc<Workload>,
    /// Its name for the user: with its namespace where another has the same name.
    pub(super) shown: String,
    /// How many pods are asked for now.
    pub(super) replicas: u32,
    /// All templates that it ever had; the last place in the order of time is `current`.
    pub(super) revisions: Vec<Revision>,
    /// The one that is asked for now.
    pub(super) current: usize,
    /// The one before, which a StatefulSet's pods below its partition keep.
    pub(super) previous: usize,
    /// How often `rollout restart` was asked for.
    pub(super) restarted: u32,
    /// The image that was set, if one was.
    pub(super) image: Option<String>,
    pub(super) job: JobState,
    pub(super) progress: Progress,
    pub(super) random: Random,
}

/// A template, and (of a Deployment) the ReplicaSet that makes pods by it.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) hash: String,
    pub(super) template: Arc<Template>,
    /// `spec.replicas` of the ReplicaSet.
    pub(super) size: u32,
    image: Option<String>,
    restarted: u32,
}

/// How a Deployment's rollout gets on (`pkg/controller/deployment/progress.go`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// When it last came nearer to its end.
    pub(super) since: Instant,
    /// How near it was then: pods that are new, new and available, old.
    pub(super) reached: (u32, u32, u32),
    /// It has come to its end, and is no longer measured.
    pub(super) complete: bool,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self {
            since: Instant::now(),
            reached: (0, 0, 0),
            complete: false,
        }
    }
}

/// What a controller does when it has looked.
#[derive(Default)]
pub(super) struct Work {
    pub(super) create: Vec<NewPod>,
    pub(super) delete: Vec<PodId>,
    /// When to look again though nothing changes.
    pub(super) again: Option<Instant>,
    /// It came to an end, which others may wait for.
    pub(super) ended: bool,
}

impl Work {
    /// Looks again at this instant, or before.
    pub(super) fn again_at(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |other| other.min(at)));
    }
}

impl Owner {
    pub(super) fn all(workloads: &[Arc<Workload>], seed: u64) -> Vec<Self> {
        let of = |workload: &Arc<Workload>| {
            let same = |other: &&Arc<Workload>| other.name == workload.name;
            let shown = match workloads.iter().filter(same).count() {
                1 => workload.name.clone(),
                _ => format!("{}/{}", workload.namespace, workload.name),
            };
            Self::new(workload.clone(), shown, seed)
        };
        workloads.iter().map(of).collect()
    }

    fn new(workload: Arc<Workload>, shown: String, seed: u64) -> Self {
        let purpose = format!("names {}/{}", workload.namespace, workload.name);
        let mut owner = Self {
            replicas: workload.replicas,
            revisions: Vec::new(),
            current: 0,
            previous: 0,
            restarted: 0,
            image: None,
            job: JobState::default(),
            progress: Progress::begin(),
            random: Random::new(seed, &purpose),
            shown,
            workload,
        };
        let template = owner.workload.template.clone();
        owner.revise(template);
        owner
    }

    /// Asks for pods of another template, or of the same with a later `restartedAt`; one that was
    /// asked for before keeps its ReplicaSet.
    pub(super) fn revise(&mut self, template: Arc<Template>) {
        let same = |revision: &Revision| {
            revision.image == self.image && revision.restarted == self.restarted
        };
        let at = self.revisions.iter().position(same).unwrap_or_else(|| {
            let (workload, image) = (&self.workload, self.image.as_deref().unwrap_or(""));
            let of = format!(
                "{}/{} {image} {}",
                workload.namespace, workload.name, self.restarted
            );
            self.revisions.push(Revision {
                hash: template_hash(&of),
                template,
                size: 0,
                image: self.image.clone(),
                restarted: self.restarted,
            });
            self.revisions.len() - 1
        });
        self.previous = self.current;
        self.current = at;
        self.progress = Progress::begin();
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.workload.kind {
            Kind::Deployment(_) => "Deployment",
            Kind::StatefulSet(_) => "StatefulSet",
            Kind::Job(_) => "Job",
            Kind::Pod => "Pod",
        }
    }
}

impl State {
    /// What the controller of a workload does now.
    fn work(&mut self, owner: usize, now: Instant) -> Work {
        match self.owners[owner].workload.clone().kind {
            Kind::Deployment(rollout) => self.deployment(owner, rollout, now),
            Kind::StatefulSet(ref set) => self.stateful(owner, set, now),
            Kind::Job(job) => self.job(owner, job, now),
            Kind::Pod => Work::default(),
        }
    }
}

impl Inner {
    /// Keeps a workload's pods as they are asked for, for ever.
    pub(super) async fn govern(self: Arc<Self>, owner: usize) {
        loop {
            tokio::time::sleep(self.drawn(self.parameters.watch)).await;
            let mut change = pin!(self.changed.notified());
            change.as_mut().enable();
            match self.reconcile(owner) {
                Some(at) => drop(tokio::time::timeout_at(at, change).await),
                None => change.await,
            }
        }
    }

    fn reconcile(self: &Arc<Self>, owner: usize) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.lock();
        let work = state.work(owner, now);
        let idle = work.create.is_empty() && work.delete.is_empty() && !work.ended;
        let made: Vec<PodId> = work
            .create
            .into_iter()
            .map(|new| state.create(new, now))
            .collect();
        for id in work.delete {
            state.delete(id, None, now);
        }
        if !idle {
            self.announce(&mut state);
        }
        drop(state);
        for id in made {
            tokio::spawn(self.clone().live(id));
        }
        work.again
    }
}
