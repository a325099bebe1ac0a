//! Deployments: ReplicaSets that grow and shrink (k8s.io/kubernetes, `pkg/controller/deployment`,
//! `rolling.go`, `recreate.go`).
//!
//! The ReplicaSet controller's part is done in the same look: what a set is sized to, it has at once.
//! Deliberately absent: proportional scaling of several sets in the middle of a rollout (the new set
//! takes the whole difference), pausing, and a limit of kept revisions.

use std::time::Duration;

use tokio::time::Instant;

use super::owners::{Revision, Work};
use super::pods::{Pod, PodId};
use super::ranking::first_to_go;
use super::state::{NewPod, State};
use crate::kubernetes::plan::{Amount, Rolling, Rollout};

impl Amount {
    /// So many of `of`; a share is rounded up or down.
    pub(super) fn of(self, of: u32, up: bool) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) if up => (of * percent).div_ceil(100),
            Self::Percent(percent) => of * percent / 100,
        }
    }
}

impl Rolling {
    /// How many pods more, and how many fewer (`ResolveFenceposts`,
    /// `MaxUnavailable`): not both 0, and not fewer than none.
    pub(super) fn fenceposts(self, replicas: u32) -> (u32, u32) {
        let surge = self.max_surge.of(replicas, true);
        let unavailable = self.max_unavailable.of(replicas, false);
        let least = u32::from(surge == 0);
        (surge, unavailable.max(least).min(replicas))
    }
}

impl State {
    pub(super) fn deployment(&mut self, owner: usize, rollout: Rollout, now: Instant) -> Work {
        match rollout.rolling {
            Some(rolling) => self.roll(owner, rolling, rollout.min_ready, now),
            None => self.recreate(owner),
        }
        let mut work = Work::default();
        for set in 0..self.owners[owner].revisions.len() {
            self.fill(owner, set, now, &mut work);
        }
        self.wake_for_available(owner, rollout.min_ready, now, &mut work);
        self.get_on(owner, rollout.min_ready, now);
        work
    }

    /// Notes how far the rollout has come.
    fn get_on(&mut self, at: usize, min_ready: Duration, now: Instant) {
        let new = self.hash(at);
        let count = |wanted: &dyn Fn(&Pod) -> bool| {
            let pods = self.pods_of(at).filter(|pod| wanted(pod));
            u32::try_from(pods.count()).unwrap_or(u32::MAX)
        };
        let reached = (
            count(&|pod| pod.active() && pod.hash == new),
            count(&|pod| pod.hash == new && pod.available(min_ready, now)),
            count(&|pod| pod.active() && pod.hash != new),
        );
        let owner = &mut self.owners[at];
        if owner.progress.reached != reached {
            owner.progress.reached = reached;
            owner.progress.since = now;
        }
        owner.progress.complete |= reached == (owner.replicas, owner.replicas, 0);
    }

    fn roll(&mut self, owner: usize, rolling: Rolling, min_ready: Duration, now: Instant) {
        let available: Vec<u32> = (0..self.owners[owner].revisions.len())
            .map(|set| {
                let pods = self.pods_of_set(owner, set);
                let pods = pods.filter(|pod| pod.available(min_ready, now));
                pods.count().try_into().unwrap_or(u32::MAX)
            })
            .collect();
        let owner = &mut self.owners[owner];
        let (replicas, current) = (owner.replicas, owner.current);
        let (surge, unavailable) = rolling.fenceposts(replicas);
        let total: u32 = owner.revisions.iter().map(|set| set.size).sum();
        let new = &mut owner.revisions[current];
        if new.size > replicas {
            new.size = replicas;
        } else {
            let room = (replicas + surge).saturating_sub(total);
            new.size += room.min(replicas - new.size);
        }
        let size = new.size;
        let total: u32 = owner.revisions.iter().map(|set| set.size).sum();
        let at_least = replicas - unavailable;
        let not_there = size.saturating_sub(available[current]);
        let may_go = total.saturating_sub(at_least + not_there);
        if may_go == 0 {
            return;
        }
        let old = || (0..available.len()).filter(|&set| set != current);
        // First those of the old sets that serve nobody anyway, then others; the oldest set first.
        let mut left = may_go;
        for set in old() {
            let size = &mut owner.revisions[set].size;
            let sick = size.saturating_sub(available[set]).min(left);
            *size -= sick;
            left -= sick;
        }
        let mut left = available.iter().sum::<u32>().saturating_sub(at_least);
        for set in old() {
            let size = &mut owner.revisions[set].size;
            let go = left.min(*size);
            *size -= go;
            left -= go;
        }
    }

    /// Old pods go first, all of them and to their last process.
    fn recreate(&mut self, owner: usize) {
        let current = self.owners[owner].current;
        let hash = self.owners[owner].revisions[current].hash.clone();
        let old_left = self
            .pods_of(owner)
            .any(|pod| pod.hash != hash && !pod.finished());
        let owner = &mut self.owners[owner];
        for (at, set) in owner.revisions.iter_mut().enumerate() {
            if at != current {
                set.size = 0;
            } else if !old_left || set.size > owner.replicas {
                set.size = owner.replicas;
            }
        }
    }

    fn pods_of_set(&self, owner: usize, set: usize) -> impl Iterator<Item = &Pod> {
        let hash = &self.owners[owner].revisions[set].hash;
        self.pods_of(owner).filter(move |pod| pod.hash == *hash)
    }

    /// The ReplicaSet controller: as many active pods as the set's size says.
    fn fill(&mut self, owner: usize, set: usize, now: Instant, work: &mut Work) {
        let active: Vec<&Pod> = self
            .pods_of_set(owner, set)
            .filter(|pod| pod.active())
            .collect();
        let (have, want) = (
            active.len(),
            self.owners[owner].revisions[set].size as usize,
        );
        let go: Vec<PodId> = first_to_go(&active, have.saturating_sub(want), now);
        work.delete.extend(go);
        for _ in have..want {
            let owner_state = &mut self.owners[owner];
            let Revision { hash, template, .. } = owner_state.revisions[set].clone();
            let suffix = owner_state.random.suffix();
            work.create.push(NewPod {
                owner,
                name: format!("{}-{hash}-{suffix}", owner_state.workload.name),
                ordinal: None,
                labels: vec![("pod-template-hash", hash.clone())],
                hash,
                template,
            });
        }
    }

    /// Looks again when the next ready pod becomes available by the passing of time.
    pub(super) fn wake_for_available(
        &self,
        owner: usize,
        min_ready: Duration,
        now: Instant,
        work: &mut Work,
    ) {
        for since in self.pods_of(owner).filter_map(|pod| pod.ready) {
            if since + min_ready > now {
                work.again_at(since + min_ready);
            }
        }
    }
}
