//! Evictions, and the PodDisruptionBudgets that refuse them (k8s.io/kubernetes,
//! `pkg/registry/core/pod/storage/eviction.go`, `pkg/controller/disruption`).

use std::time::Duration;

use tokio::time::Instant;

use super::pods::{Phase, Pod, PodId};
use super::state::State;
use super::{Error, Kube};
use crate::kubernetes::plan::{Budget, Leaves};

/// kubectl asks again after so long for an eviction that was refused
/// (k8s.io/kubectl, `pkg/drain/drain.go`).
const EVICT_AGAIN: Duration = Duration::from_secs(5);

impl Kube {
    /// `kubectl drain`: cordons the node and evicts its pods; ends when they are gone. A budget that
    /// never allows an eviction makes it wait for ever, as there.
    pub async fn drain(&self, node: &str) -> Result<(), Error> {
        let inner = &self.inner;
        let pods: Vec<PodId> = {
            let mut state = inner.lock();
            let node = state.node(node)?;
            state.nodes[node].cordoned = true;
            inner.announce(&mut state);
            let on = state.pods().filter(|pod| pod.node == Some(node));
            on.filter(|pod| !pod.terminating())
                .map(|pod| pod.id)
                .collect()
        };
        let mut waiting = pods.clone();
        loop {
            waiting.retain(|&id| {
                let mut state = inner.lock();
                if let Some(budget) = state.refuses(id) {
                    drop(state);
                    inner.event(
                        id,
                        &format!("eviction refused by budget {budget}, again in 5 s"),
                    );
                    return true;
                }
                state.delete(id, None, Instant::now());
                inner.announce(&mut state);
                false
            });
            if waiting.is_empty() {
                break;
            }
            tokio::time::sleep(EVICT_AGAIN).await;
        }
        inner.until_gone(&pods).await;
        Ok(())
    }

    /// `kubectl uncordon`
    pub fn uncordon(&self, node: &str) -> Result<(), Error> {
        let mut state = self.inner.lock();
        let node = state.node(node)?;
        state.nodes[node].cordoned = false;
        self.inner.announce(&mut state);
        Ok(())
    }
}

impl State {
    /// The budget that refuses the eviction of a pod.
    fn refuses(&self, id: PodId) -> Option<String> {
        let pod = self.pod(id).filter(|pod| pod.active())?;
        let refuses = |budget: &&Budget| {
            let (healthy, needed) = self.health(budget);
            // A pod that is not ready may go while enough others are (`IfHealthyBudget`).
            let after = healthy - usize::from(pod.ready.is_some());
            budget.is_about(pod) && pod.phase != Phase::Pending && after < needed
        };
        self.budgets
            .iter()
            .find(refuses)
            .map(|budget| budget.name.clone())
    }

    /// How many of a budget's pods are ready, and how many must be.
    fn health(&self, budget: &Budget) -> (usize, usize) {
        let pods = || self.pods().filter(|pod| budget.is_about(pod));
        let healthy = pods()
            .filter(|pod| pod.active() && pod.ready.is_some())
            .count();
        let mut owners: Vec<usize> = pods().map(|pod| pod.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let expected: u32 = owners
            .iter()
            .map(|&owner| self.owners[owner].replicas)
            .sum();
        let needed = match budget.leaves {
            Leaves::Available(amount) => amount.of(expected, true),
            Leaves::Unavailable(amount) => expected.saturating_sub(amount.of(expected, true)),
        };
        (healthy, needed as usize)
    }
}

impl Budget {
    fn is_about(&self, pod: &Pod) -> bool {
        pod.namespace == self.namespace
            && self
                .selector
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}
