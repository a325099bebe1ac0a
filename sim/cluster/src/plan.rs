//! From a Compose project to containers in the order in which they start.
//!
//! The plan decides everything that can be decided before anything runs: programs, arguments,
//! files, addresses, names, order; and it finds every mistake that shows without running. It reads
//! Dockerfiles and mounted files; [`crate::supervise`] touches no file any more.
//!
//! Where this differs from Docker: a container has one address, on the first of its networks;
//! every network is reachable from every other; names are checked by network here and resolve
//! everywhere at run time; addresses follow the start order, which Docker leaves to chance.

mod addresses;
mod check;
mod mounts;
mod order;
mod service;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Launch, Loaded, Origin};

use crate::compose::{Dependency, Healthcheck, Located, Port, Project, Restart};
use addresses::Pools;

/// What a plan needs to know about the world around Compose.
pub struct Surroundings<'a> {
    /// Which program plays what: a service's name, an image (with or without tag), or a pattern
    /// that ends in `*`. It wins over the table of well-known images.
    pub programs: &'a BTreeMap<String, String>,
    /// The reader of a program's input, by the program's name.
    pub load: &'a dyn Fn(&str) -> Option<Loader>,
    /// Whether a command can be run beside a process, as healthchecks are.
    pub knows: &'a dyn Fn(&[String]) -> bool,
}

/// A whole system, checked and ready to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project's name.
    pub project: String,
    /// In the order of the file.
    pub services: Vec<Arc<ServicePlan>>,
    /// In the order in which they start.
    pub containers: Vec<Container>,
    /// `extra_hosts` of all services.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Keys and directives, of the compose file and of what it mounts, that do nothing here.
    pub without_effect: Vec<(String, Origin)>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
    pools: Pools,
}

/// What all containers of a service share.
#[derive(Clone, Debug)]
pub struct ServicePlan {
    /// Its name.
    pub name: String,
    /// The line of its key.
    pub origin: Origin,
    /// The program that plays it.
    pub program: String,
    /// Arguments, environment and files, but for what differs between containers.
    pub launch: Launch,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What happens when its process ends.
    pub restart: Restart,
    /// How its health is found out.
    pub healthcheck: Option<Located<Healthcheck>>,
    /// Named volumes that other containers have, too, by the folder at which they are mounted.
    pub volumes: Vec<(String, String)>,
    /// What must be there before it.
    pub depends_on: Vec<Located<Dependency>>,
    /// Cores for each container.
    pub cpu_limit: Option<f64>,
    /// Memory for each container; nothing here can run out of it.
    pub memory_limit_bytes: Option<u64>,
    /// Between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// SIGKILL at once.
    pub stop_at_once: bool,
    /// It shares the host's network: its ports are the host's.
    pub host_network: bool,
    /// Its networks by their keys, the first giving the address.
    pub networks: Vec<String>,
    /// Names that all its containers share: the service's and its aliases.
    pub names: Vec<String>,
    /// Published ports.
    pub ports: Vec<Located<Port>>,
    container_name: Option<Located<String>>,
    hostname: Option<String>,
    address: Option<Located<Ipv4Addr>>,
    load: Loader,
}

/// One container.
#[derive(Clone, Debug)]
pub struct Container {
    /// `project-service-1`, or `container_name`.
    pub name: String,
    /// From 1.
    pub number: u32,
    /// What it belongs to.
    pub service: Arc<ServicePlan>,
    /// What `gethostname(2)` says in it.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Every name that resolves to it while it runs.
    pub names: Vec<String>,
    /// Ports of the host that lead to it.
    pub published: Vec<Published>,
    /// What its process is started with.
    pub launch: Launch,
    /// Its program, ready to start.
    pub loaded: Loaded,
}

/// A port of the host that leads into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// On the host; `0.0.0.0` for every address of it.
    pub host: SocketAddr,
    /// In the container.
    pub port: u16,
    /// UDP, not TCP.
    pub udp: bool,
    /// Where the user said so.
    pub origin: Origin,
}

/// Docker's range for ports that the user leaves open (Linux `ip_local_port_range`).
const PORT_EPHEMERAL_FIRST: u16 = 32768;

/// Makes the plan. All complaints about all services come at once.
pub fn plan(project: &Project, around: &Surroundings<'_>) -> Result<Plan, Diagnostics> {
    let mut problems = Vec::new();
    let mut warnings = project.warnings.clone();
    let mut without_effect = project.without_effect.clone();
    let mut services = Vec::new();
    for service in &project.services {
        let mut notes = service::Notes {
            problems: &mut problems,
            warnings: &mut warnings,
            without_effect: &mut without_effect,
        };
        services.extend(service::plan(project, service, around, &mut notes).map(Arc::new));
    }
    // Addresses and names mean nothing while services are missing.
    Diagnostics::check(distinct(std::mem::take(&mut problems)))?;
    let ordered = order::start_order(&services).map_err(Diagnostics::from)?;
    let mut plan = Plan {
        project: project.name.clone(),
        pools: Pools::new(project, &ordered, &mut problems),
        services,
        containers: Vec::new(),
        hosts: BTreeMap::new(),
        without_effect,
        warnings,
    };
    plan.hosts = hosts(project, &plan.pools, &mut problems);
    for service in ordered {
        let replicas = project
            .services
            .iter()
            .find(|s| s.name == service.name)
            .map_or(1, |s| s.replicas.value);
        for number in 1..=replicas {
            match plan.container(&service, number) {
                Ok(container) => {
                    plan.pools.take(container.address);
                    plan.containers.push(container);
                }
                Err(Diagnostics(list)) => problems.extend(list),
            }
        }
    }
    for container in &plan.containers {
        let facts = &container.loaded.facts;
        plan.without_effect
            .extend(facts.without_effect.iter().cloned());
    }
    plan.without_effect = distinct(std::mem::take(&mut plan.without_effect));
    check::ports(&plan.containers, &mut problems);
    check::names(&plan.containers, &mut problems);
    check::listens(&plan.containers, &mut problems, &mut plan.warnings);
    check::names_required(&plan, &mut problems);
    check::healthchecks(&plan, around.knows, &mut problems);
    Diagnostics::check(distinct(problems))?;
    plan.warnings = distinct(std::mem::take(&mut plan.warnings));
    Ok(plan)
}

/// Each once, in order of appearance: replicas and shared anchors say the same several times.
pub(crate) fn distinct<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in list {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

impl Plan {
    /// A further container of a service, for scaling, beside those that are there. Its address is
    /// taken.
    pub(crate) fn further(
        &mut self,
        service: &Arc<ServicePlan>,
        number: u32,
        others: &[Container],
    ) -> Result<Container, Diagnostics> {
        let container = self.container(service, number)?;
        let mut problems = Vec::new();
        let all = [others, std::slice::from_ref(&container)].concat();
        check::ports(&all, &mut problems);
        check::names(&all, &mut problems);
        Diagnostics::check(problems)?;
        self.pools.take(container.address);
        Ok(container)
    }

    fn container(&self, service: &Arc<ServicePlan>, number: u32) -> Result<Container, Diagnostics> {
        let name = match &service.container_name {
            Some(name) => name.value.clone(),
            None => format!("{}-{}-{number}", self.project, service.name),
        };
        let network = service.networks.first().map_or("default", String::as_str);
        let address = match &service.address {
            Some(fixed) if number == 1 => fixed.value,
            Some(fixed) => {
                let message = format!("{name}: a second container cannot have the same address");
                return Err(Diagnostic::at(fixed.origin.clone(), message).into());
            }
            None => self.pools.next(network).ok_or_else(|| {
                Diagnostic::at(
                    service.origin.clone(),
                    format!("{name}: the subnet of the network `{network}` has no free address"),
                )
            })?,
        };
        // Docker takes the container's id, which says nothing to a reader.
        let hostname = service.hostname.clone().unwrap_or_else(|| name.clone());
        let mut launch = service.launch.clone();
        launch
            .env
            .entry("HOSTNAME".to_owned())
            .or_insert_with(|| hostname.clone());
        let loaded = service.load.load(&launch).map_err(|Diagnostics(list)| {
            let placed = list.into_iter().map(|mut diagnostic| {
                if diagnostic.origin.is_none() {
                    diagnostic.origin = Some(service.origin.clone());
                    diagnostic.message =
                        format!("services.{}: {}", service.name, diagnostic.message);
                }
                diagnostic
            });
            Diagnostics(placed.collect())
        })?;
        let mut published = Vec::new();
        for port in &service.ports {
            let ip = port.value.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
            let host = match port.value.published {
                Some(host) => host,
                None => self.free_host_port(&published),
            };
            published.push(Published {
                host: SocketAddr::new(ip, host),
                port: port.value.target,
                udp: port.value.udp,
                origin: port.origin.clone(),
            });
        }
        if service.host_network {
            for (listen, origin) in &loaded.facts.listens {
                published.push(Published {
                    host: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listen.port()),
                    port: listen.port(),
                    udp: false,
                    origin: origin.clone().unwrap_or_else(|| service.origin.clone()),
                });
            }
        }
        let mut names = Vec::new();
        if !service.host_network {
            names.push(name.clone());
            names.extend(service.names.iter().filter(|n| **n != name).cloned());
        }
        Ok(Container {
            name,
            number,
            service: service.clone(),
            hostname,
            address,
            names,
            published,
            launch,
            loaded,
        })
    }

    fn free_host_port(&self, own: &[Published]) -> u16 {
        let taken = |port: u16| {
            own.iter()
                .chain(self.containers.iter().flat_map(|c| &c.published))
                .any(|published| published.host.port() == port)
        };
        (PORT_EPHEMERAL_FIRST..=u16::MAX)
            .find(|&port| !taken(port))
            .unwrap_or(PORT_EPHEMERAL_FIRST)
    }
}

/// `extra_hosts` of all services in one table, since names resolve for all here.
fn hosts(
    project: &Project,
    pools: &Pools,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, IpAddr> {
    let mut hosts: BTreeMap<String, (IpAddr, Origin)> = BTreeMap::new();
    for service in &project.services {
        for host in &service.extra_hosts {
            let (name, address) = &host.value;
            let address = address.unwrap_or(pools.gateway().into());
            match hosts.get(name) {
                Some((other, origin)) if *other != address => problems.push(
                    Diagnostic::at(
                        host.origin.clone(),
                        format!("`{name}` is {address} here and {other} at {origin}"),
                    )
                    .help("a name of `extra_hosts` means the same for every service here"),
                ),
                Some(_) => {}
                None => {
                    hosts.insert(name.clone(), (address, host.origin.clone()));
                }
            }
        }
    }
    hosts
        .into_iter()
        .map(|(name, (address, _))| (name, address))
        .collect()
}
