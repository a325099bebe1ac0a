//! The system under test, as Kubernetes runs it.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::kubernetes::{Error, Kube};
use squall_cluster::machine::NodeId;

use crate::file::{Kubernetes, Process};
use crate::members;
use crate::world::{Kubectl, Pod, System};

pub(super) struct KubernetesSystem {
    kube: Kube,
    of: Kubernetes,
    up_within: Duration,
}

impl KubernetesSystem {
    pub(super) fn new(kube: Kube, of: Kubernetes, up_within: Duration) -> Self {
        Self {
            kube,
            of,
            up_within,
        }
    }

    /// A target's name as the cluster knows it: workloads of two namespaces may have one name.
    fn target(&self, name: &str) -> String {
        let namespace = self.of.namespace.as_ref();
        let namespaced = namespace.map(|of| format!("{}/{name}", of.value));
        match namespaced.filter(|full| self.kube.workloads().contains(full)) {
            Some(full) => full,
            None => name.to_owned(),
        }
    }
}

impl System for KubernetesSystem {
    fn up(&self) -> BoxFuture<'static, Result<(), String>> {
        let (kube, within) = (self.kube.clone(), self.up_within);
        let forward = self.of.forward.clone();
        Box::pin(async move {
            kube.up(within).await.map_err(sentence)?;
            for one in forward {
                kube.forward(one.port, &one.to.value, one.to_port)
                    .map_err(sentence)?;
            }
            Ok(())
        })
    }

    fn services(&self) -> Vec<String> {
        self.kube.workloads()
    }

    fn nodes(&self, target: &str) -> Vec<NodeId> {
        self.kube.nodes(&self.target(target)).unwrap_or_default()
    }

    /// The pod: those of a workload differ, and stories are about which of them answers.
    fn service_at(&self, address: IpAddr) -> Option<String> {
        let pods = self.kube.pods().into_iter();
        let mut pods = pods.filter(|pod| pod.address.map(IpAddr::from) == Some(address));
        let pod = pods.next().map(|pod| pod.name);
        pod.or_else(|| self.kube.workload_at(address))
    }

    fn act(&self, target: &str, process: Process) -> BoxFuture<'static, Result<(), String>> {
        let (kube, target) = (self.kube.clone(), self.target(target));
        let is_node = self.of.parameters.nodes.contains(&target);
        Box::pin(async move {
            match process {
                Process::Kill => kube.kill(&target),
                Process::Pause => kube.pause(&target),
                Process::Unpause => kube.unpause(&target),
                Process::Start if is_node => kube.power_back(&target),
                // What was killed is started by its kubelet; what was emptied is not.
                Process::Start => kube.revive(&target),
                // As `docker stop` ends a container: gracefully. Its controller makes another.
                Process::Stop => kube.delete_pod(&target, None).await,
                Process::Restart => kube.rollout_restart(&target),
            }
            .map_err(sentence)
        })
    }

    fn members(&self) -> Vec<Pod> {
        let pods = self.kube.pods().into_iter();
        pods.filter_map(|pod| {
            Some(Pod {
                node: pod.machine?,
                member: members::of_pod(pod),
            })
        })
        .collect()
    }

    fn stop_within(&self, target: &str, grace: Duration) -> BoxFuture<'static, Result<(), String>> {
        let (kube, target) = (self.kube.clone(), self.target(target));
        Box::pin(async move {
            kube.delete_pod(&target, Some(grace))
                .await
                .map_err(sentence)
        })
    }

    fn hollow(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let done = self.kube.hollow(&self.target(target)).map_err(sentence);
        Box::pin(async move { done })
    }

    fn scale(&self, workload: &str, replicas: u32) -> BoxFuture<'static, Result<(), String>> {
        let (kube, workload) = (self.kube.clone(), self.target(workload));
        Box::pin(async move { kube.scale(&workload, replicas).await.map_err(sentence) })
    }

    fn kubectl(&self, command: Kubectl) -> BoxFuture<'static, Result<(), String>> {
        let kube = self.kube.clone();
        let of = |name: &str| self.target(name);
        let command = match command {
            Kubectl::DeletePod(target) => Kubectl::DeletePod(of(&target)),
            Kubectl::RolloutRestart(target) => Kubectl::RolloutRestart(of(&target)),
            Kubectl::SetImage(target, image) => Kubectl::SetImage(of(&target), image),
            of_a_node @ (Kubectl::Drain(_) | Kubectl::Uncordon(_)) => of_a_node,
        };
        Box::pin(async move {
            match command {
                Kubectl::DeletePod(target) => kube.delete_pod(&target, None).await,
                Kubectl::RolloutRestart(target) => kube.rollout_restart(&target),
                Kubectl::SetImage(target, image) => kube.set_image(&target, &image),
                Kubectl::Drain(node) => kube.drain(&node).await,
                Kubectl::Uncordon(node) => kube.uncordon(&node),
            }
            .map_err(sentence)
        })
    }

    fn rolled_out(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let (kube, target) = (self.kube.clone(), self.target(target));
        Box::pin(async move { kube.rollout_status(&target).await.map_err(sentence) })
    }

    fn power_lost(&self, target: &str) {
        // The plan has seen that it is a node.
        drop(self.kube.power_lost(target));
    }
}

fn sentence(error: Error) -> String {
    error.to_string()
}
