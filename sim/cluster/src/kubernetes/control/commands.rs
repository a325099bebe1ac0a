//! What a scenario does to a running cluster, with the meaning of kubectl's commands.

use std::time::Duration;

use tokio::time::Instant;

use super::owners::{Owner, Progress};
use super::pods::PodId;
use super::state::State;
use super::{Error, Inner, Kube};
use crate::kubernetes::plan::Kind;
use crate::machine::{NodeId, Signal};

impl State {
    /// A Deployment or a StatefulSet: nothing else can be scaled or started anew.
    fn rolled(&mut self, workload: &str, verb: &'static str) -> Result<&mut Owner, Error> {
        let at = self.owner(workload)?;
        let owner = &mut self.owners[at];
        match owner.workload.kind {
            Kind::Deployment(_) | Kind::StatefulSet(_) => Ok(owner),
            Kind::Job(_) | Kind::Pod => Err(Error::WrongKind {
                workload: owner.shown.clone(),
                kind: owner.kind(),
                verb,
            }),
        }
    }
}

impl Kube {
    /// `kubectl scale`: returns at once, as that does.
    pub async fn scale(&self, workload: &str, replicas: u32) -> Result<(), Error> {
        let mut state = self.inner.lock();
        let owner = state.rolled(workload, "scaled")?;
        owner.replicas = replicas;
        owner.progress = Progress::begin();
        self.inner.announce(&mut state);
        Ok(())
    }

    /// `kubectl delete pod`, with `--grace-period` when one is given; ends when the pods are gone. A
    /// grace period of 0 is `--force`: gone at once, whatever becomes of the processes.
    pub async fn delete_pod(&self, target: &str, grace: Option<Duration>) -> Result<(), Error> {
        let pods = self.inner.lock().targets(target)?;
        let now = Instant::now();
        self.inner.change(|state| {
            for &id in &pods {
                state.delete(id, grace, now);
            }
        });
        self.inner.until_gone(&pods).await;
        Ok(())
    }

    /// `kubectl rollout restart`
    pub fn rollout_restart(&self, workload: &str) -> Result<(), Error> {
        let mut state = self.inner.lock();
        let owner = state.rolled(workload, "restarted")?;
        owner.restarted += 1;
        let template = owner.revisions[owner.current].template.clone();
        owner.revise(template);
        self.inner.announce(&mut state);
        Ok(())
    }

    /// `kubectl set image`: to one of the images that the plan has ready, or to the first one again.
    pub fn set_image(&self, workload: &str, image: &str) -> Result<(), Error> {
        let mut state = self.inner.lock();
        let at = state.owner(workload)?;
        let owner = &mut state.owners[at];
        let first = &owner.workload.template;
        let is_first = first
            .containers
            .iter()
            .any(|container| container.image == image);
        let (template, image) = match owner.workload.revisions.get(image) {
            Some(template) => (template.clone(), Some(image.to_owned())),
            None if is_first => (first.clone(), None),
            None => {
                return Err(Error::NoSuchImage {
                    workload: owner.shown.clone(),
                    image: image.to_owned(),
                    known: owner.workload.revisions.keys().cloned().collect(),
                });
            }
        };
        owner.image = image;
        owner.revise(template);
        self.inner.announce(&mut state);
        Ok(())
    }

    /// SIGKILL to the processes of a target, as a crash or the kernel's out-of-memory killer: the
    /// kubelet starts them again. Returns at once.
    pub fn kill(&self, target: &str) -> Result<(), Error> {
        self.signal(target, Signal::Kill)
    }

    /// SIGSTOP: the processes are frozen, their kernel still answers; probes go on and fail.
    pub fn pause(&self, target: &str) -> Result<(), Error> {
        self.signal(target, Signal::Stop)
    }

    /// SIGCONT
    pub fn unpause(&self, target: &str) -> Result<(), Error> {
        self.signal(target, Signal::Continue)
    }

    fn signal(&self, target: &str, signal: Signal) -> Result<(), Error> {
        let machines: Vec<NodeId> = {
            let state = self.inner.lock();
            let pods = state.targets(target)?;
            let pods = pods.into_iter().filter_map(|id| state.pod(id));
            let containers = pods.flat_map(|pod| &pod.containers);
            let running = containers.filter(|container| container.process);
            running.filter_map(|container| container.machine).collect()
        };
        if machines.is_empty() {
            return Err(Error::NotRunning {
                name: target.to_owned(),
            });
        }
        for machine in machines {
            self.inner
                .machine
                .note(machine, format!("{signal:?} by hand"));
            self.inner.machine.signal(machine, signal);
        }
        Ok(())
    }

    /// Takes the processes of a target away and puts nothing in their place, as Chaos Mesh's pod-failure
    /// does with an image that only waits: the pods stay, and fail their probes.
    pub fn hollow(&self, target: &str) -> Result<(), Error> {
        self.set_hollow(target, true)
    }

    /// Gives the processes back.
    pub fn revive(&self, target: &str) -> Result<(), Error> {
        self.set_hollow(target, false)
    }

    fn set_hollow(&self, target: &str, hollow: bool) -> Result<(), Error> {
        let pods = self.inner.lock().targets(target)?;
        self.inner.change(|state| {
            for id in pods {
                if let Some(pod) = state.pod_mut(id) {
                    pod.hollow = hollow;
                }
            }
        });
        Ok(())
    }
}

impl Inner {
    pub(super) async fn until_gone(&self, pods: &[PodId]) {
        self.until(|state| {
            let gone = |id: &PodId| state.pod(*id).is_none_or(|pod| pod.gone);
            pods.iter().all(gone).then_some(())
        })
        .await;
    }
}
