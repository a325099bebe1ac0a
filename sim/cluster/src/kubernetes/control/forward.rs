//! `kubectl port-forward`, in a loop that chooses a pod anew when the one before is gone.

use std::net::{Ipv4Addr, SocketAddr};

use super::endpoints::target;
use super::pods::{Pod, PodId};
use super::state::State;
use super::{Error, Kube};

/// Whom a port is forwarded to.
enum Ahead {
    /// To a port of the service's pods.
    Service(usize, usize),
    /// To a port of a target's pods.
    Pods(String, u16),
}

impl Kube {
    /// Forwards a port of the user's machine (127.0.0.1) to the first ready pod of `svc/NAME`, or of any
    /// other target (`pod/`, `deploy/`, `sts/` may stand before it). Chosen when it is called and again
    /// when that pod is gone; who is not ready then is not chosen.
    pub fn forward(&self, port: u16, to: &str, to_port: u16) -> Result<(), Error> {
        let from = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let ahead = self.inner.lock().ahead(to, to_port)?;
        let inner = self.inner.clone();
        tokio::spawn(async move {
            loop {
                let (id, socket) = inner.until(|state| state.first(&ahead)).await;
                inner.machine.publish(from, vec![socket]);
                inner
                    .until(|state| {
                        let over = |pod: &Pod| pod.gone || pod.finished();
                        state.pod(id).is_none_or(over).then_some(())
                    })
                    .await;
                inner.machine.unpublish(from);
            }
        });
        Ok(())
    }
}

impl State {
    fn ahead(&self, to: &str, port: u16) -> Result<Ahead, Error> {
        let (kind, name) = match to.split_once('/') {
            Some((kind, name)) if KINDS.contains(&kind) => (kind, name),
            _ => ("", to),
        };
        if !SERVICES.contains(&kind) {
            if kind.is_empty() || self.targets(name).is_err() {
                self.targets(name)?;
            }
            return Ok(Ahead::Pods(name.to_owned(), port));
        }
        let is = |at: &usize| {
            let service = &self.services[*at];
            service.name == name || format!("{}/{}", service.namespace, service.name) == name
        };
        let found: Vec<usize> = (0..self.services.len()).filter(is).collect();
        let shown = |at: &usize| self.shown_service(&self.services[*at]);
        let service = match found[..] {
            [service] => service,
            [] => {
                return Err(Error::NoSuchService {
                    name: name.to_owned(),
                    known: (0..self.services.len()).map(|at| shown(&at)).collect(),
                });
            }
            _ => {
                return Err(Error::Ambiguous {
                    name: name.to_owned(),
                    known: found.iter().map(shown).collect(),
                });
            }
        };
        let ports = &self.services[service].ports;
        match ports.iter().position(|known| known.port == port) {
            Some(port) => Ok(Ahead::Service(service, port)),
            None => Err(Error::NoSuchPort {
                service: shown(&service),
                port,
            }),
        }
    }

    /// The first ready pod, and where to reach it.
    fn first(&self, ahead: &Ahead) -> Option<(PodId, SocketAddr)> {
        let pods: Vec<&Pod> = match ahead {
            Ahead::Pods(name, _) => {
                let ids = self.targets(name).ok()?;
                ids.into_iter().filter_map(|id| self.pod(id)).collect()
            }
            Ahead::Service(service, _) => {
                let service = &self.services[*service];
                let has = |pod: &&Pod| {
                    let mut wanted = service.selector.iter();
                    pod.namespace == service.namespace
                        && wanted.all(|(key, value)| pod.labels.get(key) == Some(value))
                };
                self.pods().filter(has).collect()
            }
        };
        let pod = pods
            .into_iter()
            .find(|pod| pod.active() && pod.ready.is_some())?;
        let port = match ahead {
            Ahead::Pods(_, port) => *port,
            Ahead::Service(service, port) => {
                target(&self.services[*service].ports[*port].target, pod)?
            }
        };
        Some((pod.id, Self::socket(pod.address?, port)))
    }
}

const SERVICES: [&str; 3] = ["svc", "service", "services"];
const KINDS: [&str; 13] = [
    "svc",
    "service",
    "services",
    "pod",
    "pods",
    "po",
    "deploy",
    "deployment",
    "deployments",
    "sts",
    "statefulset",
    "statefulsets",
    "job",
];
