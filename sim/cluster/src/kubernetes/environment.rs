//! Variables that tell a container of the services in its namespace (kubernetes.io, "Accessing the
//! Service", "Environment variables"; kubelet, `envvars.go`).
//!
//! A kubelet tells of those that were there before the pod; here all are, since the manifests are
//! applied at once. The API server's own (`KUBERNETES_SERVICE_HOST`) are absent, as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Address, Service};

/// The variables of a namespace's services that have an address.
pub(super) fn of_services(services: &[Arc<Service>], namespace: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for service in services.iter().filter(|s| s.namespace == namespace) {
        let Address::Virtual(address) = service.address else {
            continue;
        };
        let Some(first) = service.ports.first() else {
            continue;
        };
        let prefix = upper(&service.name);
        let mut put = |name: String, value: String| {
            variables.insert(name, value);
        };
        put(format!("{prefix}_SERVICE_HOST"), address.to_string());
        put(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
        for port in &service.ports {
            let protocol = if port.udp { "udp" } else { "tcp" };
            let number = port.port;
            let url = format!("{protocol}://{address}:{number}");
            if let Some(name) = &port.name {
                let name = upper(name);
                put(format!("{prefix}_SERVICE_PORT_{name}"), number.to_string());
            }
            if port == first {
                put(format!("{prefix}_PORT"), url.clone());
            }
            let link = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
            put(link.clone(), url);
            put(format!("{link}_PROTO"), protocol.to_owned());
            put(format!("{link}_PORT"), number.to_string());
            put(format!("{link}_ADDR"), address.to_string());
        }
    }
    variables
}

fn upper(name: &str) -> String {
    name.replace('-', "_").to_ascii_uppercase()
}
