//! Virtual addresses and ports of nodes, as the API server gives them out.
//!
//! The range is k3s's. The API server draws an address and a port by chance; here they are given
//! in the order of the manifests, so that a run's addresses can be told from its manifests.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use squall_host::Origin;

/// k3s's `--service-cidr`: 10.43.0.0/16.
const RANGE: [u8; 2] = [10, 43];
/// The first that is given out; those before it are a cluster's own.
const FIRST: u16 = 11;
/// The API server and the name server of a cluster (k3s, `--cluster-dns`).
const TAKEN: [(u16, &str); 2] = [(1, "the API server"), (10, "the name server")];
/// `--service-node-port-range`, and the first of it that is given out.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// What is given out already.
#[derive(Debug, Default)]
pub(super) struct Pool {
    addresses: BTreeMap<Ipv4Addr, Origin>,
    node_ports: BTreeMap<(u16, bool), Origin>,
}

impl Pool {
    /// Takes an address that the user chose.
    pub(super) fn take(&mut self, text: &str, origin: &Origin) -> Result<Ipv4Addr, String> {
        let address: Ipv4Addr = text
            .parse()
            .map_err(|_| format!("`{text}` is neither an IPv4 address nor None"))?;
        let [a, b, c, d] = address.octets();
        if [a, b] != RANGE || [c, d] == [0, 0] || [c, d] == [255, 255] {
            return Err(format!("{address} is not in the range 10.43.0.0/16"));
        }
        let number = u16::from_be_bytes([c, d]);
        if let Some((_, who)) = TAKEN.iter().find(|(taken, _)| *taken == number) {
            return Err(format!("{address} is the address of {who}"));
        }
        match self.addresses.insert(address, origin.clone()) {
            None => Ok(address),
            Some(first) => Err(format!("{address} is given already, at {first}")),
        }
    }

    /// The next free address.
    pub(super) fn next(&mut self, origin: &Origin) -> Option<Ipv4Addr> {
        let address = (FIRST..u16::MAX)
            .map(|number| {
                let [c, d] = number.to_be_bytes();
                Ipv4Addr::new(RANGE[0], RANGE[1], c, d)
            })
            .find(|address| !self.addresses.contains_key(address))?;
        self.addresses.insert(address, origin.clone());
        Some(address)
    }

    /// Takes a port of the nodes that the user chose.
    pub(super) fn take_port(
        &mut self,
        port: i32,
        udp: bool,
        origin: &Origin,
    ) -> Result<u16, String> {
        let port = u16::try_from(port)
            .ok()
            .filter(|port| NODE_PORTS.contains(port))
            .ok_or_else(|| format!("{port} is not in the range of node ports, 30000-32767"))?;
        match self.node_ports.insert((port, udp), origin.clone()) {
            None => Ok(port),
            Some(first) => Err(format!("the node port {port} is taken already, at {first}")),
        }
    }

    /// The next free port of the nodes.
    pub(super) fn next_port(&mut self, udp: bool, origin: &Origin) -> Option<u16> {
        let port = NODE_PORTS
            .into_iter()
            .find(|port| !self.node_ports.contains_key(&(*port, udp)))?;
        self.node_ports.insert((port, udp), origin.clone());
        Some(port)
    }
}
