//! Services, with the addresses and ports that they are given.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as api;

use super::addresses::Pool;
use super::values;
use crate::kubernetes::names;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects::{Object, Typed};
use crate::kubernetes::plan::{Address, Port, Service, Target};

/// Services with their addresses: those that the user chose first, so that none is given twice.
pub(super) fn all(objects: &[Object], notes: &mut Notes) -> Vec<Arc<Service>> {
    let services: Vec<(&Object, &api::ServiceSpec)> = objects
        .iter()
        .filter_map(|object| match &object.typed {
            Typed::Service(service) => Some((object, service.spec.as_ref()?)),
            _ => None,
        })
        .collect();
    let mut pool = Pool::default();
    let mut chosen = Vec::new();
    for (object, spec) in &services {
        chosen.push(Chosen::new(object, spec, &mut pool, notes));
    }
    let mut planned = Vec::new();
    for ((object, spec), chosen) in services.into_iter().zip(chosen) {
        planned.extend(service(object, spec, chosen, &mut pool, notes).map(Arc::new));
    }
    planned
}

/// What a service's manifest says of its address and its ports on the nodes.
struct Chosen {
    /// `None` where one is to be given.
    address: Option<Address>,
    node_ports: BTreeMap<usize, u16>,
    on_nodes: bool,
}

impl Chosen {
    fn new(object: &Object, spec: &api::ServiceSpec, pool: &mut Pool, notes: &mut Notes) -> Self {
        let place = object.place().key("spec");
        let mut chosen = Self {
            address: None,
            node_ports: BTreeMap::new(),
            on_nodes: false,
        };
        match spec.type_.as_deref() {
            None | Some("ClusterIP") => {}
            Some("NodePort") => chosen.on_nodes = true,
            Some("LoadBalancer") => {
                let message = "there is no cloud that would balance: it is played as a NodePort";
                notes.warnings.push(place.key("type").problem(message));
                chosen.on_nodes = true;
            }
            Some("ExternalName") => {
                let name = spec.external_name.clone().unwrap_or_default();
                if name.is_empty() {
                    notes
                        .problems
                        .push(place.key("externalName").problem("is required"));
                }
                chosen.address = Some(Address::External(name));
            }
            Some(other) => {
                let message = format!(
                    "`{other}` is none of ClusterIP, NodePort, LoadBalancer and ExternalName"
                );
                notes.problems.push(place.key("type").problem(message));
            }
        }
        match spec.cluster_ip.as_deref() {
            None | Some("") => {}
            Some("None") if chosen.on_nodes => {
                let message = "a NodePort needs an address: it cannot be headless";
                notes.problems.push(place.key("clusterIP").problem(message));
            }
            Some("None") => chosen.address = Some(Address::Headless),
            Some(text) => {
                let place = place.key("clusterIP");
                match pool.take(text, &place.origin()) {
                    Ok(address) => chosen.address = Some(Address::Virtual(address)),
                    Err(message) => notes.problems.push(place.problem(message)),
                }
            }
        }
        for (index, port) in spec.ports.iter().flatten().enumerate() {
            // 0 is what a cluster writes for none.
            let Some(number) = port.node_port.filter(|port| *port != 0) else {
                continue;
            };
            let place = place.item_of("ports", index).key("nodePort");
            if !chosen.on_nodes {
                notes
                    .problems
                    .push(place.problem("only a NodePort has one"));
                continue;
            }
            match pool.take_port(number, is_udp(port), &place.origin()) {
                Ok(number) => {
                    chosen.node_ports.insert(index, number);
                }
                Err(message) => notes.problems.push(place.problem(message)),
            }
        }
        chosen
    }
}

fn is_udp(port: &api::ServicePort) -> bool {
    port.protocol.as_deref() == Some("UDP")
}

fn service(
    object: &Object,
    spec: &api::ServiceSpec,
    chosen: Chosen,
    pool: &mut Pool,
    notes: &mut Notes,
) -> Option<Service> {
    let place = object.place().key("spec");
    let given = match chosen.address {
        Some(address) => Some(address),
        None => pool.next(&object.origin()).map(Address::Virtual),
    };
    let Some(address) = given else {
        notes
            .problems
            .push(place.problem("the range 10.43.0.0/16 has no free address"));
        return None;
    };
    let list = spec.ports.as_deref().unwrap_or(&[]);
    if list.is_empty() && matches!(address, Address::Virtual(_)) {
        notes
            .problems
            .push(place.key("ports").problem("a port is required"));
    }
    let mut ports: Vec<Port> = Vec::new();
    for (index, port) in list.iter().enumerate() {
        let place = place.item_of("ports", index);
        let name = port.name.clone().filter(|name| !name.is_empty());
        match &name {
            Some(name) => names::label(name, &place.key("name"), notes),
            None if list.len() > 1 => notes
                .problems
                .push(place.problem("of several ports, each needs a name")),
            None => {}
        }
        if name.is_some() && ports.iter().any(|other| other.name == name) {
            let message = "the port's name is there twice";
            notes.problems.push(place.key("name").problem(message));
        }
        let Some(number) = values::port(port.port, &place.key("port"), notes) else {
            continue;
        };
        let udp = is_udp(port);
        if ports
            .iter()
            .any(|other| (other.port, other.udp) == (number, udp))
        {
            let message = format!("the port {number} is there twice");
            notes.problems.push(place.key("port").problem(message));
        }
        let target = match &port.target_port {
            None => Some(Target::Number(number)),
            Some(target) => values::target(target, &place.key("targetPort"), notes),
        };
        let node_port = match chosen.node_ports.get(&index) {
            Some(port) => Some(*port),
            None if chosen.on_nodes => pool.next_port(udp, &place.origin()),
            None => None,
        };
        ports.extend(target.map(|target| Port {
            name,
            port: number,
            target,
            node_port,
            udp,
        }));
    }
    Some(Service {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        origin: object.origin(),
        address,
        selector: spec.selector.clone().unwrap_or_default(),
        ports,
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or(false),
    })
}
