//! One container: start, end, and start again by the pod's policy and the kubelet's back-off.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::Instant;

use super::Inner;
use super::pods::{Is, Pod, PodId};
use super::probes::STATUS_KILLED;
use crate::kubernetes::plan::Restart;
use crate::machine::{Exit, NodeId, Signal};

/// The kubelet's back-off (k8s.io/kubernetes, `pkg/kubelet`: `backOffPeriod`, `MaxContainerBackOff`):
/// none before the first restart, then doubling from the first to the last, and forgotten when a
/// container ran for twice the last.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_LAST: Duration = Duration::from_secs(300);
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(600);

/// The status of a container that could not be made (containerd's, for a process that cannot start).
const STATUS_NOT_STARTED: i32 = 128;

/// What happened to a container that ran.
enum Ended {
    By(i32),
    /// Its process was given back: it starts anew, at once.
    Revived,
}

impl Inner {
    /// Runs a container until it will not be started again; its last status.
    pub(super) async fn container(&self, id: PodId, index: usize) -> i32 {
        self.until(|state| match state.pod(id) {
            Some(pod) => pod.may_start(index).then_some(()),
            None => Some(()),
        })
        .await;
        let (mut backoff, mut starts) = (None, 0_u32);
        loop {
            tokio::time::sleep(self.drawn(self.parameters.container_start)).await;
            starts += 1;
            if starts > 1 {
                self.change_pod(id, |pod| pod.containers[index].restarts += 1);
            }
            let began = Instant::now();
            let ended = self.once(id, index).await;
            let now = Instant::now();
            let status = match ended {
                Ended::By(status) => status,
                Ended::Revived => STATUS_KILLED,
            };
            let again = matches!(ended, Ended::Revived)
                || self
                    .lock()
                    .pod(id)
                    .is_some_and(|pod| restarts(pod, index, status));
            self.change_pod(id, |pod| {
                let state = &mut pod.containers[index];
                state.is = Is::Ended(status);
                (state.process, state.started, state.ready) = (false, false, false);
                state.over = !again;
                pod.settle(now);
            });
            if !again {
                return status;
            }
            if let Ended::Revived = ended {
                backoff = None;
                continue;
            }
            if now - began >= BACKOFF_RESET_AFTER {
                backoff = None;
            }
            let wait = backoff.unwrap_or(Duration::ZERO);
            backoff = Some(match backoff {
                None => BACKOFF_FIRST,
                Some(last) => (last * 2).min(BACKOFF_LAST),
            });
            if !wait.is_zero() {
                self.change_pod(id, |pod| pod.containers[index].is = Is::BackOff(status));
                self.event(id, "BackOff: back-off restarting failed container");
                tokio::time::sleep_until(now + wait).await;
            }
        }
    }

    /// One process from its start to its end.
    async fn once(&self, id: PodId, index: usize) -> Ended {
        let Some(machine) = self.begin(id, index) else {
            return Ended::By(STATUS_NOT_STARTED);
        };
        let exit = self.machine.exit(machine);
        let hollow = self.until(|state| state.pod(id)?.hollow.then_some(()));
        let watched = async {
            self.post_start(id, index, machine).await;
            self.probe(id, index).await;
        };
        let (hollow, watched) = (pin!(hollow), pin!(watched));
        match select(pin!(exit), select(hollow, watched)).await {
            Either::Left((exit, _)) => {
                let status = status(exit);
                self.event(id, &format!("container exited with status {status}"));
                Ended::By(status)
            }
            Either::Right((Either::Left(_), exit)) => {
                self.machine.signal(machine, Signal::Kill);
                exit.await;
                self.be_hollow(id, index).await;
                Ended::Revived
            }
            Either::Right((Either::Right(_), _)) => {
                self.event(id, "Unhealthy: container will be restarted");
                let grace = self.lock().pod(id).map(|pod| pod.template.grace);
                Ended::By(self.stop(id, index, grace.unwrap_or_default()).await)
            }
        }
    }

    /// Starts the process; `None` when the program refuses what it is started with.
    fn begin(&self, id: PodId, index: usize) -> Option<NodeId> {
        let mut state = self.lock();
        let pod = state.pod(id)?;
        let host = pod.machine?;
        let machine = match pod.containers[index].machine {
            Some(machine) => machine,
            None => {
                let container = pod.container(index);
                let name = format!("{}/{}", pod.name, container.name);
                let joined = self.machine.join_node(host, &name, container.cpu_limit);
                for mount in &container.mounts {
                    if let Some(shared) = &mount.shared {
                        self.machine.mount(joined, &mount.folder, shared);
                    }
                }
                joined
            }
        };
        let launched = state.launch(pod, index);
        let keep = kept(pod, machine == host, index);
        let pod = state.pod_mut(id)?;
        let container = &mut pod.containers[index];
        container.machine = Some(machine);
        let (launch, loaded) = match launched {
            Ok(launched) => launched,
            Err(problems) => {
                drop(state);
                self.event(id, &format!("Failed: {problems}"));
                return None;
            }
        };
        container.process = true;
        self.machine.reset_disk(machine, &keep);
        self.machine.start(machine, &loaded, &launch);
        drop(state);
        self.event(id, "Started: container started");
        Some(machine)
    }

    async fn post_start(&self, id: PodId, index: usize, machine: NodeId) {
        let hook = {
            let state = self.lock();
            let pod = state.pod(id);
            pod.and_then(|pod| Some((pod.container(index).post_start.clone()?, pod.address?)))
        };
        if let Some((hook, address)) = hook
            && !self.hook(machine, address, &hook).await
        {
            self.event(id, "FailedPostStartHook");
            self.machine.signal(machine, Signal::Kill);
            // The process's end says the rest.
            std::future::pending::<()>().await;
        }
        self.change_pod(id, |pod| {
            pod.containers[index].is = Is::Running;
            pod.settle(Instant::now());
        });
    }

    /// A container that only waits stands in place of the real one.
    async fn be_hollow(&self, id: PodId, index: usize) {
        self.change_pod(id, |pod| {
            let without_probe = pod.container(index).readiness.is_none();
            let container = &mut pod.containers[index];
            container.is = Is::Hollow;
            container.process = false;
            container.restarts += 1;
            container.ready = without_probe;
            pod.settle(Instant::now());
        });
        let back = self.until(|state| state.pod(id).is_none_or(|pod| !pod.hollow).then_some(()));
        let _ = select(pin!(back), pin!(self.probe_hollow(id, index))).await;
    }
}

/// The folders that the start of a container leaves as they are: the volumes of all that run on its
/// machine.
fn kept(pod: &Pod, on_host: bool, index: usize) -> Vec<String> {
    let of = |at: usize| {
        pod.container(at)
            .mounts
            .iter()
            .map(|mount| mount.folder.clone())
    };
    let mut folders: Vec<String> = match on_host {
        true => (0..=pod.mains().start).flat_map(of).collect(),
        false => of(index).collect(),
    };
    folders.sort();
    folders.dedup();
    folders
}

/// Whether a container that ended is started again.
fn restarts(pod: &Pod, index: usize, status: i32) -> bool {
    let init = !pod.mains().contains(&index);
    match pod.template.restart {
        _ if pod.container(index).sidecar => true,
        Restart::Always if init => status != 0,
        Restart::Always => true,
        Restart::OnFailure => status != 0,
        Restart::Never => false,
    }
}

fn status(exit: Exit) -> i32 {
    match exit {
        Exit::Status(status) => status,
        Exit::Killed => STATUS_KILLED,
    }
}
