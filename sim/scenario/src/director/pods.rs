//! What PodChaos does to containers that stand for pods.
//!
//! - A pod that is deleted is replaced at once by its controller: the container goes with its
//!   network, and starts again.
//! - A container that is killed is started by the kubelet in the same pod: its network stays. The
//!   first restart comes at once, the next after 10 s, 20 s and so on (kubernetes.io, "Pod
//!   Lifecycle", restart policy).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::faults::Doing;
use crate::file::Process;
use crate::world::System;

const BACKOFF_FIRST: Duration = Duration::from_secs(10);
const BACKOFF_LAST: Duration = Duration::from_secs(300);
/// A container that ran for so long starts anew.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(600);

/// The kubelet's memory of its restarts.
#[derive(Default)]
pub(super) struct Kubelet {
    /// When each container was started last, and how long the restart before waited.
    restarts: BTreeMap<String, (Duration, Duration)>,
}

impl Kubelet {
    /// How long the container that is killed `now` waits for its restart.
    fn wait(&mut self, container: &str, now: Duration) -> Duration {
        let wait = match self.restarts.get(container) {
            Some((started, last)) if now < *started + BACKOFF_RESET_AFTER => {
                (*last * 2).clamp(BACKOFF_FIRST, BACKOFF_LAST)
            }
            _ => Duration::ZERO,
        };
        self.restarts
            .insert(container.to_owned(), (now + wait, wait));
        wait
    }

    /// A container is killed and started again.
    pub(super) fn kill(&mut self, name: &str, now: Duration, system: &Arc<dyn System>) -> Doing {
        let wait = self.wait(name, now);
        let (system, name) = (system.clone(), name.to_owned());
        Box::pin(async move {
            let what = format!("kill the container of {name} and start it again");
            let done = async {
                system.hollow(&name).await?;
                sleep(wait).await;
                system.act(&name, Process::Start).await
            };
            (what, done.await)
        })
    }
}

/// A pod is deleted, and another takes its place.
pub(super) fn kill(name: &str, grace: Duration, system: &Arc<dyn System>) -> Doing {
    let (system, name) = (system.clone(), name.to_owned());
    Box::pin(async move {
        let what = format!("kill the pod {name} and start another");
        let done = async {
            match grace.is_zero() {
                true => system.act(&name, Process::Kill).await?,
                false => system.stop_within(&name, grace).await?,
            }
            system.act(&name, Process::Start).await
        };
        (what, done.await)
    })
}

/// A pod's process goes, and nothing takes its place.
pub(super) fn fail(name: &str, system: &Arc<dyn System>) -> Doing {
    let done = system.hollow(name);
    let what = format!("empty the pod {name}");
    Box::pin(async move { (what, done.await) })
}

/// A pod that failed has its process again.
pub(super) fn recover(name: &str, system: &Arc<dyn System>) -> Doing {
    let done = system.act(name, Process::Start);
    let what = format!("start {name} again");
    Box::pin(async move { (what, done.await) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_waits_longer_each_time() {
        let mut kubelet = Kubelet::default();
        let s = Duration::from_secs;
        let waits: Vec<u64> = [0, 1, 20, 50, 100, 1000]
            .map(|now| kubelet.wait("a", s(now)).as_secs())
            .into();
        assert_eq!(waits, [0, 10, 20, 40, 80, 0]);
    }
}
