//! Who gets a service's traffic: EndpointSlices, and kube-proxy's rules by them.
//!
//! Deliberately absent: topology, session affinity, external traffic policies.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use squall_record::State as Seen;

use super::Inner;
use super::pods::Pod;
use super::state::State;
use crate::kubernetes::Parameters;
use crate::kubernetes::plan::{Address, Service, Target};

/// A service's EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) endpoints: Vec<Endpoint>,
}

/// A pod in it (discovery/v1 Endpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: Ipv4Addr,
    /// For each port of the service, the pod's; `None` where the pod has no port of this name.
    ports: Vec<Option<u16>>,
    /// Its name in the service, when it has one.
    pub(super) hostname: Option<String>,
    pub(super) ready: bool,
    /// It answers, though it may be on its way out.
    serving: bool,
    terminating: bool,
}

impl Slice {
    /// Where kube-proxy sends connections to a port: to who is ready, else to who is on the way out and
    /// still answers (KEP-1669, ProxyTerminatingEndpoints).
    fn backends(&self, port: usize) -> Vec<SocketAddr> {
        let of = |wanted: fn(&Endpoint) -> bool| -> Vec<SocketAddr> {
            let endpoints = self.endpoints.iter().filter(|endpoint| wanted(endpoint));
            let sockets = endpoints.filter_map(|endpoint| {
                Some(State::socket(endpoint.address, endpoint.ports[port]?))
            });
            sockets.collect()
        };
        match of(|endpoint| endpoint.ready) {
            ready if ready.is_empty() => of(|endpoint| endpoint.serving && endpoint.terminating),
            ready => ready,
        }
    }

    fn ready(&self) -> Vec<String> {
        let ready = self.endpoints.iter().filter(|endpoint| endpoint.ready);
        let mut lines: Vec<String> = ready
            .flat_map(|endpoint| {
                let ports = endpoint.ports.iter().flatten();
                ports.map(|port| State::socket(endpoint.address, *port).to_string())
            })
            .collect();
        lines.sort();
        lines
    }
}

impl State {
    /// What the EndpointSlice controller writes now (`pkg/controller/endpointslice`).
    fn slice(&self, service: &Service) -> Slice {
        if service.selector.is_empty() {
            return Slice::default();
        }
        let pods = self.pods().filter(|pod| {
            pod.namespace == service.namespace
                && !pod.finished()
                && service
                    .selector
                    .iter()
                    .all(|(key, value)| pod.labels.get(key) == Some(value))
        });
        let endpoint = |pod: &Pod| {
            let serving = pod.ready.is_some();
            let terminating = pod.terminating();
            Some(Endpoint {
                address: pod.address?,
                ports: service
                    .ports
                    .iter()
                    .map(|port| target(&port.target, pod))
                    .collect(),
                hostname: self.hostname_in(service, pod),
                ready: service.publish_not_ready || (serving && !terminating),
                serving,
                terminating,
            })
        };
        Slice {
            endpoints: pods.filter_map(endpoint).collect(),
        }
    }

    pub(super) fn shown_service(&self, service: &Service) -> String {
        let same = self
            .services
            .iter()
            .filter(|other| other.name == service.name);
        match same.count() {
            1 => service.name.clone(),
            _ => format!("{}/{}", service.namespace, service.name),
        }
    }
}

/// A pod's port for a service's target; named ports are looked for in all its containers.
pub(super) fn target(target: &Target, pod: &Pod) -> Option<u16> {
    match target {
        Target::Number(port) => Some(*port),
        Target::Name(name) => {
            let mut ports = pod
                .template
                .containers
                .iter()
                .flat_map(|container| &container.ports);
            let found = ports.find(|(known, _)| known.as_ref() == Some(name));
            found.map(|(_, port)| *port)
        }
    }
}

impl Inner {
    /// The EndpointSlice controller's part in a service, for ever.
    pub(super) async fn slice(self: Arc<Self>, at: usize, service: Arc<Service>) {
        let Parameters {
            watch,
            endpoints_batch,
            ..
        } = self.parameters;
        loop {
            self.until(|state| (state.slice(&service) != state.slices[at]).then_some(()))
                .await;
            let delay = self.drawn(watch) + self.drawn(endpoints_batch);
            tokio::time::sleep(delay).await;
            let mut state = self.lock();
            let slice = state.slice(&service);
            if slice == state.slices[at] {
                continue;
            }
            let (before, ready) = (state.slices[at].ready(), slice.ready());
            state.slices[at] = slice;
            if before != ready {
                self.machine.observed(Seen::Endpoints {
                    service: state.shown_service(&service).into(),
                    ready: ready.into_iter().map(Into::into).collect(),
                });
            }
            self.announce(&mut state);
        }
    }

    /// kube-proxy's part in a service, on all nodes at once, for ever.
    pub(super) async fn proxy(self: Arc<Self>, at: usize, service: Arc<Service>) {
        let Parameters {
            watch, proxy_sync, ..
        } = self.parameters;
        let ports = service.ports.len();
        let rules = |state: &State| -> Vec<Vec<SocketAddr>> {
            (0..ports)
                .map(|port| state.slices[at].backends(port))
                .collect()
        };
        let mut applied = vec![Vec::new(); ports];
        self.direct(&service, &applied);
        loop {
            self.until(|state| (rules(state) != applied).then_some(()))
                .await;
            let delay = self.drawn(watch) + self.drawn(proxy_sync);
            tokio::time::sleep(delay).await;
            applied = rules(&self.lock());
            self.direct(&service, &applied);
        }
    }

    /// Makes connections to a service lead to the backends of each port.
    fn direct(&self, service: &Service, backends: &[Vec<SocketAddr>]) {
        let Address::Virtual(address) = service.address else {
            return;
        };
        for (port, backends) in service.ports.iter().zip(backends) {
            if port.udp {
                continue;
            }
            if let Some(node_port) = port.node_port {
                let from = State::socket(Ipv4Addr::UNSPECIFIED, node_port);
                self.machine.publish(from, backends.clone());
            }
            let from = State::socket(address, port.port);
            self.machine.balance(from, Some(backends.clone()));
        }
    }
}
