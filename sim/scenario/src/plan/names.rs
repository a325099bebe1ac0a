//! Names in a scenario, looked up in its system: services and containers in steps, hosts and ports
//! in addresses.

use std::net::IpAddr;

use squall_cluster::plan::Plan as Cluster;

use crate::file::explore::matches;
use crate::file::{Act, Budget, Client, Links, Located, Scenario};
use crate::plan::Workload;
use crate::yaml::{self, Problems};

/// Complains about every name that means nothing.
pub(super) fn check(
    scenario: &Scenario,
    workloads: &[Workload],
    cluster: &Cluster,
    problems: &mut Problems,
) {
    let names = scenario.clients.iter().map(|client| &client.name);
    let names = names.chain(workloads.iter().map(|workload| &workload.name));
    let mut clients: Vec<String> = Vec::new();
    for name in names {
        let mut services = cluster.services.iter();
        let whose = if services.any(|service| service.name == name.value) {
            Some("a service")
        } else if clients.contains(&name.value) {
            Some("another client")
        } else {
            None
        };
        if let Some(whose) = whose {
            let message = format!("the client `{}` has the name of {whose}", name.value);
            problems.add(name.line, message, "give it another name");
        }
        clients.push(name.value.clone());
    }
    for client in &scenario.clients {
        address(client, cluster, problems);
    }
    let mut lookup = Lookup {
        cluster,
        clients,
        problems,
    };
    for normal in &scenario.links {
        lookup.links(&normal.links);
    }
    for phase in &scenario.phases {
        for step in &phase.steps {
            lookup.act(&step.act);
        }
        if let Some(budget) = &phase.explore {
            lookup.budget(budget);
        }
    }
}

struct Lookup<'a> {
    cluster: &'a Cluster,
    clients: Vec<String>,
    problems: &'a mut Problems,
}

impl Lookup<'_> {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Process(_, names) | Act::Power(names, _) => {
                for name in names {
                    self.target(name);
                }
            }
            Act::Machine(names, _) => {
                for name in names {
                    self.end(name);
                }
            }
            Act::Scale(name, _) => {
                if !self.is_service(&name.value) {
                    self.unknown(name);
                }
            }
            Act::Link(links, _) | Act::Reset(links) => self.links(links),
            Act::Chaos(applied) => {
                for document in applied.documents.iter().flatten() {
                    super::chaos::check(document, self.cluster, &self.clients, self.problems);
                }
            }
            Act::Kubectl(commands) => {
                for command in commands {
                    let message = format!("`kubectl {}` in a system of Compose", command.value);
                    let help = "its words are kill, stop, start, restart, pause, unpause, scale";
                    self.problems.add(command.line, message, help);
                }
            }
            Act::Heal(_) | Act::Load(_) => {}
        }
    }

    fn budget(&mut self, budget: &Budget) {
        for pattern in &budget.services {
            if !self
                .cluster
                .services
                .iter()
                .any(|s| matches(&pattern.value, &s.name))
            {
                self.unknown(pattern);
            }
        }
        for (pattern, count) in &budget.alive {
            let containers = self.cluster.containers.iter();
            let there = containers.filter(|c| matches(&pattern.value, &c.service.name));
            let there = there.count();
            if there == 0 {
                self.unknown(pattern);
            } else if (*count as usize) > there {
                let message = format!("{count} cannot stay alive of {there}: `{}`", pattern.value);
                self.problems.add(pattern.line, message, "ask for fewer");
            }
        }
    }

    fn links(&mut self, links: &Links) {
        for name in links.from.iter().chain(&links.towards).flatten() {
            self.end(name);
        }
    }

    /// Any machine: also a client's.
    fn end(&mut self, name: &Located<String>) {
        if !self.clients.contains(&name.value) {
            self.target(name);
        }
    }

    fn is_service(&self, name: &str) -> bool {
        self.cluster
            .services
            .iter()
            .any(|service| service.name == name)
    }

    /// A service, a container, or `service-number`, which scaling may still bring.
    fn target(&mut self, name: &Located<String>) {
        let is_container = self.cluster.containers.iter().any(|c| c.name == name.value);
        let is_numbered = name
            .value
            .rsplit_once('-')
            .is_some_and(|(service, number)| {
                self.is_service(service) && number.parse::<u32>().is_ok()
            });
        if !self.is_service(&name.value) && !is_container && !is_numbered {
            self.unknown(name);
        }
    }

    fn unknown(&mut self, name: &Located<String>) {
        let services = self.cluster.services.iter();
        let known: Vec<&str> = services.map(|service| service.name.as_str()).collect();
        let message = format!("no service `{}` in the system", name.value);
        let mut help = format!("services: {}", known.join(", "));
        if self.clients.contains(&name.value) {
            help = format!("it is a client; {help}");
        } else if let Some(near) = yaml::nearest(&name.value, &known) {
            help = format!("did you mean `{near}`? {help}");
        }
        self.problems.add(name.line, message, help);
    }
}

/// Whether a client's address leads anywhere.
fn address(client: &Client, cluster: &Cluster, problems: &mut Problems) {
    let url = &client.url.value;
    let ip: Option<IpAddr> = url.host.parse().ok();
    let is_outside = url.host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    if is_outside {
        let ports = cluster
            .containers
            .iter()
            .flat_map(|c| &c.published)
            .filter(|p| !p.udp);
        let ports: Vec<u16> = ports.map(|published| published.host.port()).collect();
        if !ports.contains(&url.port) {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            problems.add(
                client.url.line,
                format!("no service publishes the port {}", url.port),
                match ports.as_slice() {
                    [] => "publish one in the Compose file: `ports: [\"8080:80\"]`".to_owned(),
                    some => format!("published: {}", some.join(", ")),
                },
            );
        }
        return;
    }
    let mut names: Vec<&str> = cluster
        .containers
        .iter()
        .flat_map(|c| &c.names)
        .map(String::as_str)
        .collect();
    names.extend(cluster.hosts.keys().map(String::as_str));
    if ip.is_none() && !names.contains(&url.host.as_str()) {
        problems.add(
            client.url.line,
            format!("the name `{}` resolves to nothing", url.host),
            yaml::suggestion(&url.host, &names),
        );
    }
}
