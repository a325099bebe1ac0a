//! A planned system as far as stories concern it: whom a step can name, whom a selector can select,
//! where a client can send requests.
//!
//! It is the same for Compose and Kubernetes, so that nobody who checks a story asks which of them it
//! is. Deliberately absent: anything that a run needs.

use squall_chaos::Member;
use squall_cluster::kubernetes::plan as kubernetes;
use squall_cluster::plan as compose;
use squall_host::{Diagnostic, Origin};

use crate::members;

/// A system, as stories see it.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// What keeps containers there: Compose's services, Kubernetes' workloads. In the manifests' order.
    pub units: Vec<Unit>,
    /// Kubernetes' nodes.
    pub nodes: Vec<String>,
    /// Those that selectors can select.
    pub members: Vec<Member>,
    /// Addresses of containers, where they are known before they run.
    pub addresses: Vec<String>,
    /// Ports of `localhost` that lead into the system.
    pub ports: Vec<u16>,
    /// Every name that resolves.
    pub names: Vec<String>,
    /// Keys and directives that are accepted and do nothing here.
    pub without_effect: Vec<(String, Origin)>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// How things are called, for messages.
    pub words: Words,
}

/// Something that keeps containers there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// The programs that play its containers.
    pub programs: Vec<String>,
    /// What a step calls each of its pods, or containers.
    pub pods: Vec<String>,
    /// The units that it depends on, and that depend on it; not itself.
    pub peers: Vec<String>,
}

/// How things are called in the manifests of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// A unit.
    pub unit: &'static str,
    /// The manifests.
    pub manifests: &'static str,
    /// How to make a port of `localhost` lead inside.
    pub publish: &'static str,
    /// What labels a pod has, and from where.
    pub labels: &'static str,
}

/// Compose's words.
pub(super) const COMPOSE: Words = Words {
    unit: "service",
    manifests: "the Compose file",
    publish: "publish one in the Compose file: `ports: [\"8080:80\"]`",
    labels: "each has the labels of its Compose service, and `app: SERVICE`",
};

/// Kubernetes' words.
pub(super) const KUBERNETES: Words = Words {
    unit: "workload",
    manifests: "the manifests",
    publish: "forward one in the scenario file: `system: {forward: {8080: svc/web:80}}`",
    labels: "each has the labels of its template",
};

impl Default for Words {
    fn default() -> Self {
        COMPOSE
    }
}

impl Outline {
    /// The unit of this name.
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.name == name)
    }

    /// The names of all units.
    pub fn unit_names(&self) -> Vec<&str> {
        self.units.iter().map(|unit| unit.name.as_str()).collect()
    }

    /// Whether a step can name this: a unit, a pod, `UNIT-NUMBER`, which scaling may still bring, or a
    /// node.
    pub fn is_target(&self, name: &str) -> bool {
        let is_numbered = name.rsplit_once('-').is_some_and(|(unit, number)| {
            self.unit(unit).is_some() && number.parse::<u32>().is_ok()
        });
        self.unit(name).is_some()
            || is_numbered
            || self.members.iter().any(|member| member.name == name)
            || self.nodes.iter().any(|node| node == name)
    }

    /// A planned Compose system.
    pub(super) fn of_compose(plan: &compose::Plan) -> Self {
        let containers = &plan.containers;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for service in &plan.services {
            let wanted = service.depends_on.iter().map(|d| d.value.service.as_str());
            pairs.extend(wanted.map(|wanted| (service.name.as_str(), wanted)));
        }
        for container in containers {
            for (name, _) in &container.loaded.facts.names_required {
                let mut others = containers.iter();
                if let Some(found) = others.find(|other| other.names.contains(name)) {
                    pairs.push((&container.service.name, &found.service.name));
                }
            }
        }
        let units = plan.services.iter().map(|service| {
            let name = service.name.as_str();
            let of = containers.iter().filter(|c| c.service.name == name);
            let numbers: Vec<u32> = of.map(|container| container.number).collect();
            Unit {
                name: name.to_owned(),
                programs: vec![service.program.clone()],
                pods: numbered(name, &numbers),
                peers: peers(
                    name,
                    plan.services.iter().map(|other| other.name.as_str()),
                    &pairs,
                ),
            }
        });
        let published = containers.iter().flat_map(|container| &container.published);
        let names = containers.iter().flat_map(|container| &container.names);
        Self {
            units: units.collect(),
            nodes: Vec::new(),
            members: members::of_compose(plan),
            addresses: containers.iter().map(|c| c.address.to_string()).collect(),
            ports: published
                .filter(|p| !p.udp)
                .map(|p| p.host.port())
                .collect(),
            names: names.chain(plan.hosts.keys()).cloned().collect(),
            without_effect: plan.without_effect.clone(),
            warnings: plan.warnings.clone(),
            words: COMPOSE,
        }
    }

    /// A planned Kubernetes system with these nodes and forwarded ports.
    pub(super) fn of_kubernetes(
        plan: &kubernetes::Plan,
        nodes: &[String],
        forwarded: &[u16],
    ) -> Self {
        let services = &plan.services;
        let pairs = asks(plan);
        let units = plan.workloads.iter().map(|workload| {
            let name = workload.name.as_str();
            let containers = workload
                .template
                .init
                .iter()
                .chain(&workload.template.containers);
            let first = workload.kind.first_number();
            let numbers: Vec<u32> = (first..first + workload.replicas).collect();
            Unit {
                name: name.to_owned(),
                programs: containers
                    .map(|container| container.program.clone())
                    .collect(),
                pods: numbered(name, &numbers),
                peers: peers(
                    name,
                    plan.workloads.iter().map(|other| other.name.as_str()),
                    &pairs,
                ),
            }
        });
        let node_ports = services.iter().flat_map(|service| &service.ports);
        let node_ports = node_ports.filter_map(|port| port.node_port.filter(|_| !port.udp));
        let names = services.iter().map(|service| {
            let (name, namespace) = (&service.name, &service.namespace);
            format!("{name}.{namespace}.svc.cluster.local")
        });
        Self {
            units: units.collect(),
            nodes: nodes.to_vec(),
            members: members::of_kubernetes(plan),
            addresses: Vec::new(),
            ports: forwarded.iter().copied().chain(node_ports).collect(),
            names: names.collect(),
            without_effect: plan.without_effect.clone(),
            warnings: plan.warnings.clone(),
            words: KUBERNETES,
        }
    }
}

/// What a step calls each of several: their unit, when there is one alone.
fn numbered(unit: &str, numbers: &[u32]) -> Vec<String> {
    match numbers {
        [_] => vec![unit.to_owned()],
        several => several
            .iter()
            .map(|number| format!("{unit}-{number}"))
            .collect(),
    }
}

/// Which workload asks which: one whose environment or files name a service that selects the other.
fn asks(plan: &kubernetes::Plan) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    for asker in &plan.workloads {
        let containers = &asker.template.containers;
        let texts: Vec<&str> = containers
            .iter()
            .flat_map(|container| {
                let env = container.env.iter().filter_map(|(_, value)| match value {
                    kubernetes::EnvValue::Text(text) | kubernetes::EnvValue::Literal(text) => {
                        Some(text.as_str())
                    }
                    kubernetes::EnvValue::Field(_) => None,
                });
                let files = container.files.values().filter_map(|value| match value {
                    kubernetes::FileValue::Text(file) => Some(&*file.content),
                    kubernetes::FileValue::Field(_) => None,
                });
                let args = container.args.iter().map(String::as_str);
                env.chain(files).chain(args)
            })
            .collect();
        for service in &plan.services {
            if !texts
                .iter()
                .any(|text| text.contains(service.name.as_str()))
            {
                continue;
            }
            let selected = plan.workloads.iter().filter(|workload| {
                let labels = &workload.template.labels;
                let selector = &service.selector;
                !selector.is_empty()
                    && workload.namespace == service.namespace
                    && selector
                        .iter()
                        .all(|(key, value)| labels.get(key) == Some(value))
            });
            pairs.extend(selected.map(|asked| (asker.name.as_str(), asked.name.as_str())));
        }
    }
    pairs
}

fn peers<'a>(
    name: &str,
    all: impl Iterator<Item = &'a str>,
    pairs: &[(&str, &str)],
) -> Vec<String> {
    let is_peer = |other: &&str| {
        *other != name && (pairs.contains(&(name, *other)) || pairs.contains(&(*other, name)))
    };
    all.filter(is_peer).map(str::to_owned).collect()
}
