//! Loads every program once, as in a first pod, and holds what it says of its input against the
//! services: names that it needs to start, and ports on which nobody listens.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use squall_host::{Diagnostic, Diagnostics, Facts, Origin};

use crate::kubernetes::notes::Notes;
use crate::kubernetes::plan::{
    Container, Identity, Kind, Plan, Service, Target, Template, Workload,
};

/// The domain of a cluster's names (k3s, `--cluster-domain`).
const DOMAIN: &str = "cluster.local";
/// The service of the name server, which a cluster has without being asked: `resolver` in an
/// `nginx.conf` names it.
const NAME_SERVER: &str = "kube-dns.kube-system.svc.cluster.local";

/// Complains about what programs say of their input, and about names that nobody has.
pub(super) fn check(plan: &Plan, notes: &mut Notes) {
    for workload in &plan.workloads {
        let templates = [&workload.template].into_iter();
        for template in templates.chain(workload.revisions.values()) {
            let pod = first_pod(workload, template);
            let mut listens = Some(BTreeSet::new());
            for container in template.init.iter().chain(&template.containers) {
                let facts = check_container(plan, workload, container, &pod, notes);
                let runs = container.sidecar
                    || template.containers.iter().any(|c| c.name == container.name);
                if runs {
                    listens = both(
                        listens,
                        facts.map(|facts| facts.listens).unwrap_or_default(),
                    );
                }
            }
            if let Some(listens) = listens {
                check_ports(plan, workload, template, &listens, notes);
            }
        }
    }
}

/// The ports of both; nothing is known of a program that does not say.
fn both(
    ports: Option<BTreeSet<u16>>,
    listens: Vec<(SocketAddr, Option<Origin>)>,
) -> Option<BTreeSet<u16>> {
    let mut ports = ports.filter(|_| !listens.is_empty())?;
    let open = listens
        .iter()
        .filter(|(address, _)| !address.ip().is_loopback());
    ports.extend(open.map(|(address, _)| address.port()));
    Some(ports)
}

/// Warns of services that lead to a port on which nobody listens.
fn check_ports(
    plan: &Plan,
    workload: &Workload,
    template: &Template,
    listens: &BTreeSet<u16>,
    notes: &mut Notes,
) {
    let chosen = |service: &&Arc<Service>| {
        let mut wanted = service.selector.iter();
        service.namespace == workload.namespace
            && !service.selector.is_empty()
            && wanted.all(|(key, value)| template.labels.get(key) == Some(value))
    };
    for service in plan.services.iter().filter(chosen) {
        for port in service.ports.iter().filter(|port| !port.udp) {
            let number = match &port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => {
                    let mut ports = template.containers.iter().flat_map(|c| &c.ports);
                    let found = ports.find(|(own, _)| own.as_ref() == Some(name));
                    found.map(|(_, number)| *number)
                }
            };
            if let Some(number) = number.filter(|number| !listens.contains(number)) {
                let message = format!(
                    "Service {}: port {} leads to port {number} of {}, and nothing listens on it",
                    service.name, port.port, workload.name
                );
                let listens: Vec<String> = listens.iter().map(ToString::to_string).collect();
                let help = format!("{} listens on {}", workload.name, listens.join(", "));
                let warning = Diagnostic::at(service.origin.clone(), message);
                notes.warnings.push(warning.help(help));
            }
        }
    }
}

/// A pod like those that will be there.
fn first_pod(workload: &Workload, template: &Arc<Template>) -> Identity {
    let name = match workload.kind {
        Kind::Pod => workload.name.clone(),
        _ => format!("{}-0", workload.name),
    };
    Identity {
        hostname: template.hostname.clone().unwrap_or_else(|| name.clone()),
        name,
        namespace: workload.namespace.clone(),
        uid: String::new(),
        address: Ipv4Addr::new(10, 42, 0, 2),
        node: "node".to_owned(),
        node_address: Ipv4Addr::new(172, 18, 0, 2),
        labels: template.labels.clone(),
        annotations: template.annotations.clone(),
    }
}

/// What a container's program says of itself; `None` after a complaint.
fn check_container(
    plan: &Plan,
    workload: &Workload,
    container: &Container,
    pod: &Identity,
    notes: &mut Notes,
) -> Option<Facts> {
    let facts = match container.start(pod) {
        Ok((_, loaded)) => loaded.facts,
        Err(Diagnostics(list)) => {
            notes.problems.extend(list);
            return None;
        }
    };
    for (name, origin) in &facts.names_required {
        if has_name(plan, workload, pod, name) {
            continue;
        }
        let place = origin.clone().unwrap_or_else(|| container.origin.clone());
        let names: BTreeSet<String> = plan
            .services
            .iter()
            .map(|service| match service.namespace == workload.namespace {
                true => service.name.clone(),
                false => format!("{}.{}", service.name, service.namespace),
            })
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let help = format!(
            "{} must resolve it to start; the services, as seen from its namespace, are {}",
            workload.name,
            names.join(", ")
        );
        let message = format!("host not found: `{name}`");
        notes
            .problems
            .push(Diagnostic::at(place, message).help(help));
    }
    notes
        .without_effect
        .extend(facts.without_effect.iter().cloned());
    Some(facts)
}

/// Whether a name is looked up with success in a pod of this workload, its search list tried.
fn has_name(plan: &Plan, from: &Workload, pod: &Identity, name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name == "localhost" || name == pod.hostname || name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let search = [
        String::new(),
        format!(".{}.svc.{DOMAIN}", from.namespace),
        format!(".svc.{DOMAIN}"),
        format!(".{DOMAIN}"),
    ];
    let full: Vec<String> = search
        .iter()
        .map(|domain| format!("{name}{domain}"))
        .collect();
    let is_server = full.iter().any(|asked| asked == NAME_SERVER);
    is_server
        || plan.services.iter().any(|service| {
            let own = format!("{}.{}.svc.{DOMAIN}", service.name, service.namespace);
            full.iter().any(|asked| {
                *asked == own
                    || asked
                        .strip_suffix(&own)
                        .and_then(|pod| pod.strip_suffix('.'))
                        .is_some_and(|pod| is_pod(plan, &service.namespace, &service.name, pod))
            })
        })
}

/// Whether a pod has this name in a headless service.
fn is_pod(plan: &Plan, namespace: &str, service: &str, pod: &str) -> bool {
    plan.workloads.iter().any(|workload| {
        let template = &workload.template;
        workload.namespace == namespace
            && match &workload.kind {
                Kind::StatefulSet(set) => {
                    let number = pod.strip_prefix(&workload.name);
                    let number = number.and_then(|rest| rest.strip_prefix('-'));
                    set.service == service && number.is_some_and(|n| n.parse::<u32>().is_ok())
                }
                _ => {
                    template.subdomain.as_deref() == Some(service)
                        && template.hostname.as_deref() == Some(pod)
                }
            }
    })
}
