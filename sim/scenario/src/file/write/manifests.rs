//! Where the system is described, as the keys that say so.

use squall_cluster::kubernetes::Parameters;

use super::tree::Tree;
use super::{Field, names, time};
use crate::file::manifests::{DELAYS, Kubernetes, Manifests, nodes};

pub(super) fn write(manifests: &Manifests) -> Vec<Field> {
    let kubernetes = match manifests {
        Manifests::Compose(file) => return vec![("compose", Tree::text(&file.value))],
        Manifests::Kubernetes(kubernetes) => kubernetes,
    };
    let Kubernetes {
        paths,
        forward,
        parameters,
        namespace,
    } = &**kubernetes;
    let mut fields = vec![("kubernetes", names(paths))];
    if let Some(namespace) = namespace {
        fields.push(("namespace", Tree::text(&namespace.value)));
    }
    if !forward.is_empty() {
        let forward = forward.iter().map(|one| {
            let to = format!("{}:{}", one.to.value, one.to_port);
            (one.port.to_string(), Tree::text(to))
        });
        fields.push(("forward", Tree::Map(forward.collect())));
    }
    let cluster = cluster(parameters);
    if !cluster.is_empty() {
        fields.push(("cluster", Tree::Map(cluster)));
    }
    fields
}

fn cluster(parameters: &Parameters) -> Vec<(String, Tree)> {
    let mut fields = Vec::new();
    let (mut parameters, mut usual) = (parameters.clone(), Parameters::default());
    let mut add = |key: &str, value| fields.push((key.to_owned(), value));
    let all = &parameters.nodes;
    if *all != usual.nodes {
        add(
            "nodes",
            match *all == nodes(all.len()) {
                true => Tree::text(all.len().to_string()),
                false => Tree::List(all.iter().map(Tree::text).collect()),
            },
        );
    }
    if parameters.dns_ttl_s != usual.dns_ttl_s {
        add("dns_ttl", Tree::text(format!("{}s", parameters.dns_ttl_s)));
    }
    if parameters.spread_percent != usual.spread_percent {
        add(
            "spread",
            Tree::text(format!("{}%", parameters.spread_percent)),
        );
    }
    if parameters.dns_cache != usual.dns_cache {
        add("dns_cache", Tree::text(parameters.dns_cache.to_string()));
    }
    for (key, delay) in DELAYS {
        let delay = |of| *delay(of);
        let now = delay(&mut parameters);
        if now != delay(&mut usual) {
            add(key, time(now));
        }
    }
    fields
}
