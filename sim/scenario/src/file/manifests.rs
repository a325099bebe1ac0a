//! Where the system is described: `compose`, or `kubernetes` with what belongs to it.

use std::time::Duration;

use squall_cluster::kubernetes::Parameters;

use super::{Located, duration_of};
use crate::units;
use crate::yaml::{Expect, Fields, Node, Problems, Value};

/// Where the system is described. Paths start at the folder of the scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifests {
    /// In a Compose file.
    Compose(Located<String>),
    /// In Kubernetes' manifests.
    Kubernetes(Box<Kubernetes>),
}

/// Kubernetes' manifests, and the cluster that they are applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Files, folders and kustomizations; at least one.
    pub paths: Vec<Located<String>>,
    /// What `kubectl port-forward` does, for clients that ask `localhost`.
    pub forward: Vec<Forward>,
    /// What the cluster is like.
    pub parameters: Parameters,
    /// Where the names of targets are looked up first.
    pub namespace: Option<Located<String>>,
}

/// One `kubectl port-forward`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The port on `localhost`.
    pub port: u16,
    /// To whom: `svc/NAME`, `pod/NAME`, `deploy/NAME`, a workload.
    pub to: Located<String>,
    /// To which port there.
    pub to_port: u16,
}

impl Manifests {
    /// The line where the file names it.
    pub fn line(&self) -> u32 {
        match self {
            Self::Compose(file) => file.line,
            Self::Kubernetes(kubernetes) => kubernetes.paths.first().map_or(0, |path| path.line),
        }
    }

    /// All paths that are named.
    pub fn paths_mut(&mut self) -> &mut [Located<String>] {
        match self {
            Self::Compose(file) => std::slice::from_mut(file),
            Self::Kubernetes(kubernetes) => &mut kubernetes.paths,
        }
    }
}

/// The most nodes of a cluster.
const NODES_MAX: usize = 1000;

/// Where a delay of a cluster is.
type Delay = fn(&mut Parameters) -> &mut Duration;

/// The delays of a cluster by their keys.
pub(super) const DELAYS: [(&str, Delay); 9] = [
    ("watch", |of| &mut of.watch),
    ("scheduling", |of| &mut of.scheduling),
    ("sandbox", |of| &mut of.sandbox),
    ("container_start", |of| &mut of.container_start),
    ("endpoints_batch", |of| &mut of.endpoints_batch),
    ("proxy_sync", |of| &mut of.proxy_sync),
    ("node_grace", |of| &mut of.node_grace),
    ("node_boot", |of| &mut of.node_boot),
    ("eviction", |of| &mut of.eviction),
];

/// What belongs to Compose alone, and to Kubernetes alone.
const OF_COMPOSE: [&str; 2] = ["environment", "profiles"];
const OF_KUBERNETES: [&str; 3] = ["forward", "cluster", "namespace"];

/// Exactly one of `compose` and `kubernetes` among the fields of the system, and what is said of it.
pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Manifests> {
    match (fields.take("compose"), fields.take("kubernetes")) {
        (Some(node), None) => {
            for key in OF_KUBERNETES {
                let why = "it belongs to a system of `kubernetes`";
                fields.refuse(key, why, "leave it out", problems);
            }
            let value = node.expect_text("compose", problems)?.to_owned();
            let line = node.line;
            Some(Manifests::Compose(Located { line, value }))
        }
        (None, Some(node)) => {
            for key in OF_COMPOSE {
                let why = "it belongs to a system of `compose`";
                fields.refuse(key, why, "leave it out", problems);
            }
            let kubernetes = read_kubernetes(node, fields, problems)?;
            Some(Manifests::Kubernetes(Box::new(kubernetes)))
        }
        (compose, kubernetes) => {
            let have = match compose.and(kubernetes) {
                Some(_) => "both",
                None => "neither",
            };
            problems.add(
                fields.line,
                format!("a system has either `compose` or `kubernetes`, and this one {have}"),
                "name the manifests: `compose: docker-compose.yml`, or `kubernetes: k8s/`",
            );
            None
        }
    }
}

fn read_kubernetes(
    node: &Node,
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Kubernetes> {
    let paths = node.expect_texts("kubernetes", problems).into_iter();
    let paths: Vec<_> = paths.map(|(line, value)| Located { line, value }).collect();
    let forward = fields.take("forward");
    let forward = forward.map(|node| node.expect_map("forward", problems));
    let forward = forward.unwrap_or_default().iter();
    let forward = forward
        .filter_map(|(key, node)| read_forward(&key.text, node, problems))
        .collect();
    let parameters = match fields.take("cluster") {
        Some(node) => read_parameters(node, problems),
        None => Parameters::default(),
    };
    let namespace = fields.take("namespace").and_then(|node| {
        let value = node.expect_text("namespace", problems)?.to_owned();
        let line = node.line;
        Some(Located { line, value })
    });
    (!paths.is_empty()).then_some(Kubernetes {
        paths,
        forward,
        parameters,
        namespace,
    })
}

fn read_forward(port: &str, node: &Node, problems: &mut Problems) -> Option<Forward> {
    const HELP: &str = "write for example `forward: {8081: svc/nginx:80}`";
    let number = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let text = node.expect_text("forward", problems)?;
    let to = text.rsplit_once(':');
    let to = to.and_then(|(to, port)| Some((to.trim(), number(port)?)));
    let to = to.filter(|(to, _)| !to.is_empty());
    let Some((to, to_port)) = to else {
        let message = format!("`{text}` is no target with its port");
        problems.add(node.line, message, HELP);
        return None;
    };
    let Some(port) = number(port) else {
        problems.add(node.line, format!("`{port}` is no port"), HELP);
        return None;
    };
    Some(Forward {
        port,
        to: Located {
            line: node.line,
            value: to.to_owned(),
        },
        to_port,
    })
}

fn read_parameters(node: &Node, problems: &mut Problems) -> Parameters {
    let mut parameters = Parameters::default();
    let Some(mut fields) = node.fields("cluster", problems) else {
        return parameters;
    };
    if let Some(nodes) = fields
        .take("nodes")
        .and_then(|node| read_nodes(node, problems))
    {
        parameters.nodes = nodes;
    }
    for (key, delay) in DELAYS {
        let read = fields.take(key);
        if let Some(read) = read.and_then(|node| duration_of(node, key, problems)) {
            *delay(&mut parameters) = read;
        }
    }
    if let Some(node) = fields.take("dns_ttl")
        && let Some(ttl) = duration_of(node, "dns_ttl", problems)
    {
        match u32::try_from(ttl.as_secs()) {
            Ok(seconds) if ttl.subsec_nanos() == 0 => parameters.dns_ttl_s = seconds,
            _ => problems.add(
                node.line,
                "DNS counts in whole seconds",
                "write for example `dns_ttl: 5s`",
            ),
        }
    }
    if let Some(node) = fields.take("spread")
        && let Some(text) = node.expect_text("spread", problems)
        && let Some(share) = problems.quantity(node.line, units::percent(text))
    {
        // Whole percents: a delay is no better known than that.
        parameters.spread_percent = (share * 100.0).round() as u8;
    }
    if let Some(node) = fields.take("dns_cache") {
        match node.text() {
            Some("true") => parameters.dns_cache = true,
            Some("false") => parameters.dns_cache = false,
            _ => problems.add(
                node.line,
                "dns_cache is neither true nor false",
                "write `dns_cache: false`",
            ),
        }
    }
    fields.finish(problems);
    parameters
}

/// So many, or their names.
fn read_nodes(node: &Node, problems: &mut Problems) -> Option<Vec<String>> {
    if !matches!(node.value, Value::List(_))
        && let Some(Ok(count)) = node.text().map(str::parse::<usize>)
    {
        if !(1..=NODES_MAX).contains(&count) {
            let help = format!("write a number from 1 to {NODES_MAX}");
            problems.add(node.line, format!("no cluster has {count} nodes"), help);
            return None;
        }
        return Some(nodes(count));
    }
    let mut names: Vec<String> = Vec::new();
    for (line, name) in node.expect_texts("nodes", problems) {
        if names.contains(&name) {
            let message = format!("a second node `{name}`");
            problems.add(line, message, "give each node a name of its own");
        }
        names.push(name);
    }
    (!names.is_empty()).then_some(names)
}

/// So many nodes by the names that k3d gives them: the first is the server.
pub(super) fn nodes(count: usize) -> Vec<String> {
    let agents = (0..count.saturating_sub(1)).map(|at| format!("agent-{at}"));
    std::iter::once("server-0".to_owned())
        .chain(agents)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_cluster_has_three_nodes() {
        assert_eq!(nodes(3), Parameters::default().nodes);
    }
}
