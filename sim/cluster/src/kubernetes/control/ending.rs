//! The end of processes and pods: preStop, SIGTERM, grace period, SIGKILL, network.

use std::time::Duration;

use futures::future::{Either, join_all, select};
use tokio::time::{Instant, timeout, timeout_at};

use super::Inner;
use super::pods::{Is, PodId};
use super::probes::STATUS_KILLED;
use crate::kubernetes::plan::{Check, Hook};
use crate::machine::{Exit, Signal};

/// Between the end of a pod's last process and the end of its network, in which the kernel's FIN or
/// RST for open connections leave; what comes later meets silence. The container runtime and the
/// network plugin take some tens of milliseconds for it.
pub(super) const NETWORK_TEARDOWN: Duration = Duration::from_millis(50);

/// However long preStop took, a process has so long between SIGTERM and SIGKILL (k8s.io/kubernetes,
/// `pkg/kubelet/kuberuntime`, `minimumGracePeriodInSeconds`).
const GRACE_LEAST: Duration = Duration::from_secs(2);

/// With no grace period at all, the kubelet takes this one (`pkg/kubelet/pod_workers.go`,
/// `calculateEffectiveGracePeriod`).
const GRACE_FORCED: Duration = Duration::from_secs(1);

/// For an HTTP hook's answer; the grace period bounds it anyway.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

impl Inner {
    /// Ends a pod that is being deleted, and takes away what is left of it.
    pub(super) async fn end(&self, id: PodId) {
        self.stop_processes(id).await;
        self.until(|state| state.lit(id).then_some(())).await;
        let had_network = self
            .lock()
            .pod(id)
            .is_some_and(|pod| pod.machine.is_some() && !pod.finished());
        if had_network {
            tokio::time::sleep(NETWORK_TEARDOWN).await;
            self.unplug(id);
        }
        self.change(|state| state.forget(id));
    }

    /// Ends all processes of a pod: sidecars after the others, the last one first
    /// (KEP-753, sidecar containers).
    pub(super) async fn stop_processes(&self, id: PodId) {
        let (mains, sidecars, grace) = {
            let state = self.lock();
            let Some(pod) = state.pod(id) else { return };
            let with_process = |index: &usize| pod.containers[*index].process;
            let mains = pod.mains();
            let sidecars: Vec<usize> = (0..mains.start).filter(with_process).rev().collect();
            let mains: Vec<usize> = mains.filter(with_process).collect();
            let grace = pod
                .deletion
                .map_or(pod.template.grace, |deletion| deletion.grace);
            (mains, sidecars, grace.max(GRACE_FORCED))
        };
        let until = Instant::now() + grace;
        join_all(mains.into_iter().map(|index| self.stop(id, index, grace))).await;
        for index in sidecars {
            let left = until.saturating_duration_since(Instant::now());
            self.stop(id, index, left).await;
        }
    }

    /// Ends one container's process; its status.
    pub(super) async fn stop(&self, id: PodId, index: usize, grace: Duration) -> i32 {
        let Some((machine, address, hook)) = ({
            let state = self.lock();
            state.pod(id).and_then(|pod| {
                let hook = pod.container(index).pre_stop.clone();
                Some((pod.containers[index].machine?, pod.address?, hook))
            })
        }) else {
            return STATUS_KILLED;
        };
        self.event(id, "Killing: stopping container");
        let began = Instant::now();
        let exit = self.machine.exit(machine);
        if let Some(hook) = hook {
            let done = timeout(grace, self.hook(machine, address, &hook)).await;
            if !matches!(done, Ok(true)) {
                self.event(id, "FailedPreStopHook");
            }
        }
        let left = (began + grace).max(Instant::now() + GRACE_LEAST.min(grace));
        self.machine.signal(machine, Signal::Terminate);
        let mut exit = std::pin::pin!(exit);
        let over = self.grace_over(id, left);
        let exit = match select(&mut exit, std::pin::pin!(over)).await {
            Either::Left((exit, _)) => exit,
            Either::Right(_) => {
                self.event(id, "Killing: the grace period is over, SIGKILL");
                self.machine.signal(machine, Signal::Kill);
                exit.await
            }
        };
        let status = match exit {
            Exit::Status(status) => status,
            Exit::Killed => STATUS_KILLED,
        };
        self.change_pod(id, |pod| {
            let state = &mut pod.containers[index];
            state.process = false;
            state.ready = false;
            state.is = Is::Ended(status);
            pod.settle(Instant::now());
        });
        status
    }

    /// Until the end of a grace period, which a second deletion can make shorter.
    async fn grace_over(&self, id: PodId, mut at: Instant) {
        loop {
            let shorter = self.until(|state| {
                let deletion = state.pod(id)?.deletion?;
                let seen = deletion.at + self.drawn(self.parameters.watch);
                let end = seen + deletion.grace.max(GRACE_FORCED);
                (end < at).then_some(end)
            });
            match timeout_at(at, shorter).await {
                Ok(end) => at = end,
                Err(_) => return,
            }
        }
    }

    /// Runs a hook; whether it went well.
    pub(super) async fn hook(
        &self,
        machine: crate::machine::NodeId,
        address: std::net::Ipv4Addr,
        hook: &Hook,
    ) -> bool {
        match hook {
            Hook::Sleep(time) => {
                tokio::time::sleep(*time).await;
                true
            }
            Hook::Exec(command) => self.machine.exec(machine, command.clone()).await == 0,
            Hook::Http { port, path } => {
                let command = Check::Http {
                    port: *port,
                    path: path.clone(),
                    headers: Vec::new(),
                }
                .command(address, HOOK_TIMEOUT);
                self.machine.exec(machine, command).await == 0
            }
        }
    }
}
