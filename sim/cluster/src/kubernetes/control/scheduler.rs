//! Which node a pod gets.
//!
//! The score stands for kube-scheduler's default spreading (PodTopologySpread, then
//! NodeResourcesBalancedAllocation): fewest pods of the same workload, then fewest pods, then the order
//! of the nodes. Deliberately absent: requests, taints, affinity.

use super::nodes::Node;
use super::pods::Pod;
use super::state::State;

impl State {
    /// The node for a pod; `None` while there is none.
    pub(super) fn schedule(&self, pod: &Pod) -> Option<usize> {
        let wanted = pod.template.node.as_ref();
        let on = |node: usize| self.pods().filter(move |pod| pod.node == Some(node));
        (0..self.nodes.len())
            .filter(|&node| wanted.is_none_or(|name| *name == self.nodes[node].name))
            .filter(|&node| self.nodes[node].schedulable())
            .min_by_key(|&node| {
                let alike = on(node).filter(|other| other.owner == pod.owner && other.active());
                let all = on(node).filter(|other| !other.finished());
                (alike.count(), all.count(), node)
            })
    }
}

impl Node {
    fn schedulable(&self) -> bool {
        self.ready && !self.cordoned
    }
}
