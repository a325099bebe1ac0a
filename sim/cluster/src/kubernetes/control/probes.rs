//! What the kubelet asks a container time and again (k8s.io/kubernetes, `pkg/kubelet/prober/worker.go`).
//!
//! The first question comes when the initial delay is over. A kubelet asks at the next tick of a clock
//! that runs since it has heard of the pod, which can be up to a period later.

use std::pin::pin;

use futures::future::{Either, select};
use tokio::time::{Instant, sleep_until, timeout};

use super::Inner;
use super::pods::PodId;
use crate::kubernetes::plan::Probe;

/// What a shell shows after SIGKILL.
pub(super) const STATUS_KILLED: i32 = 137;

#[derive(Clone, Copy)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

impl Inner {
    /// Asks a running container until it has to be started anew.
    pub(super) async fn probe(&self, id: PodId, index: usize) {
        let Some((startup, readiness, liveness)) = ({
            let state = self.lock();
            state.pod(id).map(|pod| {
                let container = pod.container(index);
                let (startup, readiness) = (container.startup.clone(), container.readiness.clone());
                (startup, readiness, container.liveness.clone())
            })
        }) else {
            return;
        };
        let began = Instant::now();
        if let Some(probe) = startup
            && !self.ask(id, index, Kind::Startup, &probe, began).await
        {
            return;
        }
        let ready = readiness.is_none();
        self.change_pod(id, |pod| {
            pod.containers[index].started = true;
            pod.containers[index].ready = ready;
            pod.settle(Instant::now());
        });
        let readiness = async {
            match readiness {
                Some(probe) => self.ask(id, index, Kind::Readiness, &probe, began).await,
                None => std::future::pending().await,
            }
        };
        let liveness = async {
            match liveness {
                Some(probe) => self.ask(id, index, Kind::Liveness, &probe, began).await,
                None => std::future::pending().await,
            }
        };
        if let Either::Right(_) = select(pin!(liveness), pin!(readiness)).await {
            // The pod is gone; whoever asked is about to hear of it.
            std::future::pending::<()>().await;
        }
    }

    /// Asks only whether a container that has no process is ready.
    pub(super) async fn probe_hollow(&self, id: PodId, index: usize) {
        let probe = {
            let state = self.lock();
            let pod = state.pod(id);
            pod.and_then(|pod| pod.container(index).readiness.clone())
        };
        if let Some(probe) = probe {
            self.ask(id, index, Kind::Readiness, &probe, Instant::now())
                .await;
        }
        std::future::pending::<()>().await;
    }

    /// One probe's questions. A startup probe ends with its first verdict, a liveness probe with a bad
    /// one; a readiness probe with the pod.
    async fn ask(
        &self,
        id: PodId,
        index: usize,
        kind: Kind,
        probe: &Probe,
        began: Instant,
    ) -> bool {
        sleep_until(began + probe.initial_delay).await;
        let (mut last, mut run) = (None, 0_u32);
        loop {
            let asked = Instant::now();
            let Some(good) = self.ask_once(id, index, probe).await else {
                return false;
            };
            run = if last == Some(good) {
                run.saturating_add(1)
            } else {
                1
            };
            last = Some(good);
            let threshold = if good {
                probe.successes
            } else {
                probe.failures
            };
            if !good && (run == 1 || run == threshold) {
                let count = format!("{run} of {threshold}");
                self.event(id, &format!("{} probe failed ({count})", kind.word()));
            }
            if run >= threshold {
                match kind {
                    Kind::Readiness => self.set_ready(id, index, good),
                    Kind::Startup => return good,
                    Kind::Liveness if !good => return false,
                    Kind::Liveness => {}
                }
            }
            sleep_until(asked + probe.period).await;
        }
    }

    async fn ask_once(&self, id: PodId, index: usize, probe: &Probe) -> Option<bool> {
        let (machine, address) = {
            let state = self.lock();
            let pod = state.pod(id)?;
            (pod.containers[index].machine?, pod.address?)
        };
        let run = self
            .machine
            .exec(machine, probe.check.command(address, probe.timeout));
        Some(matches!(timeout(probe.timeout, run).await, Ok(0)))
    }

    fn set_ready(&self, id: PodId, index: usize, ready: bool) {
        let as_before = self
            .lock()
            .pod(id)
            .is_none_or(|pod| pod.containers[index].ready == ready);
        if !as_before {
            self.change_pod(id, |pod| {
                pod.containers[index].ready = ready;
                pod.settle(Instant::now());
            });
        }
    }
}
