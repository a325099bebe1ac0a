//! What a container's process is started with, once its pod has a name and an address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use squall_host::launch::Mounted;
use squall_host::{Diagnostics, Files, Launch, Loaded};

use super::expand::expand;
use super::plan::{Check, Container, EnvValue, Field, FileValue, Identity};

impl Container {
    /// What its process is started with in this pod, and the program that has read it.
    ///
    /// # Errors
    /// What the program finds wrong in its arguments, environment or files.
    pub fn start(&self, pod: &Identity) -> Result<(Launch, Loaded), Diagnostics> {
        let env = self.environment(pod);
        let args = self.args.iter().map(|arg| {
            // The container's runtime sets HOSTNAME, not the kubelet: `$(HOSTNAME)` stays.
            expand(arg, |name| env.get(name).cloned())
        });
        let args = args.collect();
        let files = self.files.iter().map(|(path, value)| {
            let file = match value {
                FileValue::Text(file) => file.clone(),
                FileValue::Field(field) => Mounted {
                    shown_as: path.as_str().into(),
                    content: field.value(pod).into(),
                },
            };
            (path.clone(), file)
        });
        let files = Files::mounted(files.collect());
        let mut env = env;
        env.entry("HOSTNAME".to_owned())
            .or_insert_with(|| pod.hostname.clone());
        let launch = Launch { args, env, files };
        let loaded = self.load.load(&launch).map_err(|Diagnostics(mut list)| {
            for diagnostic in &mut list {
                if diagnostic.origin.is_none() {
                    diagnostic.origin = Some(self.origin.clone());
                    diagnostic.message = format!("container {}: {}", self.name, diagnostic.message);
                }
            }
            Diagnostics(list)
        })?;
        Ok((launch, loaded))
    }

    /// Values see those before them (kubelet, `makeEnvironmentVariables`).
    fn environment(&self, pod: &Identity) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &self.env {
            let value = match value {
                EnvValue::Literal(text) => text.clone(),
                EnvValue::Field(field) => field.value(pod),
                EnvValue::Text(text) => expand(text, |name| env.get(name).cloned()),
            };
            env.insert(name.clone(), value);
        }
        env
    }
}

impl Field {
    /// What it is in this pod.
    fn value(&self, pod: &Identity) -> String {
        match self {
            Self::PodName => pod.name.clone(),
            Self::Namespace => pod.namespace.clone(),
            Self::Uid => pod.uid.clone(),
            Self::Label(key) => pod.labels.get(key).cloned().unwrap_or_default(),
            Self::Annotation(key) => pod.annotations.get(key).cloned().unwrap_or_default(),
            Self::Labels => lines(&pod.labels),
            Self::Annotations => lines(&pod.annotations),
            Self::NodeName => pod.node.clone(),
            Self::PodIp => pod.address.to_string(),
            Self::HostIp => pod.node_address.to_string(),
        }
    }
}

/// `KEY="VALUE"` for each, in the order of the keys (kubernetes, `pkg/fieldpath`, `FormatMap`).
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines = map.iter().map(|(key, value)| format!("{key}={value:?}"));
    lines.collect::<Vec<_>>().join("\n")
}

impl Check {
    /// The command that asks this of a pod, run beside its process; it succeeds when the probe
    /// does. Redirects are not followed: any status from 200 to 399 is good.
    pub fn command(&self, address: Ipv4Addr, timeout: Duration) -> Vec<String> {
        let seconds = timeout.as_secs_f64().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Http {
                port,
                path,
                headers,
            } => {
                let mut command: Vec<String> =
                    words(&["curl", "-fsS", "-o", "/dev/null", "-m", &seconds]);
                let names = |(name, _): &(String, String)| name.eq_ignore_ascii_case("user-agent");
                if !headers.iter().any(names) {
                    command.extend(["-A".to_owned(), USER_AGENT.to_owned()]);
                }
                for (name, value) in headers {
                    command.extend(["-H".to_owned(), format!("{name}: {value}")]);
                }
                command.push(format!("http://{address}:{port}{path}"));
                command
            }
            Self::Tcp { port } => {
                let (address, port) = (address.to_string(), port.to_string());
                words(&["nc", "-z", "-w", &seconds, &address, &port])
            }
            Self::Exec(command) => command.clone(),
            Self::Grpc { port, service } => {
                let mut command = vec![
                    "grpc_health_probe".to_owned(),
                    format!("-addr={address}:{port}"),
                ];
                if !service.is_empty() {
                    command.push(format!("-service={service}"));
                }
                command
            }
        }
    }
}

/// What the kubelet calls itself (kubelet, `prober`), with the version of the API that is read.
const USER_AGENT: &str = "kube-probe/1.33";
