//! The life of one container: start, end, restart by policy.

use std::sync::Arc;
use std::time::Duration;

use futures::future::AbortHandle;
use tokio::time::Instant;

use super::{Health, Inner, Phase, Status};
use crate::compose::Restart;
use crate::machine::{Exit, NodeId};
use crate::plan::Container;

/// Between the end of a process and the end of its network. The kernel's FIN or RST for open
/// connections leave in it; what comes later meets silence. Docker takes some tens of
/// milliseconds for it.
const NETWORK_TEARDOWN: Duration = Duration::from_millis(50);

/// Docker's back-off between restarts (moby, `restartmanager`): doubling from the first to the
/// last, and anew after a run of at least so long.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(60);
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(10);

/// What a shell shows after SIGKILL.
pub(super) const STATUS_KILLED: i32 = 137;

/// A container and how it is.
pub(super) struct Member {
    pub(super) container: Container,
    pub(super) node: NodeId,
    pub(super) phase: Phase,
    pub(super) health: Option<Health>,
    pub(super) failures: u32,
    pub(super) restarts: u32,
    /// Ended by a command: the policy rests until the next start by hand.
    pub(super) by_hand: bool,
    /// Told to start while a command was still ending it: it starts when it has ended.
    pub(super) start_again: bool,
    pub(super) started_at: Option<Instant>,
    /// The running healthcheck.
    pub(super) monitor: Option<AbortHandle>,
    /// Counts starts and commands; a task of an older one has no say.
    pub(super) generation: u64,
    backoff: Option<Duration>,
}

impl Member {
    pub(super) fn new(container: Container, node: NodeId) -> Self {
        Self {
            container,
            node,
            phase: Phase::Created,
            health: None,
            failures: 0,
            restarts: 0,
            by_hand: false,
            start_again: false,
            started_at: None,
            monitor: None,
            generation: 0,
            backoff: None,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            name: self.container.name.clone(),
            service: self.container.service.name.clone(),
            node: self.node,
            address: self.container.address,
            phase: self.phase,
            health: self.health,
            restarts: self.restarts,
        }
    }

    /// Whether its network is there.
    pub(super) fn is_up(&self) -> bool {
        matches!(
            self.phase,
            Phase::Running | Phase::Paused | Phase::Ending | Phase::Hollow
        )
    }

    /// Whether it has a process.
    pub(super) fn has_process(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    pub(super) fn stop_monitor(&mut self) {
        if let Some(monitor) = self.monitor.take() {
            monitor.abort();
        }
    }

    /// The wait before the restart that the policy asks for; `None` when it asks for none.
    fn restart_after(&mut self, status: i32, ran: Duration) -> Option<Duration> {
        if self.by_hand {
            return None;
        }
        if ran >= BACKOFF_RESET_AFTER {
            self.backoff = None;
        }
        let wait = match self.backoff {
            None => BACKOFF_FIRST,
            Some(last) => (last * 2).min(BACKOFF_LAST),
        };
        let again = match self.container.service.restart {
            Restart::No => false,
            Restart::Always | Restart::UnlessStopped => true,
            Restart::OnFailure { retries_max } => {
                status != 0 && retries_max.is_none_or(|max| self.restarts < max)
            }
        };
        self.backoff = Some(wait);
        again.then_some(wait)
    }

    /// Forgets earlier restarts, as a start by hand does.
    pub(super) fn start_anew(&mut self) {
        self.by_hand = false;
        self.start_again = false;
        self.restarts = 0;
        self.backoff = None;
    }
}

impl Inner {
    /// Starts a container that has no process.
    pub(super) fn start(self: &Arc<Self>, node: NodeId) {
        let mut state = self.lock();
        let Some(member) = state.member_mut(node) else {
            return;
        };
        if member.is_up() && member.phase != Phase::Hollow {
            return;
        }
        member.generation += 1;
        member.phase = Phase::Running;
        member.failures = 0;
        member.started_at = Some(Instant::now());
        member.health = member
            .container
            .service
            .healthcheck
            .as_ref()
            .map(|_| Health::Starting);
        let (container, generation) = (member.container.clone(), member.generation);
        self.machine.plug(node, true);
        self.refresh_names(&state, &container);
        self.publish(&container, true);
        self.note(node, &container.name, "container started".to_owned());
        self.machine
            .start(node, &container.loaded, &container.launch);
        drop(state);
        self.start_monitor(node);
        let (inner, exit) = (self.clone(), self.machine.exit(node));
        tokio::spawn(async move {
            let exit = exit.await;
            inner.ended(node, generation, exit).await;
        });
        self.announce();
    }

    async fn ended(self: &Arc<Self>, node: NodeId, generation: u64, exit: Exit) {
        let ended_at = Instant::now();
        let status = match exit {
            Exit::Status(status) => status,
            Exit::Killed => STATUS_KILLED,
        };
        let (name, again) = {
            let mut state = self.lock();
            let Some(member) = state.member_mut(node) else {
                return;
            };
            if member.generation != generation {
                return;
            }
            member.stop_monitor();
            member.health = None;
            member.phase = Phase::Ending;
            let ran = member
                .started_at
                .map_or(Duration::ZERO, |start| ended_at - start);
            (
                member.container.name.clone(),
                member.restart_after(status, ran),
            )
        };
        self.note(
            node,
            &name,
            format!("container exited with status {status}"),
        );
        self.announce();
        tokio::time::sleep(NETWORK_TEARDOWN).await;
        self.take_down(node, status, again.is_some());
        let is_wanted = match self.lock().member_mut(node) {
            Some(member) if member.generation == generation && member.start_again => {
                member.start_anew();
                true
            }
            _ => false,
        };
        if is_wanted {
            self.start(node);
            return;
        }
        if let Some(wait) = again {
            let message = format!("restart {} ms after the exit", wait.as_millis());
            self.note(node, &name, message);
            tokio::time::sleep_until(ended_at + wait).await;
            let still = self.lock().member(node).is_some_and(|member| {
                member.generation == generation && matches!(member.phase, Phase::Restarting(_))
            });
            if still {
                self.start(node);
            }
        }
    }

    /// The container's network goes.
    pub(super) fn take_down(&self, node: NodeId, status: i32, again: bool) {
        let mut state = self.lock();
        let Some(member) = state.member_mut(node) else {
            return;
        };
        // A command may have come meanwhile.
        if again && !member.by_hand {
            member.restarts += 1;
            member.phase = Phase::Restarting(status);
        } else {
            member.phase = Phase::Exited(status);
        }
        let container = member.container.clone();
        self.publish(&container, false);
        self.refresh_names(&state, &container);
        self.machine.plug(node, false);
        drop(state);
        self.announce();
    }
}
