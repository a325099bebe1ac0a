//! A container without its process: address, names and published ports stay, and nobody listens.
//! It is what a pod is whose image was swapped for one that only waits (Chaos Mesh's pod-failure),
//! and what a container is between a crash and the kubelet's restart.

use super::{Compose, Error, Inner, Phase};
use crate::machine::{NodeId, Signal};

impl Compose {
    /// Kills the processes of a target and leaves the rest of its containers as they are. Nobody
    /// restarts them before [`Compose::start`]. What has no process stays as it is.
    pub async fn hollow(&self, target: &str) -> Result<(), Error> {
        for node in self.nodes(target)? {
            self.inner.hollow(node);
        }
        Ok(())
    }
}

impl Inner {
    fn hollow(&self, node: NodeId) {
        {
            let mut state = self.lock();
            let Some(member) = state.member_mut(node).filter(|member| member.has_process()) else {
                return;
            };
            member.by_hand = true;
            // The task that waits for the process's end has no say any more.
            member.generation += 1;
            member.stop_monitor();
            member.health = None;
            member.phase = Phase::Hollow;
        }
        self.machine.signal(node, Signal::Kill);
        self.announce();
    }
}
