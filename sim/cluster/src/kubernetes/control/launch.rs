//! What a container's process is started with: who its pod is, in arguments, environment and files.

use squall_host::{Diagnostics, Launch, Loaded};

use super::nodes;
use super::pods::Pod;
use super::state::State;
use crate::kubernetes::plan::Identity;

impl State {
    /// Reads the input of a container's program.
    pub(super) fn launch(&self, pod: &Pod, index: usize) -> Result<(Launch, Loaded), Diagnostics> {
        pod.container(index).start(&self.identity(pod))
    }

    fn identity(&self, pod: &Pod) -> Identity {
        let node = pod.node.unwrap_or_default();
        Identity {
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            uid: pod.uid.clone(),
            hostname: pod
                .template
                .hostname
                .clone()
                .unwrap_or_else(|| pod.name.clone()),
            address: pod.address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
            node: self.nodes[node].name.clone(),
            node_address: nodes::address(node),
            labels: pod.labels.clone(),
            annotations: pod.template.annotations.clone(),
        }
    }
}
