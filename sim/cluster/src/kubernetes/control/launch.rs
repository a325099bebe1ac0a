//! What a container's process is started with: who its pod is, in arguments, environment and files.

use std::collections::BTreeMap;

use squall_host::launch::{Files, Mounted};
use squall_host::{Diagnostics, Launch, Loaded};

use super::nodes;
use super::pods::Pod;
use super::state::State;
use crate::kubernetes::plan::{Container, EnvValue, Field, FileValue, Identity};

impl State {
    /// Reads the input of a container's program.
    pub(super) fn launch(&self, pod: &Pod, index: usize) -> Result<(Launch, Loaded), Diagnostics> {
        let container = pod.container(index);
        let launch = launch(container, &self.identity(pod));
        let loaded = container.load.load(&launch)?;
        Ok((launch, loaded))
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

fn launch(container: &Container, identity: &Identity) -> Launch {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    env.insert("HOSTNAME".to_owned(), identity.hostname.clone());
    for (name, value) in &container.env {
        let value = match value {
            EnvValue::Text(text) => expand(text, &env),
            EnvValue::Field(field) => field_of(field, identity),
        };
        env.insert(name.clone(), value);
    }
    let files = container.files.iter().map(|(path, value)| {
        let file = match value {
            FileValue::Text(file) => file.clone(),
            FileValue::Field(field) => Mounted {
                shown_as: path.as_str().into(),
                content: field_of(field, identity).into(),
            },
        };
        (path.clone(), file)
    });
    Launch {
        args: container.args.iter().map(|arg| expand(arg, &env)).collect(),
        files: Files::mounted(files.collect()),
        env,
    }
}

/// Replaces `$(VAR)` where VAR is known; `$$(VAR)` is the text `$(VAR)` (core/v1 EnvVar).
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match name {
            Some((name, after)) if env.contains_key(name) => {
                out.push_str(&env[name]);
                rest = after;
            }
            _ => out.push('$'),
        }
    }
    out + rest
}

fn field_of(field: &Field, of: &Identity) -> String {
    let lines = |map: &BTreeMap<String, String>| {
        let lines: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        lines.join("\n")
    };
    match field {
        Field::PodName => of.name.clone(),
        Field::Namespace => of.namespace.clone(),
        Field::Uid => of.uid.clone(),
        Field::Label(key) => of.labels.get(key).cloned().unwrap_or_default(),
        Field::Annotation(key) => of.annotations.get(key).cloned().unwrap_or_default(),
        Field::Labels => lines(&of.labels),
        Field::Annotations => lines(&of.annotations),
        Field::NodeName => of.node.clone(),
        Field::ServiceAccount => "default".to_owned(),
        Field::PodIp => of.address.to_string(),
        Field::HostIp => of.node_address.to_string(),
    }
}
