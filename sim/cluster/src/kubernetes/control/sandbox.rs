//! A pod's network and disk: its machine, with an address and with the volumes of its claims.
//!
//! A claim's volume is with one pod at a time: another waits until that pod's object is gone, as for a
//! volume that can be attached to one node alone ("Multi-Attach error"). All claims of a pod must have
//! been with one machine before, since a disk is taken over from one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Inner;
use super::pods::{Pod, PodId};
use super::state::State;
use crate::kubernetes::plan::Kind;
use crate::machine::{NodeId, NodeSpec, Resolver, Shared, Volumes};

/// k3s gives each node a /24 of 10.42.0.0/16 (docs.k3s.io, `--cluster-cidr`); the first address in it
/// is the node's bridge.
const POD_FIRST: u32 = 2;
const POD_LAST: u32 = 254;

impl Inner {
    /// Makes a pod's machine, when it has none.
    pub(super) async fn sandbox(&self, id: PodId) {
        if self.lock().pod(id).is_none_or(|pod| pod.machine.is_some()) {
            return;
        }
        self.until(|state| state.volumes_free(id).then_some(()))
            .await;
        tokio::time::sleep(self.drawn(self.parameters.sandbox)).await;
        self.change(|state| {
            let Some(spec) = state.claim_network(id) else {
                return;
            };
            let address = spec.address;
            let machine = self.machine.add_node(spec);
            for (folder, shared) in state.shared_by(id) {
                self.machine.mount(machine, &folder, &shared);
            }
            self.machine.plug(machine, true);
            state.settle_in(id, address, machine);
        });
    }
}

impl State {
    /// A pod's claims, by the name of the volume in the pod.
    fn claims_of(&self, pod: &Pod) -> BTreeMap<String, String> {
        let mut claims = pod.template.claims.clone();
        if let Kind::StatefulSet(set) = &self.owners[pod.owner].workload.kind {
            let own = set.claims.iter();
            claims.extend(own.map(|volume| (volume.clone(), format!("{volume}-{}", pod.name))));
        }
        claims
    }

    fn volumes_free(&self, id: PodId) -> bool {
        let Some(pod) = self.pod(id) else { return true };
        let claims = self.claims_of(pod);
        let mut holders = self
            .pods()
            .filter(|other| other.id != id && other.namespace == pod.namespace)
            .filter(|other| other.machine.is_some() && !other.finished());
        !holders.any(|other| {
            let theirs = self.claims_of(other);
            claims
                .values()
                .any(|claim| theirs.values().any(|their| their == claim))
        })
    }

    fn claim_network(&mut self, id: PodId) -> Option<NodeSpec> {
        let node = self.pod(id)?.node?;
        let address = self.next_address(node);
        let pod = self.pod(id)?;
        let claims = self.claims_of(pod);
        let key = |claim: &String| (pod.namespace.clone(), claim.clone());
        let from = claims
            .values()
            .find_map(|claim| self.claims.get(&key(claim)).copied());
        let folders = (0..pod.containers.len())
            .flat_map(|index| &pod.container(index).mounts)
            .filter(|mount| claims.contains_key(&mount.volume))
            .map(|mount| mount.folder.clone());
        let mut folders: Vec<String> = folders.collect();
        folders.sort();
        folders.dedup();
        let namespace = &pod.namespace;
        Some(NodeSpec {
            name: pod
                .template
                .hostname
                .clone()
                .unwrap_or_else(|| pod.name.clone()),
            address,
            cpu_limit: pod.template.containers.first().and_then(|c| c.cpu_limit),
            // The kubelet's resolv.conf with dnsPolicy ClusterFirst (KW, dns-pod-service.md).
            resolver: Resolver {
                search: vec![
                    format!("{namespace}.svc.cluster.local"),
                    "svc.cluster.local".to_owned(),
                    "cluster.local".to_owned(),
                ],
                ndots: 5,
            },
            volumes: from.map(|from| Volumes { from, folders }),
        })
    }

    /// What a pod's machine has with others: the volumes of all that run on it.
    fn shared_by(&self, id: PodId) -> Vec<(String, Shared)> {
        let Some(pod) = self.pod(id) else {
            return Vec::new();
        };
        let on_machine = (0..=pod.mains().start).flat_map(|index| &pod.container(index).mounts);
        let shared = on_machine.filter_map(|mount| Some((&mount.folder, mount.shared.as_ref()?)));
        shared
            .map(|(folder, shared)| (folder.clone(), shared.clone()))
            .collect()
    }

    fn settle_in(&mut self, id: PodId, address: Ipv4Addr, machine: NodeId) {
        let Some(pod) = self.pod_mut(id) else { return };
        pod.address = Some(address);
        pod.machine = Some(machine);
        // The first container has the pod's machine, and so have the init containers before it.
        let first = pod.mains().start;
        for index in 0..=first.min(pod.containers.len().saturating_sub(1)) {
            if !pod.container(index).sidecar {
                pod.containers[index].machine = Some(machine);
            }
        }
        let (namespace, owner) = (pod.namespace.clone(), pod.owner);
        let claims = self
            .pod(id)
            .map(|pod| self.claims_of(pod))
            .unwrap_or_default();
        for claim in claims.into_values() {
            self.claims.insert((namespace.clone(), claim), machine);
        }
        let shown = self.owners[owner].shown.clone();
        self.addresses.insert(address.into(), shown);
    }

    /// 10.42.N.M for the node N; with all M given, 10.42.(N + nodes).M, and so on.
    fn next_address(&mut self, node: usize) -> Ipv4Addr {
        let nodes = self.nodes.len();
        let given = &mut self.nodes[node].addresses_given;
        let (block, at) = (
            *given / (POD_LAST - POD_FIRST + 1),
            *given % (POD_LAST - POD_FIRST + 1),
        );
        *given += 1;
        let third = node + nodes * block as usize;
        let octets =
            [third, (POD_FIRST + at) as usize].map(|octet| u8::try_from(octet).unwrap_or(255));
        Ipv4Addr::new(10, 42, octets[0], octets[1])
    }
}
