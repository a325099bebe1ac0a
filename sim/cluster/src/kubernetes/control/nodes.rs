//! Nodes: power, the node controller's view of them, and what befalls their pods.

use std::net::Ipv4Addr;

use super::pods::PodId;
use super::state::State;
use super::{Error, Inner, Kube};

/// A machine of the cluster on which pods are.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) cordoned: bool,
    /// Its kubelet is at work.
    pub(super) lit: bool,
    /// What the node controller holds of it.
    pub(super) ready: bool,
    /// How many addresses its pods were given.
    pub(super) addresses_given: u32,
    /// Counts losses of power; a task of an older one has no say.
    losses: u32,
}

impl Node {
    pub(super) fn all(names: &[String]) -> Vec<Self> {
        let node = |name: &String| Self {
            name: name.clone(),
            cordoned: false,
            lit: true,
            ready: true,
            addresses_given: 0,
            losses: 0,
        };
        names.iter().map(node).collect()
    }
}

/// A node's own address: Docker's network of a k3d cluster, in the order of the nodes.
pub(super) fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(172, 18, 0, u8::try_from(node + 2).unwrap_or(u8::MAX))
}

impl State {
    pub(super) fn node(&self, name: &str) -> Result<usize, Error> {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.ok_or_else(|| Error::NoSuchNode {
            name: name.to_owned(),
            known: self.nodes.iter().map(|node| node.name.clone()).collect(),
        })
    }

    pub(super) fn lit(&self, id: PodId) -> bool {
        let node = self.pod(id).and_then(|pod| pod.node);
        node.is_none_or(|node| self.nodes[node].lit)
    }

    fn on_node(&self, node: usize) -> Vec<PodId> {
        let pods = self.pods().filter(|pod| pod.node == Some(node));
        pods.map(|pod| pod.id).collect()
    }
}

impl Kube {
    /// A node has lost its power: the caller takes it from the machines of its pods. After the grace
    /// period of the node controller its pods are not ready; later they are evicted.
    pub fn power_lost(&self, node: &str) -> Result<(), Error> {
        let inner = &self.inner;
        let (node, losses) = {
            let mut state = inner.lock();
            let node = state.node(node)?;
            state.nodes[node].lit = false;
            state.nodes[node].losses += 1;
            (node, state.nodes[node].losses)
        };
        inner.announce(&mut inner.lock());
        let inner = inner.clone();
        tokio::spawn(async move { inner.lose(node, losses).await });
        Ok(())
    }

    /// A node has power again: it boots, and its kubelet starts its pods' containers.
    pub fn power_back(&self, node: &str) -> Result<(), Error> {
        let node = self.inner.lock().node(node)?;
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.boot(node).await });
        Ok(())
    }
}

impl Inner {
    /// The node controller (k8s.io/kubernetes, `pkg/controller/nodelifecycle`).
    async fn lose(&self, node: usize, losses: u32) {
        let still = |state: &State| {
            let node = &state.nodes[node];
            node.losses == losses && !node.lit
        };
        tokio::time::sleep(self.parameters.node_grace).await;
        let lost = self.change(|state| {
            if !still(state) {
                return false;
            }
            state.nodes[node].ready = false;
            let now = tokio::time::Instant::now();
            for pod in state.pods_mut().filter(|pod| pod.node == Some(node)) {
                pod.lost = true;
                pod.settle(now);
            }
            true
        });
        if !lost {
            return;
        }
        tokio::time::sleep(self.parameters.eviction).await;
        self.change(|state| {
            if !still(state) {
                return;
            }
            let now = tokio::time::Instant::now();
            for id in state.on_node(node) {
                state.delete(id, None, now);
            }
        });
    }

    async fn boot(&self, node: usize) {
        let losses = self.lock().nodes[node].losses;
        tokio::time::sleep(self.drawn(self.parameters.node_boot)).await;
        self.change(|state| {
            if state.nodes[node].losses != losses {
                return;
            }
            state.nodes[node].lit = true;
            state.nodes[node].ready = true;
            for pod in state.pods_mut().filter(|pod| pod.node == Some(node)) {
                pod.lost = false;
            }
        });
    }
}
