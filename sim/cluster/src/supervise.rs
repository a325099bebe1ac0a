//! Runs a [`Plan`] on machines, as `docker compose` and the Docker daemon do.
//!
//! Start order and its conditions, healthchecks, restart policies with their back-off, names and
//! published ports that come and go with containers, and the commands of a scenario: kill, stop,
//! start, restart, pause, scale, exec. Everything is driven by `tokio::time` and by the machines,
//! so one order of events gives one history.
//!
//! Deliberately absent: the time that Docker itself takes to start a container, and Compose's
//! half-second polling of conditions; both only delay the start of a run.

mod command;
mod container;
mod health;
mod hollow;
mod states;
mod up;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_host::Diagnostics;
use tokio::sync::watch;

use crate::Machine;
use crate::machine::{NodeId, NodeSpec, Resolver, Shared};
use crate::plan::{Container, Plan};
use container::Member;
use states::Told;

/// What the supervisor may be told beside the plan.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long [`Compose::up`] waits for everything to be there.
    pub up_timeout: Duration,
    /// Also give every container its names with the network behind: `name.project_network`.
    pub names_with_network: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            up_timeout: Duration::from_secs(300),
            names_with_network: true,
        }
    }
}

/// A running system. Clones are handles on the same.
#[derive(Clone)]
pub struct Compose {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Arc<dyn Machine>,
    settings: Settings,
    state: Mutex<State>,
    /// Counts changes of any container's state.
    changed: watch::Sender<u64>,
}

struct State {
    plan: Plan,
    /// In start order; scaled ones behind.
    members: Vec<Member>,
    /// How the containers were when the record was told.
    told: Told,
}

/// How a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Never started.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its process ended and its network is being taken away.
    Ending,
    /// Its process was taken away and the rest of it stays, until it is started.
    Hollow,
    /// It waits for its restart; the status of its last end.
    Restarting(i32),
    /// It is down; the status, 137 after SIGKILL.
    Exited(i32),
}

/// What the healthcheck says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No verdict yet.
    Starting,
    /// The last run passed.
    Healthy,
    /// So many runs in a row failed as `retries` says.
    Unhealthy,
}

/// One container's state, as `docker ps` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The container's name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its machine.
    pub node: NodeId,
    /// Its address.
    pub address: Ipv4Addr,
    /// How it is.
    pub phase: Phase,
    /// `None` without a healthcheck, or when it does not run.
    pub health: Option<Health>,
    /// Restarts by policy since the last start by hand.
    pub restarts: u32,
}

/// Why a command to a running system failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No container and no service has this name.
    #[error("no service or container `{name}`; there are {}", .known.join(", "))]
    NoSuchTarget {
        /// What was asked for.
        name: String,
        /// The services.
        known: Vec<String>,
    },
    /// The command needs a running container.
    #[error("container {name} is not running")]
    NotRunning {
        /// The container.
        name: String,
    },
    /// The command needs a container that is not paused.
    #[error("container {name} is {}paused", if *.paused { "" } else { "not " })]
    Paused {
        /// The container.
        name: String,
        /// What it is.
        paused: bool,
    },
    /// Something else was not reached in time.
    #[error("not there after {timeout:?}: {}", .waiting.join("; "))]
    Late {
        /// How long it was waited for.
        timeout: Duration,
        /// Who is waited for, and how it is.
        waiting: Vec<String>,
    },
    /// A dependency will not come.
    #[error("{service} cannot start: {reason}")]
    Dependency {
        /// Who waits.
        service: String,
        /// For what, and how that is.
        reason: String,
    },
    /// A container ended while the system was being started.
    #[error("container {name} exited with status {status} during the start")]
    Exited {
        /// The container.
        name: String,
        /// Its status.
        status: i32,
    },
    /// A further container cannot be planned.
    #[error(transparent)]
    Plan(#[from] Diagnostics),
}

impl Compose {
    /// Makes the machines; nothing runs before [`Compose::up`].
    pub fn new(plan: Plan, machine: Arc<dyn Machine>, settings: Settings) -> Self {
        for (name, address) in &plan.hosts {
            machine.set_name(name, vec![*address]);
        }
        let members = plan
            .containers
            .iter()
            .map(|container| Member::new(container.clone(), add_node(&*machine, container)))
            .collect();
        let (changed, _) = watch::channel(0);
        Self {
            inner: Arc::new(Inner {
                machine,
                settings,
                state: Mutex::new(State {
                    plan,
                    members,
                    told: Told::default(),
                }),
                changed,
            }),
        }
    }

    /// Every container's state, in start order.
    pub fn status(&self) -> Vec<Status> {
        let state = self.inner.lock();
        state.members.iter().map(Member::status).collect()
    }

    /// The names of all services, in the order of the file, also of those without a container.
    pub fn services(&self) -> Vec<String> {
        let state = self.inner.lock();
        state.plan.services.iter().map(|s| s.name.clone()).collect()
    }

    /// Every container with its machine, its phase and its project, in start order.
    pub fn containers(&self) -> Vec<(Container, NodeId, Phase, String)> {
        let state = self.inner.lock();
        let members = state.members.iter();
        members
            .map(|member| {
                let project = state.plan.project.clone();
                (member.container.clone(), member.node, member.phase, project)
            })
            .collect()
    }

    /// The machines of a service or a container.
    pub fn nodes(&self, target: &str) -> Result<Vec<NodeId>, Error> {
        self.inner.lock().targets(target)
    }
}

/// A machine for a container; unplugged until it starts.
fn add_node(machine: &dyn Machine, container: &Container) -> NodeId {
    let node = machine.add_node(NodeSpec {
        name: container.hostname.clone(),
        address: container.address,
        cpu_limit: container.service.cpu_limit,
        resolver: Resolver::default(),
        volumes: None,
    });
    for (folder, volume) in &container.service.volumes {
        let shared = Shared {
            volume: volume.clone(),
            inside: "/".to_owned(),
        };
        machine.mount(node, folder, &shared);
    }
    machine.plug(node, false);
    node
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the run; the state itself is never half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, node: NodeId, name: &str, message: String) {
        tracing::info!(container = name, "{message}");
        self.machine.note(node, message);
    }

    fn announce(&self) {
        self.tell_states();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until `done` gives a value; checks at every change. `Err` at the deadline.
    async fn until<T>(
        &self,
        timeout: Duration,
        mut done: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, ()> {
        let mut changes = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(value) = done(&self.lock()) {
                    return value;
                }
                // The sender lives in `self`.
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.map_err(|_| ())
    }

    /// Sets what each name of a container resolves to: every running one that has it.
    fn refresh_names(&self, state: &State, container: &Container) {
        let mut names: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for name in &container.names {
            let addresses: Vec<IpAddr> = state
                .members
                .iter()
                .filter(|member| member.is_up() && member.container.names.contains(name))
                .map(|member| member.container.address.into())
                .collect();
            if self.settings.names_with_network {
                for network in &container.service.networks {
                    let full = format!("{name}.{}_{network}", state.plan.project);
                    names.insert(full, addresses.clone());
                }
            }
            names.insert(name.clone(), addresses);
        }
        for (name, mut addresses) in names {
            if addresses.is_empty()
                && let Some(fixed) = state.plan.hosts.get(&name)
            {
                addresses.push(*fixed);
            }
            self.machine.set_name(&name, addresses);
        }
    }

    /// Opens or closes the host's ports that lead to a container.
    fn publish(&self, container: &Container, open: bool) {
        for port in container.published.iter().filter(|port| !port.udp) {
            if open {
                let to = SocketAddr::new(container.address.into(), port.port);
                self.machine.publish(port.host, vec![to]);
            } else {
                self.machine.unpublish(port.host);
            }
        }
    }
}

impl State {
    fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.node == node)
    }

    fn member_mut(&mut self, node: NodeId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.node == node)
    }

    fn of_service<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members
            .iter()
            .filter(move |member| member.container.service.name == service)
    }

    /// A container's name, `service-number`, or a service's name for all of its containers.
    fn targets(&self, target: &str) -> Result<Vec<NodeId>, Error> {
        let one = self.members.iter().find(|member| {
            let container = &member.container;
            container.name == target
                || target
                    .strip_prefix(container.service.name.as_str())
                    .and_then(|rest| rest.strip_prefix('-')?.parse().ok())
                    == Some(container.number)
        });
        let all: Vec<NodeId> = self.of_service(target).map(|member| member.node).collect();
        match (all.is_empty(), one) {
            (false, _) => Ok(all),
            (true, Some(member)) => Ok(vec![member.node]),
            (true, None) => Err(Error::NoSuchTarget {
                name: target.to_owned(),
                known: self.plan.services.iter().map(|s| s.name.clone()).collect(),
            }),
        }
    }
}
