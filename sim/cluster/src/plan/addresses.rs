//! Addresses for containers: each network has a subnet, each container the first free address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use squall_host::Diagnostic;

use super::ServicePlan;
use crate::compose::Project;

/// The subnets of a project and what of them is taken.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    subnets: BTreeMap<String, Subnet>,
    taken: BTreeSet<Ipv4Addr>,
    first: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Subnet {
    base: u32,
    prefix: u8,
}

/// Docker's pools for networks begin at 172.17.0.0/16, which the default bridge has.
const POOL_FIRST: u32 = 0xAC12_0000;
const POOL_STEP: u32 = 0x0001_0000;
const POOL_PREFIX: u8 = 16;

impl Subnet {
    fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let base = u32::from(address) & (u32::MAX << (32 - u32::from(prefix)));
        Self { base, prefix }
    }

    fn size(self) -> u32 {
        1 << (32 - u32::from(self.prefix))
    }

    fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & (u32::MAX << (32 - u32::from(self.prefix))) == self.base
    }

    fn overlaps(self, other: Self) -> bool {
        self.contains(other.base.into()) || other.contains(self.base.into())
    }

    fn gateway(self) -> Ipv4Addr {
        (self.base + 1).into()
    }
}

impl Pools {
    /// Subnets for the networks that services start on, fixed addresses taken.
    pub(super) fn new(
        project: &Project,
        ordered: &[Arc<ServicePlan>],
        problems: &mut Vec<Diagnostic>,
    ) -> Self {
        let given = |name: &str| {
            let (address, prefix) = project.networks.get(name)?.subnet?;
            Some(Subnet::new(address, prefix))
        };
        let mut pools = Self {
            subnets: BTreeMap::new(),
            taken: BTreeSet::new(),
            first: None,
        };
        let used: Vec<&str> = ordered
            .iter()
            .map(|service| service.networks.first().map_or("default", String::as_str))
            .collect();
        for name in &used {
            if let Some(subnet) = given(name) {
                let clash = pools
                    .subnets
                    .iter()
                    .find(|(other, s)| *other != name && s.overlaps(subnet));
                if let (Some((other, _)), Some(network)) = (clash, project.networks.get(*name)) {
                    problems.push(Diagnostic::at(
                        network.origin.clone(),
                        format!("networks.{name}: its subnet overlaps with that of `{other}`"),
                    ));
                }
                pools.subnets.insert((*name).to_owned(), subnet);
            }
        }
        let mut next = POOL_FIRST;
        for name in used {
            pools.first.get_or_insert_with(|| name.to_owned());
            while !pools.subnets.contains_key(name) {
                let subnet = Subnet::new(next.into(), POOL_PREFIX);
                next += POOL_STEP;
                if !pools.subnets.values().any(|s| s.overlaps(subnet)) {
                    pools.subnets.insert(name.to_owned(), subnet);
                }
            }
        }
        pools.take_fixed(ordered, problems);
        pools
    }

    fn take_fixed(&mut self, ordered: &[Arc<ServicePlan>], problems: &mut Vec<Diagnostic>) {
        let mut owners: BTreeMap<Ipv4Addr, &ServicePlan> = BTreeMap::new();
        for service in ordered {
            let Some(fixed) = &service.address else {
                continue;
            };
            let network = service.networks.first().map_or("default", String::as_str);
            let inside = self
                .subnets
                .get(network)
                .is_some_and(|s| s.contains(fixed.value) && s.gateway() != fixed.value);
            if !inside {
                problems.push(
                    Diagnostic::at(
                        fixed.origin.clone(),
                        format!(
                            "services.{}: {} is no free address of the network `{network}`",
                            service.name, fixed.value
                        ),
                    )
                    .help(format!(
                        "give the network a subnet: `networks: {{{network}: {{ipam: {{config: [{{subnet: …}}]}}}}}}`"
                    )),
                );
            }
            if let Some(owner) = owners.insert(fixed.value, service) {
                problems.push(Diagnostic::at(
                    fixed.origin.clone(),
                    format!(
                        "services.{}: the address {} is that of `{}` already, at {}",
                        service.name,
                        fixed.value,
                        owner.name,
                        owner.address.as_ref().map_or(&owner.origin, |a| &a.origin)
                    ),
                ));
            }
            self.taken.insert(fixed.value);
        }
    }

    /// The next free address of a network, the lowest first; the gateway has the first.
    pub(super) fn next(&self, network: &str) -> Option<Ipv4Addr> {
        let subnet = self.subnets.get(network)?;
        (2..subnet.size() - 1)
            .map(|offset| Ipv4Addr::from(subnet.base + offset))
            .find(|address| !self.taken.contains(address))
    }

    /// Takes an address for good: Docker, too, goes on to the next and does not return to one that
    /// was given back.
    pub(super) fn take(&mut self, address: Ipv4Addr) {
        self.taken.insert(address);
    }

    /// The host as containers see it.
    pub(super) fn gateway(&self) -> Ipv4Addr {
        self.first
            .as_ref()
            .and_then(|name| self.subnets.get(name))
            .map_or(Ipv4Addr::from(POOL_FIRST + 1), |subnet| subnet.gateway())
    }
}
