//! Names in a scenario, looked up in its system: services and containers in steps, hosts and ports
//! in addresses.

use std::net::IpAddr;

use crate::director::THE_SYSTEM_STARTS;
use crate::file::explore::matches;
use squall_check::Invariant;
use squall_record::Breach;

use crate::file::{Act, Budget, Client, Length, Links, Located, Role, Scenario};
use crate::plan::{Outline, Workload};
use crate::world::Kubectl;
use crate::yaml::{self, Problems};

/// Complains about every name that means nothing.
pub(super) fn check(
    scenario: &Scenario,
    workloads: &[Workload],
    outline: &Outline,
    problems: &mut Problems,
) {
    let names = scenario.clients.iter().map(|client| &client.name);
    let names = names.chain(workloads.iter().map(|workload| &workload.name));
    let mut clients: Vec<String> = Vec::new();
    for name in names {
        let whose = if outline.unit(&name.value).is_some() {
            Some(format!("a {}", outline.words.unit))
        } else if clients.contains(&name.value) {
            Some("another client".to_owned())
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
        address(client, outline, problems);
    }
    judgements(scenario, problems);
    for role in &scenario.roles {
        if outline.is_target(&role.name.value) || clients.contains(&role.name.value) {
            let message = format!("the role `{}` has a name that is taken", role.name.value);
            problems.add(role.name.line, message, "give it another name");
        }
    }
    let mut lookup = Lookup {
        outline,
        roles: &scenario.roles,
        clients,
        problems,
    };
    for normal in &scenario.links {
        lookup.links(&normal.links);
    }
    for pattern in scenario.roles.iter().flat_map(|role| &role.of) {
        lookup.pattern(pattern);
    }
    for phase in &scenario.phases {
        if let Length::Rollout { of, .. } = &phase.length {
            lookup.rollout(of);
        }
        for step in &phase.steps {
            lookup.act(&step.act);
        }
        if let Some(budget) = &phase.explore {
            lookup.budget(budget);
        }
    }
}

struct Lookup<'a> {
    outline: &'a Outline,
    roles: &'a [Role],
    clients: Vec<String>,
    problems: &'a mut Problems,
}

impl Lookup<'_> {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Process(_, names) => {
                for name in names {
                    self.target(name);
                }
            }
            Act::Power(names, _) => {
                for name in names {
                    self.powered(name);
                }
            }
            Act::Machine(names, _) => {
                for name in names {
                    self.end(name);
                }
            }
            Act::Scale(name, _) => {
                self.unit(name);
            }
            Act::Link(links, _) | Act::Reset(links) => self.links(links),
            Act::Chaos(applied) => {
                for document in applied.documents.iter().flatten() {
                    super::chaos::check(document, self.outline, &self.clients, self.problems);
                }
            }
            Act::Kubectl(commands) => {
                for command in commands {
                    self.kubectl(command);
                }
            }
            Act::Heal(_) | Act::Load(_) => {}
        }
    }

    fn budget(&mut self, budget: &Budget) {
        for pattern in &budget.services {
            self.pattern(pattern);
        }
        for (pattern, count) in &budget.alive {
            let units = self.outline.units.iter();
            let there = units.filter(|unit| matches(&pattern.value, &unit.name));
            let there: usize = there.map(|unit| unit.pods.len()).sum();
            if there == 0 {
                self.unknown(pattern);
            } else if (*count as usize) > there {
                let message = format!("{count} cannot stay alive of {there}: `{}`", pattern.value);
                self.problems.add(pattern.line, message, "ask for fewer");
            }
        }
    }

    /// Names of services or workloads, with `*`.
    fn pattern(&mut self, pattern: &Located<String>) {
        let mut units = self.outline.units.iter();
        if !units.any(|unit| matches(&pattern.value, &unit.name)) {
            self.unknown(pattern);
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

    /// Whatever a step can name.
    fn target(&mut self, name: &Located<String>) {
        let is_role = self.roles.iter().any(|role| role.name.value == name.value);
        if !is_role && !self.outline.is_target(&name.value) {
            self.unknown(name);
        }
    }

    /// Whatever has a power supply: in Kubernetes the nodes, and not the pods on them.
    fn powered(&mut self, name: &Located<String>) {
        let nodes = &self.outline.nodes;
        if nodes.is_empty() || nodes.contains(&name.value) {
            return self.target(name);
        }
        let message = format!("`{}` has no power of its own: it is no node", name.value);
        let help = format!("name the node that fails: {}", nodes.join(", "));
        self.problems.add(name.line, message, help);
    }

    fn kubectl(&mut self, command: &Located<Kubectl>) {
        if self.outline.nodes.is_empty() {
            let message = format!("`kubectl {}` in a system of Compose", command.value);
            let help = "its words are kill, stop, start, restart, pause, unpause, scale";
            return self.problems.add(command.line, message, help);
        }
        let named = |name: &str| Located {
            line: command.line,
            value: name.to_owned(),
        };
        match &command.value {
            Kubectl::DeletePod(target) => self.target(&named(target)),
            Kubectl::RolloutRestart(unit) | Kubectl::SetImage(unit, _) => self.unit(&named(unit)),
            Kubectl::Drain(node) | Kubectl::Uncordon(node) => {
                let nodes = &self.outline.nodes;
                if !nodes.contains(node) {
                    let message = format!("no node `{node}` in the cluster");
                    let help = format!("nodes: {}", nodes.join(", "));
                    self.problems.add(command.line, message, help);
                }
            }
        }
    }

    fn rollout(&mut self, of: &Located<String>) {
        if self.outline.nodes.is_empty() {
            let message = "`wait: {rollout: …}` in a system of Compose";
            self.problems.add(of.line, message, "write `for: 20s`");
        } else {
            self.unit(of);
        }
    }

    fn unit(&mut self, name: &Located<String>) {
        if self.outline.unit(&name.value).is_none() {
            self.unknown(name);
        }
    }

    fn unknown(&mut self, name: &Located<String>) {
        let known = self.outline.unit_names();
        let unit = self.outline.words.unit;
        let message = format!("no {unit} `{}` in the system", name.value);
        let mut help = format!("{unit}s: {}", known.join(", "));
        if self.clients.contains(&name.value) {
            help = format!("it is a client; {help}");
        } else if let Some(near) = yaml::nearest(&name.value, &known) {
            help = format!("did you mean `{near}`? {help}");
        }
        self.problems.add(name.line, message, help);
    }
}

/// Whether what is said to fail is judged at all.
fn judgements(scenario: &Scenario, problems: &mut Problems) {
    let names = scenario.invariants.iter().map(Invariant::name);
    let invariants = names.chain([THE_SYSTEM_STARTS]).map(|name| Breach {
        what: name.to_owned(),
        phase: None,
    });
    let expectations = scenario.phases.iter().flat_map(|phase| {
        let rollout = match &phase.length {
            Length::Rollout { of, .. } => Some(Length::rollout_of(&of.value)),
            Length::For(_) | Length::Requests(_) => None,
        };
        let expected = phase.expect.iter().map(|one| one.of.name());
        rollout.into_iter().chain(expected).map(|what| Breach {
            what,
            phase: Some(phase.name.value.clone()),
        })
    });
    let known = invariants.chain(expectations);
    let known: Vec<String> = known.map(|breach| breach.to_string()).collect();
    for name in &scenario.fails {
        if !known.contains(&name.value) {
            let message = format!("nothing that is judged is called `{}`", name.value);
            problems.add(name.line, message, yaml::suggestion(&name.value, &known));
        }
    }
}

/// Whether a client's address leads anywhere.
fn address(client: &Client, outline: &Outline, problems: &mut Problems) {
    let url = &client.url.value;
    let ip: Option<IpAddr> = url.host.parse().ok();
    let is_outside = url.host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    if is_outside {
        let ports = &outline.ports;
        if !ports.contains(&url.port) {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            problems.add(
                client.url.line,
                format!("no {} publishes the port {}", outline.words.unit, url.port),
                match ports.as_slice() {
                    [] => outline.words.publish.to_owned(),
                    some => format!("published: {}", some.join(", ")),
                },
            );
        }
        return;
    }
    let names: Vec<&str> = outline.names.iter().map(String::as_str).collect();
    if ip.is_none() && !names.contains(&url.host.as_str()) {
        problems.add(
            client.url.line,
            format!("the name `{}` resolves to nothing", url.host),
            yaml::suggestion(&url.host, &names),
        );
    }
}
