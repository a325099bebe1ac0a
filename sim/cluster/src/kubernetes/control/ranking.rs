//! Which pods of a ReplicaSet go first when it shrinks.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::pods::{Phase, Pod, PodId};

/// The `count` pods that go first (k8s.io/kubernetes, `pkg/controller/controller_utils.go`,
/// `ActivePodsWithRanks`): without a node, pending, not ready, one of several on a node, lately ready,
/// often restarted, lately created. Ages are compared by their logarithm to the base of two, and by the
/// uid where that is the same (`LogarithmicScaleDown`, on since 1.22).
pub(super) fn first_to_go(pods: &[&Pod], count: usize, now: Instant) -> Vec<PodId> {
    let on_node = |pod: &Pod| pods.iter().filter(|other| other.node == pod.node).count();
    let age = |since: Instant| now.duration_since(since).as_nanos().checked_ilog2();
    let mut ranked: Vec<_> = pods
        .iter()
        .map(|pod| {
            let key = (
                pod.node.is_some(),
                pod.phase != Phase::Pending,
                pod.ready.is_some(),
                Reverse(on_node(pod)),
                pod.ready.map(age),
                Reverse(pod.restarts()),
                age(pod.created),
                pod.uid.as_str(),
            );
            (key, pod.id)
        })
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(_, id)| id).take(count).collect()
}
