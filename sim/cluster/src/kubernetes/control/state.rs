//! The table of objects that all controllers look at.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use squall_record::{self as record, State as Seen};
use tokio::time::Instant;

use super::PodStatus;
use super::nodes::Node;
use super::owners::Owner;
use super::pods::{Deletion, Phase, Pod, PodId};
use super::random::Random;
use crate::kubernetes::plan::{Budget, Plan, Service, Template};
use crate::machine::NodeId;

pub(super) struct State {
    pub(super) owners: Vec<Owner>,
    pub(super) services: Vec<Arc<Service>>,
    pub(super) budgets: Vec<Budget>,
    pub(super) nodes: Vec<Node>,
    /// In the order in which they were created, with those whose object is gone.
    all: Vec<Pod>,
    /// Whose pod has or had an address.
    pub(super) addresses: BTreeMap<IpAddr, String>,
    /// Which machine had a claim's volume last: by namespace and claim.
    pub(super) claims: BTreeMap<(String, String), NodeId>,
    /// Who gets each service's traffic, as its EndpointSlice says.
    pub(super) slices: Vec<super::endpoints::Slice>,
    pub(super) seed: u64,
    next_id: u64,
    /// What the run's record knows.
    told: BTreeMap<PodId, record::Pod>,
}

/// What a controller makes a pod with.
pub(super) struct NewPod {
    pub(super) owner: usize,
    pub(super) name: String,
    pub(super) hash: String,
    pub(super) ordinal: Option<u32>,
    pub(super) template: Arc<Template>,
    /// Labels beside those of the template.
    pub(super) labels: Vec<(&'static str, String)>,
}

impl State {
    pub(super) fn new(plan: Plan, nodes: &[String], seed: u64) -> Self {
        let slices = plan.services.iter().map(|_| Default::default()).collect();
        Self {
            owners: Owner::all(&plan.workloads, seed),
            services: plan.services,
            budgets: plan.budgets,
            nodes: Node::all(nodes),
            all: Vec::new(),
            addresses: BTreeMap::new(),
            claims: BTreeMap::new(),
            slices,
            seed,
            next_id: 0,
            told: BTreeMap::new(),
        }
    }

    /// Every pod that is an object, in the order in which they were created.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.all.iter().filter(|pod| !pod.gone)
    }

    /// Every pod of a workload, likewise.
    pub(super) fn pods_of(&self, owner: usize) -> impl Iterator<Item = &Pod> {
        self.pods().filter(move |pod| pod.owner == owner)
    }

    /// A pod, also when its object is gone and something of it still runs.
    pub(super) fn pod(&self, id: PodId) -> Option<&Pod> {
        self.all.iter().find(|pod| pod.id == id)
    }

    pub(super) fn pod_mut(&mut self, id: PodId) -> Option<&mut Pod> {
        self.all.iter_mut().find(|pod| pod.id == id)
    }

    pub(super) fn pods_mut(&mut self) -> impl Iterator<Item = &mut Pod> {
        self.all.iter_mut().filter(|pod| !pod.gone)
    }

    pub(super) fn create(&mut self, new: NewPod, now: Instant) -> PodId {
        self.next_id += 1;
        let id = PodId(self.next_id);
        let namespace = self.owners[new.owner].workload.namespace.clone();
        let purpose = format!("uid {namespace}/{} {}", new.name, self.next_id);
        let mut labels = new.template.labels.clone();
        labels.extend(
            new.labels
                .into_iter()
                .map(|(key, value)| (key.into(), value)),
        );
        self.all.push(Pod {
            id,
            uid: Random::new(self.seed, &purpose).uid(),
            name: new.name,
            namespace,
            owner: new.owner,
            hash: new.hash,
            ordinal: new.ordinal,
            labels,
            created: now,
            node: None,
            address: None,
            machine: None,
            containers: Pod::with_containers(&new.template),
            template: new.template,
            phase: Phase::Pending,
            ready: None,
            deletion: None,
            gone: false,
            hollow: false,
            lost: false,
        });
        id
    }

    /// Asks for a pod's end. Without a grace period, or with none to wait for, the object is gone at
    /// once and the kubelet does the rest (`kubectl delete --force`).
    pub(super) fn delete(&mut self, id: PodId, grace: Option<Duration>, now: Instant) {
        let Some(pod) = self.pod_mut(id) else { return };
        let grace = grace.unwrap_or(pod.template.grace);
        let before = pod.deletion.map(|deletion| deletion.at + deletion.grace);
        if before.is_none_or(|before| now + grace < before) {
            pod.deletion = Some(Deletion { at: now, grace });
        }
        // Nobody else has to agree to the end of a pod without a node.
        pod.gone |= grace.is_zero() || pod.node.is_none();
    }

    /// The last of a pod is gone.
    pub(super) fn forget(&mut self, id: PodId) {
        self.all.retain(|pod| pod.id != id);
    }

    pub(super) fn machines(&self, id: PodId) -> Vec<NodeId> {
        let Some(pod) = self.pod(id) else {
            return Vec::new();
        };
        let own = pod.containers.iter().filter_map(|state| state.machine);
        let own = own.filter(|machine| Some(*machine) != pod.machine);
        pod.machine.into_iter().chain(own).collect()
    }

    pub(super) fn status(&self, pod: &Pod) -> PodStatus {
        PodStatus {
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            workload: self.owners[pod.owner].shown.clone(),
            node: pod.node.map(|node| self.nodes[node].name.clone()),
            machine: pod.machine,
            address: pod.address,
            phase: pod.phase,
            status: pod.column(),
            ready: pod.ready.is_some() && !pod.terminating(),
            restarts: pod.restarts(),
            labels: pod.labels.clone(),
            annotations: pod.template.annotations.clone(),
            containers: pod
                .template
                .containers
                .iter()
                .map(|c| c.name.clone())
                .collect(),
        }
    }

    /// How it is called in the run's record: with its namespace where its workload is.
    fn shown(&self, pod: &Pod) -> String {
        let owner = &self.owners[pod.owner];
        match owner.shown == owner.workload.name {
            true => pod.name.clone(),
            false => format!("{}/{}", pod.namespace, pod.name),
        }
    }

    /// What the run's record does not know yet of the pods.
    pub(super) fn news(&mut self) -> Vec<Seen> {
        let mut news = Vec::new();
        let mut told = std::mem::take(&mut self.told);
        told.retain(|id, line| {
            let there = self.pod(*id).is_some_and(|pod| !pod.gone);
            if !there {
                let name = line.name.clone();
                news.push(Seen::PodGone { name });
            }
            there
        });
        for pod in self.pods() {
            let line = record::Pod {
                name: self.shown(pod).into(),
                workload: self.owners[pod.owner].shown.as_str().into(),
                node: pod.node.map(|node| self.nodes[node].name.as_str().into()),
                address: pod.address.map(|address| address.to_string().into()),
                status: pod.column().into(),
                ready: pod.ready.is_some() && !pod.terminating(),
                restarts: pod.restarts(),
            };
            if told.get(&pod.id) != Some(&line) {
                told.insert(pod.id, line.clone());
                news.push(Seen::Pod(line));
            }
        }
        self.told = told;
        news
    }

    /// `ADDRESS:PORT` of a pod's port.
    pub(super) fn socket(address: Ipv4Addr, port: u16) -> SocketAddr {
        SocketAddr::new(address.into(), port)
    }
}
