//! What a command's target means.

use super::Error;
use super::pods::{Pod, PodId};
use super::state::State;

impl State {
    /// The pods of a target: a pod's name, a workload (all its pods), `WORKLOAD-N` (the N-th oldest of
    /// them, from 1), a node (all pods on it); with `namespace/` before the first three where needed.
    pub(super) fn targets(&self, target: &str) -> Result<Vec<PodId>, Error> {
        let (namespace, name) = match target.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, target),
        };
        let here = |pod: &&Pod| namespace.is_none_or(|namespace| pod.namespace == namespace);
        let alive = |pod: &&Pod| !pod.finished();
        let named: Vec<PodId> = self
            .pods()
            .filter(|pod| here(pod) && pod.name == name)
            .map(|pod| pod.id)
            .collect();
        if !named.is_empty() {
            return Ok(named);
        }
        match self.owner(target) {
            Ok(owner) => {
                return Ok(self
                    .pods_of(owner)
                    .filter(alive)
                    .map(|pod| pod.id)
                    .collect());
            }
            Err(error @ Error::Ambiguous { .. }) => return Err(error),
            Err(_) => {}
        }
        if let Ok(node) = self.node(target) {
            let on = self.pods().filter(|pod| pod.node == Some(node));
            return Ok(on.filter(alive).map(|pod| pod.id).collect());
        }
        self.numbered_target(target)
            .ok_or_else(|| self.unknown(target))
    }

    fn numbered_target(&self, target: &str) -> Option<Vec<PodId>> {
        let (workload, number) = target.rsplit_once('-')?;
        let number = number.parse::<usize>().ok()?.checked_sub(1)?;
        let owner = self.owner(workload).ok()?;
        let mut living = self.pods_of(owner).filter(|pod| pod.active());
        Some(vec![living.nth(number)?.id])
    }

    /// A workload by its name, or by `namespace/name`.
    pub(super) fn owner(&self, target: &str) -> Result<usize, Error> {
        let is = |at: &usize| {
            let owner = &self.owners[*at];
            let full = format!("{}/{}", owner.workload.namespace, owner.workload.name);
            owner.workload.name == target || full == target
        };
        let found: Vec<usize> = (0..self.owners.len()).filter(is).collect();
        match found[..] {
            [owner] => Ok(owner),
            [] => Err(self.unknown(target)),
            _ => Err(Error::Ambiguous {
                name: target.to_owned(),
                known: found
                    .iter()
                    .map(|&at| self.owners[at].shown.clone())
                    .collect(),
            }),
        }
    }

    fn unknown(&self, target: &str) -> Error {
        let workloads = self.owners.iter().map(|owner| owner.shown.clone());
        let nodes = self.nodes.iter().map(|node| node.name.clone());
        Error::NoSuchTarget {
            name: target.to_owned(),
            known: workloads.chain(nodes).collect(),
        }
    }
}
