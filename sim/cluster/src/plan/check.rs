//! Mistakes that show only across services.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use squall_host::{Diagnostic, Origin};

use super::{Container, Plan};
use crate::compose::Condition;

/// A port of the host that two containers publish.
pub(super) fn ports(containers: &[Container], problems: &mut Vec<Diagnostic>) {
    let all: Vec<_> = containers
        .iter()
        .flat_map(|container| container.published.iter().map(move |p| (container, p)))
        .collect();
    for (index, (container, port)) in all.iter().enumerate() {
        let clash = all[..index]
            .iter()
            .find(|(_, other)| other.udp == port.udp && overlap(other.host, port.host));
        if let Some((other, first)) = clash {
            let message = format!(
                "services.{}: port {} of the host is published twice; first for {} at {}",
                container.service.name,
                port.host.port(),
                other.name,
                first.origin
            );
            problems.push(
                Diagnostic::at(port.origin.clone(), message)
                    .help("give each its own port of the host: `\"HOST:CONTAINER\"`"),
            );
        }
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// Two containers of one name. (Addresses are compared where they are given out.)
pub(super) fn names(containers: &[Container], problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, &Container> = BTreeMap::new();
    for container in containers {
        if let Some(other) = seen.insert(&container.name, container) {
            let origin = |c: &Container| match &c.service.container_name {
                Some(name) => name.origin.clone(),
                None => c.service.origin.clone(),
            };
            problems.push(Diagnostic::at(
                origin(container),
                format!(
                    "services.{}: the container name `{}` is that of service {} already, at {}",
                    container.service.name,
                    container.name,
                    other.service.name,
                    origin(other)
                ),
            ));
        }
    }
}

/// An address that one program listens on twice, and published ports behind which nobody listens.
pub(super) fn listens(
    containers: &[Container],
    problems: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    for container in containers.iter().filter(|c| c.number == 1) {
        let service = &container.service;
        let facts = &container.loaded.facts;
        let mut seen: BTreeMap<SocketAddr, &Option<Origin>> = BTreeMap::new();
        for (address, origin) in &facts.listens {
            let Some(first) = seen.insert(*address, origin) else {
                continue;
            };
            let place = origin.clone().unwrap_or_else(|| service.origin.clone());
            let first = match first {
                Some(first) => format!("; first at {first}"),
                None => String::new(),
            };
            problems.push(Diagnostic::at(
                place,
                format!("{}: listens on {address} twice{first}", service.name),
            ));
        }
        if facts.listens.is_empty() {
            // The program does not say.
            continue;
        }
        for published in container.published.iter().filter(|p| !p.udp) {
            let open = facts
                .listens
                .iter()
                .any(|(a, _)| a.port() == published.port && !a.ip().is_loopback());
            if !open {
                let ports: Vec<String> = facts.listens.iter().map(|(a, _)| a.to_string()).collect();
                warnings.push(
                    Diagnostic::at(
                        published.origin.clone(),
                        format!(
                            "services.{}: port {} is published, and nothing listens on it",
                            service.name, published.port
                        ),
                    )
                    .help(format!(
                        "{} listens on {}",
                        service.program,
                        ports.join(", ")
                    )),
                );
            }
        }
    }
}

/// Names that a program must resolve and that nobody has.
pub(super) fn names_required(plan: &Plan, problems: &mut Vec<Diagnostic>) {
    for container in plan.containers.iter().filter(|c| c.number == 1) {
        for (name, origin) in &container.loaded.facts.names_required {
            let reach = reach(plan, container, name);
            if matches!(reach, Reach::Found) {
                continue;
            }
            let place = origin
                .clone()
                .unwrap_or_else(|| container.service.origin.clone());
            let message = format!("host not found: `{name}`");
            problems.push(Diagnostic::at(place, message).help(match reach {
                Reach::OtherNetwork(service) => format!(
                    "service {service} has this name and shares no network with {}",
                    container.service.name
                ),
                _ => format!(
                    "{} must resolve it to start; the names here are {}",
                    container.service.name,
                    names_of(plan).join(", ")
                ),
            }));
        }
    }
}

enum Reach {
    Found,
    OtherNetwork(String),
    Nowhere,
}

fn reach(plan: &Plan, from: &Container, name: &str) -> Reach {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let itself = name == "localhost" || name == from.hostname.to_ascii_lowercase();
    if itself || name.parse::<IpAddr>().is_ok() || plan.hosts.contains_key(&name) {
        return Reach::Found;
    }
    let mut elsewhere = None;
    for container in &plan.containers {
        let service = &container.service;
        let named = container.names.iter().any(|own| {
            let own = own.to_ascii_lowercase();
            // Docker knows `name.network`, the network by its full name.
            own == name
                || service
                    .networks
                    .iter()
                    .any(|network| format!("{own}.{}_{network}", plan.project) == name)
        });
        if !named {
            continue;
        }
        if service
            .networks
            .iter()
            .any(|n| from.service.networks.contains(n))
        {
            return Reach::Found;
        }
        elsewhere = Some(service.name.clone());
    }
    elsewhere.map_or(Reach::Nowhere, Reach::OtherNetwork)
}

fn names_of(plan: &Plan) -> Vec<&str> {
    let mut names: Vec<&str> = plan
        .containers
        .iter()
        .flat_map(|container| container.names.iter().map(String::as_str))
        .chain(plan.hosts.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Healthchecks that cannot be run, and those that are waited for and not there.
pub(super) fn healthchecks(
    plan: &Plan,
    knows: &dyn Fn(&[String]) -> bool,
    problems: &mut Vec<Diagnostic>,
) {
    for service in &plan.services {
        if let Some(check) = &service.healthcheck
            && !knows(&check.value.test)
        {
            problems.push(
                Diagnostic::at(
                    check.origin.clone(),
                    format!(
                        "services.{}.healthcheck: no program here can run `{}`",
                        service.name,
                        check.value.test.join(" ")
                    ),
                )
                .help("curl, wget, nc and pg_isready are known, alone or in a line for the shell"),
            );
        }
        for dependency in &service.depends_on {
            let wanted = &dependency.value.service;
            let found = plan.services.iter().find(|s| s.name == *wanted);
            if dependency.value.condition == Condition::Healthy
                && found.is_some_and(|s| s.healthcheck.is_none())
            {
                problems.push(
                    Diagnostic::at(
                        dependency.origin.clone(),
                        format!(
                            "services.{}.depends_on: `{wanted}` has no healthcheck to wait for",
                            service.name
                        ),
                    )
                    .help(format!(
                        "give {wanted} a `healthcheck:`, or wait for service_started"
                    )),
                );
            }
        }
    }
}
