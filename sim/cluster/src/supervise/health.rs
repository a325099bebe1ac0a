//! Healthchecks, by Docker's rules (moby, `daemon/health.go`).

use std::sync::Arc;

use futures::future::{AbortHandle, Abortable};
use tokio::time::Instant;

use super::{Health, Inner, Phase};
use crate::compose::Healthcheck;
use crate::machine::NodeId;

impl Inner {
    /// Starts the healthcheck of a running container; nothing without one.
    pub(super) fn start_monitor(self: &Arc<Self>, node: NodeId) {
        let mut state = self.lock();
        let Some(member) = state.member_mut(node) else {
            return;
        };
        let Some(check) = member.container.service.healthcheck.clone() else {
            return;
        };
        member.stop_monitor();
        let (handle, registration) = AbortHandle::new_pair();
        member.monitor = Some(handle);
        let (inner, generation) = (self.clone(), member.generation);
        let monitor = async move { inner.monitor(node, generation, &check.value).await };
        // Aborting is the ordinary end.
        tokio::spawn(async move {
            let _ = Abortable::new(monitor, registration).await;
        });
    }

    async fn monitor(&self, node: NodeId, generation: u64, check: &Healthcheck) {
        loop {
            let (started, starting) = {
                let state = self.lock();
                let Some(member) = state.member(node) else {
                    return;
                };
                let starting = member.health == Some(Health::Starting);
                (member.started_at.unwrap_or_else(Instant::now), starting)
            };
            let early = started.elapsed() < check.start_period && starting;
            let interval = if early {
                check.start_interval
            } else {
                check.interval
            };
            tokio::time::sleep(interval).await;
            let forgiven = started.elapsed() < check.start_period;
            let run = self.machine.exec(node, check.test.clone());
            let passed = matches!(tokio::time::timeout(check.timeout, run).await, Ok(0));
            if !self.record(node, generation, check, passed, forgiven) {
                return;
            }
        }
    }

    /// Takes one result in; false when the container has moved on.
    fn record(
        &self,
        node: NodeId,
        generation: u64,
        check: &Healthcheck,
        passed: bool,
        forgiven: bool,
    ) -> bool {
        let mut state = self.lock();
        let Some(member) = state.member_mut(node) else {
            return false;
        };
        if member.generation != generation || member.phase != Phase::Running {
            return false;
        }
        let before = member.health;
        if passed {
            member.failures = 0;
            member.health = Some(Health::Healthy);
        } else if !(forgiven && before == Some(Health::Starting)) {
            member.failures = member.failures.saturating_add(1);
            if member.failures >= check.retries {
                member.health = Some(Health::Unhealthy);
            }
        }
        let (after, name) = (member.health, member.container.name.clone());
        drop(state);
        if before != after {
            let word = match after {
                Some(Health::Healthy) => "healthy",
                _ => "unhealthy",
            };
            self.note(node, &name, format!("container is {word}"));
            self.announce();
        }
        true
    }
}
