//! What a scenario does to a running system, with the meaning of Docker's commands.
//!
//! A target is a service (all of its containers), a container's name, or `service-number`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};

use super::container::{Member, STATUS_KILLED};
use super::{Compose, Error, Inner, Phase, add_node};
use crate::machine::{NodeId, Signal};

/// SIGKILL cannot be ignored; a machine that does not end by it is broken.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A command's answer must come in this time, as a scenario must go on.
const EXEC_TIMEOUT: Duration = Duration::from_secs(60);

/// More containers of one service than this are a slip of the pen.
const SCALE_MAX: u32 = 1000;

impl Compose {
    /// `docker kill`: SIGKILL, and the container is not restarted. Returns when it is down, its
    /// network gone and its names with it. A target without a running container is an error.
    pub async fn kill(&self, target: &str) -> Result<(), Error> {
        let nodes = self.running(target)?;
        join_all(nodes.into_iter().map(|node| self.inner.kill(node)))
            .await
            .into_iter()
            .collect()
    }

    /// SIGKILL from inside, as a crash or the kernel's out-of-memory killer: the restart policy
    /// applies. Returns at once.
    pub fn crash(&self, target: &str) -> Result<(), Error> {
        for node in self.running(target)? {
            self.inner.machine.signal(node, Signal::Kill);
        }
        Ok(())
    }

    /// `docker stop`: SIGTERM, after the grace period SIGKILL. What does not run is left alone.
    pub async fn stop(&self, target: &str) -> Result<(), Error> {
        let nodes = self.nodes(target)?;
        try_join_all(nodes.into_iter().map(|node| self.inner.stop(node))).await?;
        Ok(())
    }

    /// `docker stop --time`: as [`Compose::stop`], with this grace period.
    pub async fn stop_within(&self, target: &str, grace: Duration) -> Result<(), Error> {
        let nodes = self.nodes(target)?;
        let stops = nodes
            .into_iter()
            .map(|node| self.inner.stop_in(node, grace));
        try_join_all(stops).await?;
        Ok(())
    }

    /// `docker start`. What runs is left alone; what is still being stopped starts when it has ended, as if
    /// the one who types this had waited for `docker stop`.
    pub async fn start(&self, target: &str) -> Result<(), Error> {
        for node in self.nodes(target)? {
            self.inner.start_by_hand(node).await?;
        }
        Ok(())
    }

    /// `docker restart`: stop, where it runs, and start.
    pub async fn restart(&self, target: &str) -> Result<(), Error> {
        let nodes = self.nodes(target)?;
        let restarts = nodes.into_iter().map(|node| async move {
            self.inner.stop(node).await?;
            self.inner.start_by_hand(node).await
        });
        try_join_all(restarts).await?;
        Ok(())
    }

    /// `docker pause`: the process is frozen, its kernel still answers; healthchecks rest.
    pub fn pause(&self, target: &str) -> Result<(), Error> {
        for node in self.running(target)? {
            self.inner.freeze(node, true)?;
        }
        Ok(())
    }

    /// `docker unpause`.
    pub fn unpause(&self, target: &str) -> Result<(), Error> {
        for node in self.running(target)? {
            self.inner.freeze(node, false)?;
        }
        Ok(())
    }

    /// `docker exec` in the target's first container: the command's status, 124 when it does not
    /// end in a minute.
    pub async fn exec(&self, target: &str, command: Vec<String>) -> Result<i32, Error> {
        let nodes = self.running(target)?;
        let Some(&node) = nodes.first() else {
            return Err(Error::NotRunning {
                name: target.to_owned(),
            });
        };
        {
            let state = self.inner.lock();
            if let Some(member) = state.member(node).filter(|m| m.phase == Phase::Paused) {
                return Err(Error::Paused {
                    name: member.container.name.clone(),
                    paused: true,
                });
            }
        }
        let run = self.inner.machine.exec(node, command);
        Ok(tokio::time::timeout(EXEC_TIMEOUT, run).await.unwrap_or(124))
    }

    /// `docker compose up --scale`: more containers with the next numbers and free addresses, or
    /// fewer, those with the highest numbers stopped and removed.
    pub async fn scale(&self, service: &str, replicas: u32) -> Result<(), Error> {
        let (added, removed) = {
            let mut state = self.inner.lock();
            let Some(plan) = state
                .plan
                .services
                .iter()
                .find(|s| s.name == service)
                .cloned()
            else {
                return Err(Error::NoSuchTarget {
                    name: service.to_owned(),
                    known: state.plan.services.iter().map(|s| s.name.clone()).collect(),
                });
            };
            let removed: Vec<NodeId> = state
                .of_service(service)
                .filter(|member| member.container.number > replicas)
                .map(|member| member.node)
                .collect();
            let mut added = Vec::new();
            for number in 1..=replicas.min(SCALE_MAX) {
                if state
                    .of_service(service)
                    .any(|m| m.container.number == number)
                {
                    continue;
                }
                let others: Vec<_> = state.members.iter().map(|m| m.container.clone()).collect();
                let container = state.plan.further(&plan, number, &others)?;
                let node = add_node(&*self.inner.machine, &container);
                state.members.push(Member::new(container, node));
                added.push(node);
            }
            (added, removed)
        };
        for node in added {
            self.inner.start_by_hand(node).await?;
        }
        try_join_all(removed.iter().map(|&node| self.inner.stop(node))).await?;
        let mut state = self.inner.lock();
        state
            .members
            .retain(|member| !removed.contains(&member.node));
        drop(state);
        self.inner.announce();
        Ok(())
    }

    /// The target's containers that have a process; an error when there is none.
    fn running(&self, target: &str) -> Result<Vec<NodeId>, Error> {
        let state = self.inner.lock();
        let nodes = state.targets(target)?;
        let running: Vec<NodeId> = nodes
            .into_iter()
            .filter(|&node| state.member(node).is_some_and(Member::has_process))
            .collect();
        if running.is_empty() {
            return Err(Error::NotRunning {
                name: target.to_owned(),
            });
        }
        Ok(running)
    }
}

impl Inner {
    /// Marks a container as ended by a command. A restart that it waits for does not come.
    fn take_in_hand(&self, node: NodeId) -> bool {
        let mut state = self.lock();
        let Some(member) = state.member_mut(node) else {
            return false;
        };
        member.by_hand = true;
        member.start_again = false;
        if member.phase == Phase::Hollow {
            drop(state);
            self.take_down(node, STATUS_KILLED, false);
            return false;
        }
        if let Phase::Restarting(status) = member.phase {
            member.generation += 1;
            member.phase = Phase::Exited(status);
            drop(state);
            self.announce();
            return false;
        }
        member.is_up()
    }

    async fn kill(&self, node: NodeId) -> Result<(), Error> {
        if !self.take_in_hand(node) {
            return Ok(());
        }
        self.machine.signal(node, Signal::Kill);
        self.until_down(node, KILL_TIMEOUT).await
    }

    async fn stop(&self, node: NodeId) -> Result<(), Error> {
        let grace = self.lock().member(node).map(|member| {
            let service = &member.container.service;
            (service.stop_grace, service.stop_at_once)
        });
        match grace {
            None => Ok(()),
            Some((_, true)) => self.kill(node).await,
            Some((grace, false)) => self.stop_in(node, grace).await,
        }
    }

    async fn stop_in(&self, node: NodeId, grace: Duration) -> Result<(), Error> {
        if !self.take_in_hand(node) {
            return Ok(());
        }
        let paused = self
            .lock()
            .member(node)
            .is_some_and(|member| member.phase == Phase::Paused);
        self.tell(node, "docker stop: SIGTERM");
        self.machine.signal(node, Signal::Terminate);
        if paused {
            // A frozen process could not see the request.
            self.machine.signal(node, Signal::Continue);
        }
        if self.until_down(node, grace).await.is_ok() {
            return Ok(());
        }
        self.tell(node, "docker stop: the grace period is over, SIGKILL");
        // Not `kill`, which would forget a start that came meanwhile.
        self.machine.signal(node, Signal::Kill);
        self.until_down(node, KILL_TIMEOUT).await
    }

    async fn start_by_hand(self: &Arc<Self>, node: NodeId) -> Result<(), Error> {
        let ending = {
            let mut state = self.lock();
            match state.member_mut(node) {
                Some(member) if member.has_process() => {
                    member.start_again = member.by_hand;
                    return Ok(());
                }
                Some(member) => {
                    member.start_anew();
                    member.phase == Phase::Ending
                }
                None => return Ok(()),
            }
        };
        if ending {
            self.until_down(node, KILL_TIMEOUT).await?;
        }
        self.start(node);
        Ok(())
    }

    fn freeze(self: &Arc<Self>, node: NodeId, pause: bool) -> Result<(), Error> {
        {
            let mut state = self.lock();
            let Some(member) = state.member_mut(node) else {
                return Ok(());
            };
            let paused = member.phase == Phase::Paused;
            if paused == pause {
                return Err(Error::Paused {
                    name: member.container.name.clone(),
                    paused,
                });
            }
            if pause {
                member.phase = Phase::Paused;
                member.stop_monitor();
            } else {
                member.phase = Phase::Running;
            }
        }
        if pause {
            self.tell(node, "docker pause");
            self.machine.signal(node, Signal::Stop);
        } else {
            self.tell(node, "docker unpause");
            self.machine.signal(node, Signal::Continue);
            self.start_monitor(node);
        }
        self.announce();
        Ok(())
    }

    fn tell(&self, node: NodeId, message: &str) {
        let name = self
            .lock()
            .member(node)
            .map(|member| member.container.name.clone())
            .unwrap_or_default();
        self.note(node, &name, message.to_owned());
    }

    async fn until_down(&self, node: NodeId, timeout: Duration) -> Result<(), Error> {
        let of = self.lock().member(node).map(|member| member.generation);
        let down = self.until(timeout, |state| match state.member(node) {
            // Somebody else may have waited for the same, and started it again since.
            Some(member) if member.is_up() && Some(member.generation) == of => None,
            _ => Some(()),
        });
        down.await.map_err(|()| {
            let state = self.lock();
            let name = state.member(node).map(|m| m.container.name.clone());
            Error::Late {
                timeout,
                waiting: vec![format!("{} (still runs)", name.unwrap_or_default())],
            }
        })
    }
}
