//! How long the control plane takes for everything that it does.
//!
//! Every delay is a parameter of the scenario (`system: {cluster: {…}}`). Deliberately absent: chance;
//! a delay is what it is in every run.

use std::time::Duration;

/// What a cluster is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The nodes' names, in the order in which the scheduler sees them.
    pub nodes: Vec<String>,
    /// From a change of an object until a controller, a kubelet or a proxy has seen it.
    pub watch: Duration,
    /// From a pod without a node to one with a node.
    pub scheduling: Duration,
    /// From a pod on a node to its network (sandbox, address).
    pub sandbox: Duration,
    /// From the kubelet's decision to a container's process: pulling a present image, creating it.
    pub container_start: Duration,
    /// How long EndpointSlices gather changes before they are written.
    pub endpoints_batch: Duration,
    /// From a change of an EndpointSlice to the rules of every node's kube-proxy.
    pub proxy_sync: Duration,
    /// For how many seconds an answer of the cluster's DNS may be kept.
    pub dns_ttl_s: u32,
    /// Whether the cluster's DNS itself keeps answers for so long (CoreDNS's plugin `cache`).
    pub dns_cache: bool,
    /// Until a node that is silent is held to be lost (`node-monitor-grace-period`).
    pub node_grace: Duration,
    /// Until the pods of a lost node are evicted (`tolerationSeconds` of the default tolerations).
    pub eviction: Duration,
    /// From a node's power to a kubelet at work, and the node Ready.
    pub node_boot: Duration,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            nodes: ["server-0", "agent-0", "agent-1"].map(str::to_owned).into(),
            watch: Duration::from_millis(20),
            scheduling: Duration::from_millis(30),
            sandbox: Duration::from_millis(500),
            container_start: Duration::from_millis(500),
            endpoints_batch: Duration::ZERO,
            proxy_sync: Duration::from_millis(100),
            dns_ttl_s: 5,
            dns_cache: true,
            node_grace: Duration::from_secs(40),
            eviction: Duration::from_secs(300),
            node_boot: Duration::from_secs(30),
        }
    }
}
