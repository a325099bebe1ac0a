//! A pod as the API server has it: where it is, how its containers are, whether it is ready.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::kubernetes::plan::{Container, Template};
use crate::machine::NodeId;

/// A pod, for as long as there is anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PodId(pub(super) u64);

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Some container never ran.
    Pending,
    /// All containers were made.
    Running,
    /// All ended well and none will be started again.
    Succeeded,
    /// All ended, some badly, and none will be started again.
    Failed,
}

/// A request to delete a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deletion {
    pub(super) at: Instant,
    pub(super) grace: Duration,
}

/// How a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// For its turn, its image, its process.
    Waiting,
    Running,
    /// Its process was taken away and nothing put in its place.
    Hollow,
    /// It waits for its next start; its last status.
    BackOff(i32),
    /// It ended and is about to be started again, or never.
    Ended(i32),
}

#[derive(Clone, Debug)]
pub(super) struct ContainerState {
    /// Its machine, when it has one of its own.
    pub(super) machine: Option<NodeId>,
    pub(super) is: Is,
    /// There is a process to be signalled.
    pub(super) process: bool,
    /// It has passed its startup probe.
    pub(super) started: bool,
    /// What its readiness probe says.
    pub(super) ready: bool,
    /// It will not be started again.
    pub(super) over: bool,
    pub(super) restarts: u32,
}

impl ContainerState {
    fn new() -> Self {
        Self {
            machine: None,
            is: Is::Waiting,
            process: false,
            started: false,
            ready: false,
            over: false,
            restarts: 0,
        }
    }

    /// As before its first start, but for the number of restarts.
    pub(super) fn reset(&mut self) {
        if self.is != Is::Waiting {
            self.restarts += 1;
        }
        *self = Self {
            machine: self.machine,
            restarts: self.restarts,
            ..Self::new()
        };
    }
}

pub(super) struct Pod {
    pub(super) id: PodId,
    pub(super) name: String,
    pub(super) namespace: String,
    /// Its workload's place among them.
    pub(super) owner: usize,
    /// Which template it was made by.
    pub(super) hash: String,
    /// Its number in a StatefulSet.
    pub(super) ordinal: Option<u32>,
    pub(super) template: Arc<Template>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) uid: String,
    pub(super) created: Instant,
    pub(super) node: Option<usize>,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) machine: Option<NodeId>,
    /// Of `template.init`, then of `template.containers`.
    pub(super) containers: Vec<ContainerState>,
    pub(super) phase: Phase,
    /// Since when all containers are ready.
    pub(super) ready: Option<Instant>,
    pub(super) deletion: Option<Deletion>,
    /// The object is no more; what still runs is the kubelet's.
    pub(super) gone: bool,
    /// Its processes are taken away and stay away.
    pub(super) hollow: bool,
    /// Its node is held to be lost.
    pub(super) lost: bool,
}

impl Pod {
    pub(super) fn with_containers(template: &Template) -> Vec<ContainerState> {
        let count = template.init.len() + template.containers.len();
        (0..count).map(|_| ContainerState::new()).collect()
    }

    /// A container of the template, counted as in `containers`.
    pub(super) fn container(&self, index: usize) -> &Container {
        let init = self.template.init.len();
        match index.checked_sub(init) {
            None => &self.template.init[index],
            Some(index) => &self.template.containers[index],
        }
    }

    /// Where the containers that are not init containers begin.
    pub(super) fn mains(&self) -> std::ops::Range<usize> {
        self.template.init.len()..self.containers.len()
    }

    pub(super) fn terminating(&self) -> bool {
        self.deletion.is_some()
    }

    pub(super) fn finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// What a ReplicaSet counts (`controller.IsPodActive`).
    pub(super) fn active(&self) -> bool {
        !self.terminating() && !self.finished() && !self.gone
    }

    pub(super) fn available(&self, min_ready: Duration, now: Instant) -> bool {
        self.active() && self.ready.is_some_and(|since| since + min_ready <= now)
    }

    pub(super) fn restarts(&self) -> u32 {
        self.containers
            .iter()
            .map(|container| container.restarts)
            .sum()
    }

    /// Whether a container may start: all init containers before it are done, or run beside.
    pub(super) fn may_start(&self, index: usize) -> bool {
        let before = self
            .containers
            .iter()
            .take(index.min(self.template.init.len()));
        before.zip(&self.template.init).all(|(state, init)| {
            if init.sidecar {
                state.started
            } else {
                state.over && state.is == Is::Ended(0)
            }
        })
    }

    /// Whether an init container ended badly and will not be started again.
    pub(super) fn init_failed(&self) -> bool {
        let mut inits = self.containers.iter().zip(&self.template.init);
        inits.any(|(state, init)| !init.sidecar && state.over && state.is != Is::Ended(0))
    }

    /// Sees to what follows from the states of containers: phase and readiness.
    pub(super) fn settle(&mut self, now: Instant) {
        let mains = self.mains();
        let begun = self.containers[mains.clone()]
            .iter()
            .all(|state| state.is != Is::Waiting || state.restarts > 0);
        if begun && self.phase == Phase::Pending {
            self.phase = Phase::Running;
        }
        let ready = self.phase == Phase::Running
            && !self.lost
            && (0..self.containers.len()).all(|index| {
                let needed = mains.contains(&index) || self.container(index).sidecar;
                let state = &self.containers[index];
                let runs = matches!(state.is, Is::Running | Is::Hollow);
                !needed || (runs && state.started && state.ready)
            });
        self.ready = match (ready, self.ready) {
            (false, _) => None,
            (true, None) => Some(now),
            (true, since) => since,
        };
    }

    /// The column STATUS (k8s.io/kubernetes, `pkg/printers/internalversion`).
    pub(super) fn column(&self) -> String {
        if self.terminating() {
            return "Terminating".into();
        }
        match self.phase {
            Phase::Succeeded => return "Completed".into(),
            Phase::Failed => return "Error".into(),
            Phase::Running | Phase::Pending => {}
        }
        if self.node.is_none() {
            return "Pending".into();
        }
        let word = |state: &ContainerState| match state.is {
            Is::BackOff(_) => Some("CrashLoopBackOff"),
            Is::Ended(0) => Some("Completed"),
            Is::Ended(_) => Some("Error"),
            Is::Waiting | Is::Running | Is::Hollow => None,
        };
        let mains = self.mains();
        let done = |index: usize| {
            let state = &self.containers[index];
            match self.container(index).sidecar {
                true => state.started,
                false => state.over && state.is == Is::Ended(0),
            }
        };
        if let Some(at) = (0..mains.start).find(|&index| !done(index)) {
            return match word(&self.containers[at]) {
                Some(word) => format!("Init:{word}"),
                None => format!("Init:{at}/{}", mains.start),
            };
        }
        let main = &self.containers[mains.clone()];
        if let Some(word) = main.iter().find_map(word) {
            return word.into();
        }
        match main.iter().any(|state| state.is == Is::Waiting) {
            false => "Running".into(),
            true if mains.start > 0 => "PodInitializing".into(),
            true => "ContainerCreating".into(),
        }
    }
}
