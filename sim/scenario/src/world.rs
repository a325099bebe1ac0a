//! What the director needs of the world that a scenario is played in, and of the system in it.
//!
//! Two object-safe traits: [`World`] is the machines and the network between them (the simulation
//! implements it; Linux network namespaces can later), [`System`] is the control plane over them
//! (`squall_cluster`'s Compose). Both are told what to do and answer at once unless they return a
//! future; a fault takes effect at the present instant.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_chaos::Member;
use squall_cluster::Machine;
use squall_cluster::machine::NodeId;
use squall_fault::clock::Skew;
use squall_fault::cpu::Stressor;
use squall_fault::{Link, disk, dns, http};

use crate::file::Process;

/// Machines, and a network between them that can be broken.
pub trait World: Machine {
    /// Virtual time since the run began.
    fn now(&self) -> Duration;

    /// A machine outside the system for a client to run on: powered, plugged in, able to resolve
    /// the system's names and to reach its published ports, also as `localhost`.
    fn add_client(&self, name: &str) -> NodeId;

    /// Sets how packets travel from one machine to another, in this direction alone, from now on.
    /// What is in flight stays as it was sent. Loopback is not a link.
    fn set_link(&self, from: NodeId, to: NodeId, link: Link);

    /// Resets every open TCP connection between two machines: both ends see ECONNRESET.
    fn reset(&self, a: NodeId, b: NodeId);

    /// Takes the power of a machine, or gives it back. Without power its processes are gone and
    /// nobody answers, not even with an error; what was not synced to disk is lost. With power
    /// again it has no process until one is started.
    fn set_power(&self, node: NodeId, on: bool);

    /// Sets all that works beside a machine's process.
    fn set_stress(&self, node: NodeId, stressors: Vec<Stressor>);

    /// Sets all that is wrong with a machine's disk.
    fn set_disk(&self, node: NodeId, rules: Vec<disk::Rule>);

    /// Sets how a machine's clock is wrong.
    fn set_clock(&self, node: NodeId, skew: Skew);

    /// Sets all that befalls HTTP messages which come into a machine from now on. Connections that
    /// are open stay as they are.
    fn set_http(&self, node: NodeId, rules: Vec<http::Rule>);

    /// Sets all that befalls a machine's questions for names.
    fn set_dns(&self, node: NodeId, rules: Vec<dns::Rule>);
}

/// One that a fault's selector can select.
#[derive(Clone, Debug)]
pub struct Pod {
    /// What selectors see. Its name is a target.
    pub member: Member,
    /// Its machine.
    pub node: NodeId,
}

/// The system under test, as its control plane runs it.
pub trait System: Send + Sync + 'static {
    /// Starts everything, in the order of its dependencies, and returns once all that can be
    /// waited for is there (as `docker compose up --wait`). The error is a sentence for the user.
    fn up(&self) -> BoxFuture<'static, Result<(), String>>;

    /// The names of all services, in the order of the manifest.
    fn services(&self) -> Vec<String>;

    /// The machines of a target: a service (all of its containers), a container's name, or
    /// `service-number`. None when there is no such target.
    fn nodes(&self, target: &str) -> Vec<NodeId>;

    /// Which service has this address now.
    fn service_at(&self, address: IpAddr) -> Option<String>;

    /// Does something to a target's processes, as `docker kill` and its siblings do. Ends when
    /// Docker's command would return. The error is a sentence for the user.
    fn act(&self, target: &str, process: Process) -> BoxFuture<'static, Result<(), String>>;

    /// Everyone that a fault's selector can select now, in the order of the manifest.
    fn members(&self) -> Vec<Pod>;

    /// SIGTERM, and SIGKILL after `grace`, whatever the manifest says; as `docker stop --time`.
    fn stop_within(&self, target: &str, grace: Duration) -> BoxFuture<'static, Result<(), String>>;

    /// Kills a target's process and leaves nothing in its place: the address stays and refuses
    /// connections, the names stay, and nobody restarts it before [`Process::Start`].
    fn hollow(&self, target: &str) -> BoxFuture<'static, Result<(), String>>;

    /// Gives a service so many containers.
    fn scale(&self, service: &str, replicas: u32) -> BoxFuture<'static, Result<(), String>>;

    /// Does what a command of `kubectl` does, and ends when that would return. The error is a sentence
    /// for the user; so is that of a system which is not Kubernetes'.
    fn kubectl(&self, command: Kubectl) -> BoxFuture<'static, Result<(), String>> {
        let sentence = format!("{command}: the system is not described by Kubernetes' manifests");
        Box::pin(async move { Err(sentence) })
    }

    /// Ends when a target is as its description wants it, as `kubectl rollout status` does: every
    /// replica new and ready. The error is a sentence for the user.
    fn rolled_out(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let sentence = format!("{target}: the system is not described by Kubernetes' manifests");
        Box::pin(async move { Err(sentence) })
    }

    /// Is told that a target's machines have lost their power; their return is [`Process::Start`].
    fn power_lost(&self, target: &str) {
        let _ = target;
    }
}

/// A command of `kubectl`. Targets are those of [`System::nodes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kubectl {
    /// `kubectl delete pod`: each pod of the target.
    DeletePod(String),
    /// `kubectl rollout restart`
    RolloutRestart(String),
    /// `kubectl set image WORKLOAD *=IMAGE`
    SetImage(String, String),
    /// `kubectl drain NODE`
    Drain(String),
    /// `kubectl uncordon NODE`
    Uncordon(String),
}

impl fmt::Display for Kubectl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeletePod(target) => write!(f, "delete pod {target}"),
            Self::RolloutRestart(target) => write!(f, "rollout restart {target}"),
            Self::SetImage(target, image) => write!(f, "set image {target} {image}"),
            Self::Drain(node) => write!(f, "drain {node}"),
            Self::Uncordon(node) => write!(f, "uncordon {node}"),
        }
    }
}
