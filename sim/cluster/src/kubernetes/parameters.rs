//! How long the control plane takes for everything that it does.
//!
//! Every delay is a parameter of the scenario (`system: {cluster: {…}}`). What takes work (watches,
//! scheduling, sandboxes, containers, rules, a boot) is drawn from the seed around its parameter, since
//! it takes longer at one time than at another. Deliberately absent: chance in what a controller counts
//! exactly (`node_grace`, `eviction`, periods of probes). Delays that Kubernetes fixes (back-off of containers, grace of
//! a forced deletion, kubectl's retry of an eviction) are constants beside the code that waits for them.

use std::time::Duration;

/// What a cluster is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The nodes' names, in the order in which the scheduler sees them.
    ///
    /// Default: a k3d cluster of one server and two agents, without its prefix `k3d-CLUSTER-`.
    pub nodes: Vec<String>,
    /// From a change of an object until a controller, a kubelet or a proxy has seen it.
    ///
    /// Default: ours. One write to etcd (1 to 10 ms on an SSD, by etcd's guide to hardware) and one
    /// message to the watcher on a small, idle cluster; the documented bound is 1 s at the 99th
    /// percentile for a whole call (kubernetes/community, `sig-scalability/slos`).
    pub watch: Duration,
    /// From a pod without a node to one with a node.
    ///
    /// Default: ours, for a cluster of three nodes: one cycle of kube-scheduler and the write of the
    /// binding. The scheduler is tested for 100 pods a second and more (`test/integration/scheduler_perf`).
    pub scheduling: Duration,
    /// From a pod on a node to its network (sandbox, address).
    ///
    /// Default: ours; with `container_start` a pod with present images runs after about a second,
    /// well within the documented 5 s at the 99th percentile (kubernetes/community,
    /// `sig-scalability/slos/pod_startup_latency.md`).
    pub sandbox: Duration,
    /// From the kubelet's decision to a container's process: finding a present image, creating it. A
    /// restart takes as long, with what the kubelet needs to see the end of the one before (it looks
    /// every second, `pkg/kubelet/kubelet.go`, `genericPlegRelistPeriod`).
    ///
    /// Default: ours; see `sandbox`.
    pub container_start: Duration,
    /// How long EndpointSlices gather changes before they are written.
    ///
    /// Default: kube-controller-manager's `--endpointslice-updates-batch-period`, 0.
    pub endpoints_batch: Duration,
    /// From a change of an EndpointSlice to the rules of every node's kube-proxy.
    ///
    /// Default: ours, for a few services: one run of `iptables-restore`. A kube-proxy that has just
    /// written its rules waits until `minSyncPeriod` is over, 1 s by default, before it does so again.
    pub proxy_sync: Duration,
    /// For how many seconds an answer of the cluster's DNS may be kept.
    ///
    /// Default: that of CoreDNS's plugin `kubernetes` (coredns/coredns, `plugin/kubernetes/README.md`),
    /// which k3s leaves as it is (k3s-io/k3s, `manifests/coredns.yaml`). kubeadm sets 30.
    pub dns_ttl_s: u32,
    /// Whether the cluster's DNS itself keeps answers for so long (CoreDNS's plugin `cache`).
    ///
    /// Default: as k3s and kubeadm configure it.
    pub dns_cache: bool,
    /// Until a node that is silent is held to be lost (`node-monitor-grace-period`).
    ///
    /// Default: that of kube-controller-manager until 1.31. Since 1.32 it is 50 s (kubernetes/kubernetes
    /// issues 121793 and 127352).
    pub node_grace: Duration,
    /// Until the pods of a lost node are evicted (`tolerationSeconds` of the default tolerations).
    ///
    /// Default: that of the admission plugin DefaultTolerationSeconds, 300 s.
    pub eviction: Duration,
    /// From a node's power to a kubelet at work, and the node Ready.
    ///
    /// Default: what k3s says of itself ("Check for Ready node, takes ~30 seconds", k3s-io/k3s,
    /// `README.md`).
    pub node_boot: Duration,
    /// How far what takes work strays from its parameter, to both sides, in hundredths of it.
    ///
    /// Default: ours, 20. On a real cluster it is more; but a story should not need luck.
    pub spread_percent: u8,
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
            spread_percent: 20,
        }
    }
}
