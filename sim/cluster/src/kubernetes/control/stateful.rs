//! StatefulSets: numbered pods, one after the other (k8s.io/kubernetes,
//! `pkg/controller/statefulset/stateful_set_control.go`).
//!
//! Deliberately absent: the numbers of a controller revision; a pod has the new template or the one
//! before it.

use tokio::time::Instant;

use super::owners::{Revision, Work};
use super::pods::{Pod, PodId};
use super::state::{NewPod, State};
use crate::kubernetes::plan::Stateful;

impl State {
    pub(super) fn stateful(&mut self, owner: usize, set: &Stateful, now: Instant) -> Work {
        let mut work = Work::default();
        self.wake_for_available(owner, set.min_ready, now, &mut work);
        let replicas = self.owners[owner].replicas;
        let healthy = |pod: &Pod| pod.available(set.min_ready, now);
        let mut waits = false;
        for ordinal in 0..replicas {
            match self.numbered(owner, ordinal) {
                None => {
                    work.create.push(self.successor(owner, set, ordinal));
                    waits = true;
                }
                // It is made again once it is gone.
                Some(pod) if pod.finished() && !pod.terminating() => {
                    work.delete.push(pod.id);
                    waits = true;
                }
                Some(pod) => waits |= !healthy(pod),
            }
            if waits && !set.parallel {
                return work;
            }
        }
        let mut beyond: Vec<(u32, PodId, bool)> = self
            .pods_of(owner)
            .filter_map(|pod| Some((pod.ordinal?, pod.id, pod.terminating())))
            .filter(|&(ordinal, ..)| ordinal >= replicas)
            .collect();
        beyond.sort_by_key(|&(ordinal, ..)| std::cmp::Reverse(ordinal));
        for &(_, id, terminating) in &beyond {
            if !terminating {
                work.delete.push(id);
            }
            if !set.parallel {
                return work;
            }
        }
        if set.on_delete {
            return work;
        }
        let new = self.hash(owner);
        for ordinal in (set.partition..replicas).rev() {
            let Some(pod) = self.numbered(owner, ordinal) else {
                return work;
            };
            if pod.hash != new && !pod.terminating() {
                work.delete.push(pod.id);
                return work;
            }
            if !healthy(pod) {
                return work;
            }
        }
        work
    }

    fn numbered(&self, owner: usize, ordinal: u32) -> Option<&Pod> {
        self.pods_of(owner).find(|pod| pod.ordinal == Some(ordinal))
    }

    /// The hash of the template that is asked for now.
    pub(super) fn hash(&self, owner: usize) -> String {
        let owner = &self.owners[owner];
        owner.revisions[owner.current].hash.clone()
    }

    fn successor(&self, at: usize, set: &Stateful, ordinal: u32) -> NewPod {
        let owner = &self.owners[at];
        let revision = match ordinal < set.partition {
            true => owner.previous,
            false => owner.current,
        };
        let Revision { hash, template, .. } = owner.revisions[revision].clone();
        let name = format!("{}-{ordinal}", owner.workload.name);
        NewPod {
            owner: at,
            ordinal: Some(ordinal),
            labels: vec![
                ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                (
                    "controller-revision-hash",
                    format!("{}-{hash}", owner.workload.name),
                ),
                ("statefulset.kubernetes.io/pod-name", name.clone()),
            ],
            name,
            hash,
            template,
        }
    }
}
