//! Runs a [`Plan`] on machines, as Kubernetes' control plane and its kubelets do.
//!
//! One task for each workload (its controller), for each pod (the kubelet's part in it), and for each
//! service (the EndpointSlice controller, kube-proxy and CoreDNS). They share one table of objects and
//! look at it anew whenever it changes, after the delay of a watch; so one order of events gives one
//! history.
//!
//! Deliberately absent: an API server with versions of objects, and quotas of nodes. A controller sees
//! all that has changed when it looks, where a real one sees changes one by one.

mod bring_up;
mod budgets;
mod commands;
mod container;
mod deployment;
mod ending;
mod endpoints;
mod error;
mod forward;
mod job;
mod kubelet;
mod launch;
mod names;
mod nodes;
mod owners;
mod pods;
mod probes;
mod random;
mod ranking;
mod sandbox;
mod scheduler;
mod state;
mod stateful;
mod targets;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Parameters, Plan};
use crate::Machine;
use crate::machine::NodeId;
pub use error::Error;
pub use pods::Phase;
use pods::PodId;
use random::Random;
use state::State;

/// A running cluster. Clones are handles on the same.
#[derive(Clone)]
pub struct Kube {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Arc<dyn Machine>,
    parameters: Parameters,
    state: Mutex<State>,
    /// How long things take.
    delays: Mutex<Random>,
    /// Told of every change of any object. It wakes those who wait in the order in which they came,
    /// where a watch channel draws one.
    changed: Notify,
}

/// A pod, as `kubectl get pods -o wide` and a fault's selector see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodStatus {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its workload, as [`Kube::workloads`] has it.
    pub workload: String,
    /// Its node, once it has one.
    pub node: Option<String>,
    /// Its machine, once it has its network.
    pub machine: Option<NodeId>,
    /// Its address, likewise.
    pub address: Option<Ipv4Addr>,
    /// `status.phase`
    pub phase: Phase,
    /// The column STATUS: `Pending`, `Init:0/1`, `Running`, `Terminating`, `CrashLoopBackOff`.
    pub status: String,
    /// Whether all its containers are ready and it is not being deleted.
    pub ready: bool,
    /// How often its containers were started again.
    pub restarts: u32,
    /// Its labels, with those of its controller.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The names of its containers.
    pub containers: Vec<String>,
}

impl Kube {
    /// A cluster in which nothing is applied before [`Kube::up`]. The seed draws names and whatever
    /// Kubernetes leaves to chance.
    pub fn new(plan: Plan, machine: Arc<dyn Machine>, parameters: Parameters, seed: u64) -> Self {
        let state = State::new(plan, &parameters.nodes, seed);
        Self {
            inner: Arc::new(Inner {
                machine,
                parameters,
                state: Mutex::new(state),
                delays: Mutex::new(Random::new(seed, "delays")),
                changed: Notify::new(),
            }),
        }
    }

    /// Every pod, in the order in which they were created.
    pub fn pods(&self) -> Vec<PodStatus> {
        let state = self.inner.lock();
        state.pods().map(|pod| state.status(pod)).collect()
    }

    /// The machines of a target's pods that have one; of a pod with several containers, the first is
    /// the one with the network.
    pub fn nodes(&self, target: &str) -> Result<Vec<NodeId>, Error> {
        let state = self.inner.lock();
        let pods = state.targets(target)?;
        Ok(pods.into_iter().flat_map(|id| state.machines(id)).collect())
    }

    /// The names of all workloads, in the order of the manifests; `namespace/name` where two have the
    /// same name.
    pub fn workloads(&self) -> Vec<String> {
        let state = self.inner.lock();
        state
            .owners
            .iter()
            .map(|owner| owner.shown.clone())
            .collect()
    }

    /// Which workload's pod has or had this address; addresses are not given twice.
    pub fn workload_at(&self, address: IpAddr) -> Option<String> {
        self.inner.lock().addresses.get(&address).cloned()
    }
}

impl Inner {
    /// How long something takes this time that usually takes so long.
    fn drawn(&self, usual: Duration) -> Duration {
        let spread = u64::from(self.parameters.spread_percent.min(100));
        if spread == 0 {
            return usual;
        }
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        // In thousandths of a hundredth.
        let drawn = delays.next() % (2_000 * spread + 1);
        usual.mul_f64(1.0 + (drawn as f64 / 1_000.0 - spread as f64) / 100.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the run; the state itself is never half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the run's record and everybody who waits what has changed.
    fn announce(&self, state: &mut State) {
        for seen in state.news() {
            self.machine.observed(seen);
        }
        self.changed.notify_waiters();
    }

    /// Changes the state and announces it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        self.announce(&mut state);
        result
    }

    /// Changes a pod, while there is one, and announces it.
    fn change_pod<T>(&self, id: PodId, change: impl FnOnce(&mut pods::Pod) -> T) -> Option<T> {
        self.change(|state| state.pod_mut(id).map(change))
    }

    /// Waits until `done` gives a value; looks at every change.
    async fn until<T>(&self, mut done: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            let mut change = pin!(self.changed.notified());
            change.as_mut().enable();
            if let Some(value) = done(&self.lock()) {
                return value;
            }
            change.await;
        }
    }

    /// Notes an event of a pod that has a machine, in the words of `kubectl describe`.
    fn event(&self, id: PodId, message: &str) {
        let at = {
            let state = self.lock();
            let pod = state.pod(id);
            pod.and_then(|pod| Some((pod.machine?, pod.name.clone())))
        };
        if let Some((machine, name)) = at {
            tracing::info!(pod = name, "{message}");
            self.machine.note(machine, message.to_owned());
        }
    }
}
