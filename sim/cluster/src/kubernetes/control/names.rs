//! Names of services and pods, as CoreDNS's plugin `kubernetes` answers for them
//! (kubernetes/dns, `docs/specification.md`).
//!
//! Deliberately absent: SRV and PTR records, and names outside of the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::endpoints::Slice;
use super::pods::Pod;
use super::state::State;
use super::{Error, Inner};
use crate::kubernetes::plan::{Address, Kind, Service};

const ZONE: &str = "svc.cluster.local";

fn full_name(service: &Service) -> String {
    format!("{}.{}.{ZONE}", service.name, service.namespace)
}

impl State {
    /// A pod's name in a service: its host name, if this is the service that governs it.
    pub(super) fn hostname_in(&self, service: &Service, pod: &Pod) -> Option<String> {
        let named = |subdomain: &String| *subdomain == service.name;
        match &self.owners[pod.owner].workload.kind {
            Kind::StatefulSet(set) if named(&set.service) => Some(pod.name.clone()),
            _ if pod.template.subdomain.as_ref().is_some_and(named) => {
                pod.template.hostname.clone()
            }
            _ => None,
        }
    }

    /// The service of the cluster that a name means.
    fn service_named(&self, name: &str) -> Option<(usize, &Arc<Service>)> {
        let name = name.trim_end_matches('.');
        let mut services = self.services.iter().enumerate();
        services.find(|(_, service)| full_name(service) == name)
    }

    /// Services of the type ExternalName must lead to one of another type here.
    pub(super) fn check_external(&self) -> Result<(), Error> {
        for service in &self.services {
            if let Address::External(external) = &service.address {
                let known = self.service_named(external);
                if known.is_none_or(|(_, to)| matches!(to.address, Address::External(_))) {
                    return Err(Error::External {
                        service: self.shown_service(service),
                        external: external.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// What CoreDNS answers for a service's names.
    fn records(&self, at: usize, service: &Service) -> BTreeMap<String, Vec<IpAddr>> {
        let name = full_name(service);
        match &service.address {
            Address::Virtual(address) => BTreeMap::from([(name, vec![(*address).into()])]),
            Address::Headless => headless(name, &self.slices[at]),
            Address::External(external) => {
                let addresses = self
                    .service_named(external)
                    .and_then(|(at, to)| self.records(at, to).remove(&full_name(to)));
                BTreeMap::from([(name, addresses.unwrap_or_default())])
            }
        }
    }
}

fn headless(name: String, slice: &Slice) -> BTreeMap<String, Vec<IpAddr>> {
    let mut records = BTreeMap::new();
    let mut all: Vec<IpAddr> = Vec::new();
    for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
        let address = IpAddr::from(endpoint.address);
        let own = match &endpoint.hostname {
            Some(hostname) => hostname.clone(),
            None => endpoint.address.to_string().replace('.', "-"),
        };
        all.push(address);
        records
            .entry(format!("{own}.{name}"))
            .or_insert_with(Vec::new)
            .push(address);
    }
    records.insert(name, all);
    records
}

impl Inner {
    /// CoreDNS's part in a service, for ever.
    pub(super) async fn resolve(self: Arc<Self>, at: usize, service: Arc<Service>) {
        let mut known: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        loop {
            self.until(|state| (state.records(at, &service) != known).then_some(()))
                .await;
            tokio::time::sleep(self.drawn(self.parameters.watch)).await;
            let records = self.lock().records(at, &service);
            for name in known.keys().filter(|name| !records.contains_key(*name)) {
                self.machine.set_name(name, Vec::new());
            }
            for (name, addresses) in &records {
                if known.get(name) != Some(addresses) {
                    self.machine.set_name(name, addresses.clone());
                }
            }
            known = records;
        }
    }
}
