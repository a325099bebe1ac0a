//! A pod's life: from its creation, over its node, its network and its containers, to its end.

use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, join_all, select};
use tokio::time::Instant;

use super::Inner;
use super::ending::NETWORK_TEARDOWN;
use super::pods::{Is, Phase, PodId};

/// Why the kubelet lets go of what it does for a pod.
enum Turn {
    Deleted,
    Dark,
    Over,
}

impl Inner {
    pub(super) async fn live(self: Arc<Self>, id: PodId) {
        if let Either::Left(_) = select(pin!(self.deleted(id)), pin!(self.place(id))).await {
            // The kubelet of no node has heard of it.
            self.change(|state| state.forget(id));
            return;
        }
        tokio::time::sleep(self.drawn(self.parameters.watch)).await;
        loop {
            match self.turn(id).await {
                Turn::Dark => self.sit_in_the_dark(id).await,
                Turn::Over => {
                    self.until_ending(id).await;
                    break;
                }
                Turn::Deleted => break,
            }
        }
        self.end(id).await;
    }

    /// Finds the pod a node, as soon as there is one.
    async fn place(&self, id: PodId) {
        tokio::time::sleep(self.drawn(self.parameters.scheduling)).await;
        loop {
            self.until(|state| state.schedule(state.pod(id)?)).await;
            let placed = self.change(|state| {
                let node = state.pod(id).and_then(|pod| state.schedule(pod));
                if let Some(pod) = state.pod_mut(id) {
                    pod.node = node;
                }
                node.is_some()
            });
            if placed {
                return;
            }
        }
    }

    /// The kubelet runs the pod until it is over, or something comes between.
    async fn turn(&self, id: PodId) -> Turn {
        let dark = self.until(|state| (!state.lit(id)).then_some(()));
        let (ending, dark) = (pin!(self.until_ending(id)), pin!(dark));
        match select(select(ending, dark), pin!(self.run(id))).await {
            Either::Left((Either::Left(_), _)) => Turn::Deleted,
            Either::Left((Either::Right(_), _)) => Turn::Dark,
            Either::Right(_) => Turn::Over,
        }
    }

    /// The node has no power: the pod's processes are gone, and nobody tells of it.
    async fn sit_in_the_dark(&self, id: PodId) {
        self.until(|state| state.lit(id).then_some(())).await;
        self.change_pod(id, |pod| {
            for container in &mut pod.containers {
                container.process = false;
            }
        });
    }

    async fn deleted(&self, id: PodId) {
        self.until(|state| {
            let ended = state
                .pod(id)
                .is_none_or(|pod| pod.terminating() || pod.gone);
            ended.then_some(())
        })
        .await;
    }

    /// Until the kubelet has seen that the pod shall end.
    async fn until_ending(&self, id: PodId) {
        self.deleted(id).await;
        let deletion = self.lock().pod(id).and_then(|pod| pod.deletion);
        if let Some(deletion) = deletion {
            tokio::time::sleep_until(deletion.at + self.drawn(self.parameters.watch)).await;
        }
    }

    /// Runs the pod's containers to the end of all of them, which most pods never see.
    async fn run(&self, id: PodId) {
        self.sandbox(id).await;
        let Some((inits, mains)) = self.change_pod(id, |pod| {
            // After a loss of power everything begins anew.
            pod.containers.iter_mut().for_each(|state| state.reset());
            pod.settle(Instant::now());
            (0..pod.mains().start, pod.mains())
        }) else {
            return;
        };
        // An init container that failed for good ends the pod; so does the last other container.
        let failed = self.until(|state| state.pod(id)?.init_failed().then_some(()));
        let mains = join_all(mains.map(|index| self.container(id, index)));
        let inits = join_all(inits.map(|index| self.container(id, index)));
        let inits = async {
            inits.await;
            std::future::pending::<()>().await;
        };
        let (failed, mains) = (pin!(failed), pin!(mains));
        let _ = select(select(failed, mains), pin!(inits)).await;
        self.finish(id).await;
    }

    /// All containers have ended for good.
    async fn finish(&self, id: PodId) {
        self.stop_processes(id).await;
        tokio::time::sleep(NETWORK_TEARDOWN).await;
        self.unplug(id);
        self.change_pod(id, |pod| {
            let good = |state: &super::pods::ContainerState| state.is == Is::Ended(0);
            let mains = &pod.containers[pod.mains()];
            pod.phase = match mains.iter().all(good) {
                true => Phase::Succeeded,
                false => Phase::Failed,
            };
            pod.settle(Instant::now());
        });
    }

    pub(super) fn unplug(&self, id: PodId) {
        let machine = self.lock().pod(id).and_then(|pod| pod.machine);
        if let Some(machine) = machine {
            self.machine.plug(machine, false);
        }
    }
}
