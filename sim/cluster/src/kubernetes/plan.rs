//! What the manifests ask for, with every file found, every program loaded once and every name in
//! them known.
//!
//! Deliberately absent: anything that changes while the system runs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use squall_host::launch::{Loader, Mounted};
use squall_host::{Diagnostic, Origin};

use crate::machine::Shared;

pub use super::convert::plan;

/// Everything that is applied.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Deployments, StatefulSets, Jobs and single pods, in the order of the manifests.
    pub workloads: Vec<Arc<Workload>>,
    /// Services, their virtual addresses given.
    pub services: Vec<Arc<Service>>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<Budget>,
    /// Fields that are accepted and have no effect here.
    pub without_effect: Vec<(String, Origin)>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// What keeps a number of pods there.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it is, with what only such a one has.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where the manifest begins.
    pub origin: Origin,
    /// How many pods.
    pub replicas: u32,
    /// What its pods are like.
    pub template: Arc<Template>,
    /// Templates with another image, ready for a `kubectl set image` in the story: by the image.
    pub revisions: BTreeMap<String, Arc<Template>>,
}

/// What a workload is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A Deployment: ReplicaSets that come and go.
    Deployment(Rollout),
    /// A StatefulSet: pods with lasting names and volumes.
    StatefulSet(Stateful),
    /// A Job: pods that come to an end.
    Job(Job),
    /// A pod that nobody replaces.
    Pod,
}

impl Kind {
    /// The number of its first pod, as stories count them: a StatefulSet's have names with ordinals.
    pub fn first_number(&self) -> u32 {
        match self {
            Self::StatefulSet(_) => 0,
            Self::Deployment(_) | Self::Job(_) | Self::Pod => 1,
        }
    }
}

/// How a Deployment replaces its pods (apps/v1 DeploymentSpec).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// How many pods more than asked for; `None` with the strategy Recreate.
    pub rolling: Option<Rolling>,
    /// `minReadySeconds`: ready for so long, a pod is available.
    pub min_ready: Duration,
    /// `progressDeadlineSeconds`: without progress for so long, a rollout has failed.
    pub progress_deadline: Duration,
}

/// `strategy.rollingUpdate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rolling {
    /// So many pods more than asked for.
    pub max_surge: Amount,
    /// So many pods fewer than asked for.
    pub max_unavailable: Amount,
}

/// A number, or a share of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

/// How a StatefulSet keeps its pods (apps/v1 StatefulSetSpec).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stateful {
    /// The headless service that gives its pods their names.
    pub service: String,
    /// `podManagementPolicy: Parallel`: pods do not wait for each other.
    pub parallel: bool,
    /// `updateStrategy: OnDelete`: a new template counts for pods that are deleted by hand.
    pub on_delete: bool,
    /// `updateStrategy.rollingUpdate.partition`: pods below this ordinal keep the old template.
    pub partition: u32,
    /// `minReadySeconds`.
    pub min_ready: Duration,
    /// `volumeClaimTemplates`: names of volumes that outlast their pods.
    pub claims: Vec<String>,
}

/// How a Job comes to its end (batch/v1 JobSpec).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// So many pods must succeed.
    pub completions: u32,
    /// So many run at a time.
    pub parallelism: u32,
    /// After so many failures it has failed.
    pub backoff_limit: u32,
    /// After so long it has failed.
    pub active_deadline: Option<Duration>,
}

/// What pods are like (core/v1 PodTemplateSpec).
#[derive(Clone, Debug)]
pub struct Template {
    /// Labels, which selectors see.
    pub labels: BTreeMap<String, String>,
    /// Annotations, for the downward API.
    pub annotations: BTreeMap<String, String>,
    /// Run one after the other, each to its end, before the others start.
    pub init: Vec<Container>,
    /// Run beside each other in one network; at least one.
    pub containers: Vec<Container>,
    /// What happens when a container's process ends.
    pub restart: Restart,
    /// Between SIGTERM and SIGKILL, preStop included.
    pub grace: Duration,
    /// `hostname`, in place of the pod's name.
    pub hostname: Option<String>,
    /// `subdomain`: the headless service in which the pod has a name of its own.
    pub subdomain: Option<String>,
    /// `nodeName`, or what `nodeSelector` on `kubernetes.io/hostname` comes to.
    pub node: Option<String>,
    /// Volumes of a pod that outlast it: PersistentVolumeClaims by the volume's name. Those of a
    /// StatefulSet's `claims` are not in it.
    pub claims: BTreeMap<String, String>,
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// However it ended.
    Always,
    /// When it failed.
    OnFailure,
    /// Not at all.
    Never,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// The line of it.
    pub origin: Origin,
    /// Its image.
    pub image: String,
    /// The program that plays the image.
    pub program: String,
    /// The program's arguments, `$(VAR)` not yet replaced.
    pub args: Vec<String>,
    /// What tells of services, then the manifest's own in its order: a later one of the same name
    /// wins, and values may name earlier ones as `$(VAR)`.
    pub env: Vec<(String, EnvValue)>,
    /// ConfigMaps, Secrets and the downward API as files, by their path in the container.
    pub files: BTreeMap<String, FileValue>,
    /// Volumes by their name, and the folders at which they are mounted.
    pub mounts: Vec<Mount>,
    /// `ports[].name` and `containerPort`.
    pub ports: Vec<(Option<String>, u16)>,
    /// Cores, from `resources.limits.cpu`.
    pub cpu_limit: Option<f64>,
    /// Bytes, from `resources.limits.memory`; nothing here can run out of it.
    pub memory_limit_bytes: Option<u64>,
    /// Before it has passed, the other two rest.
    pub startup: Option<Probe>,
    /// Whether it gets traffic.
    pub readiness: Option<Probe>,
    /// Whether it is started anew.
    pub liveness: Option<Probe>,
    /// Before SIGTERM.
    pub pre_stop: Option<Hook>,
    /// Beside the start; the container is not running before it has ended.
    pub post_start: Option<Hook>,
    /// An init container with `restartPolicy: Always`: it runs on beside the others.
    pub sidecar: bool,
    /// The reader of the program's input.
    pub load: Loader,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// This, `$(VAR)` not yet replaced.
    Text(String),
    /// Exactly this, from a ConfigMap or a Secret.
    Literal(String),
    /// A field of the pod.
    Field(Field),
}

/// What is in a file.
#[derive(Clone, Debug)]
pub enum FileValue {
    /// This.
    Text(Mounted),
    /// A field of the pod.
    Field(Field),
}

/// What the downward API can tell (core/v1 ObjectFieldSelector).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `metadata.name`
    PodName,
    /// `metadata.namespace`
    Namespace,
    /// `metadata.uid`
    Uid,
    /// `metadata.labels['KEY']`
    Label(String),
    /// `metadata.annotations['KEY']`
    Annotation(String),
    /// `metadata.labels`, one `KEY="VALUE"` in a line; in files alone.
    Labels,
    /// `metadata.annotations`, likewise.
    Annotations,
    /// `spec.nodeName`
    NodeName,
    /// `status.podIP`, `status.podIPs`
    PodIp,
    /// `status.hostIP`, `status.hostIPs`
    HostIp,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The volume's name in the pod.
    pub volume: String,
    /// The folder.
    pub folder: String,
    /// Where it leads to, if other pods may have the volume at the same time.
    pub shared: Option<Shared>,
}

/// What the kubelet asks a container time and again (core/v1 Probe).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// `initialDelaySeconds`
    pub initial_delay: Duration,
    /// `periodSeconds`
    pub period: Duration,
    /// `timeoutSeconds`
    pub timeout: Duration,
    /// `successThreshold`
    pub successes: u32,
    /// `failureThreshold`
    pub failures: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Any status from 200 to 399 is good.
    Http {
        /// The port, its name resolved.
        port: u16,
        /// The path with its query.
        path: String,
        /// Headers.
        headers: Vec<(String, String)>,
    },
    /// A connection that can be made is good.
    Tcp {
        /// The port, its name resolved.
        port: u16,
    },
    /// Exit status 0 is good.
    Exec(Vec<String>),
    /// SERVING, by gRPC's health protocol, is good.
    Grpc {
        /// The port.
        port: u16,
        /// The service that is asked for.
        service: String,
    },
}

/// What is done at a turn of a container's life (core/v1 LifecycleHandler).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A command beside the process.
    Exec(Vec<String>),
    /// A request to the container.
    Http {
        /// The port, its name resolved.
        port: u16,
        /// The path with its query.
        path: String,
    },
    /// Nothing, for so long.
    Sleep(Duration),
}

/// A service (core/v1 Service).
#[derive(Clone, Debug)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where the manifest begins.
    pub origin: Origin,
    /// What its name leads to.
    pub address: Address,
    /// Labels of the pods behind it; nobody, when empty.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// `publishNotReadyAddresses`: its name leads to pods that are not ready, too.
    pub publish_not_ready: bool,
}

/// What a service's name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// One virtual address.
    Virtual(Ipv4Addr),
    /// `clusterIP: None`: the pods themselves.
    Headless,
    /// `ExternalName`: another name.
    External(String),
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: Option<String>,
    /// On the service's address.
    pub port: u16,
    /// On the pods: a number, or the name of a container's port.
    pub target: Target,
    /// On every node.
    pub node_port: Option<u16>,
    /// UDP, not TCP.
    pub udp: bool,
}

/// A port of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This.
    Number(u16),
    /// The one of this name.
    Name(String),
}

/// A PodDisruptionBudget (policy/v1).
#[derive(Clone, Debug)]
pub struct Budget {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Labels of the pods that it is about.
    pub selector: BTreeMap<String, String>,
    /// What an eviction must leave.
    pub leaves: Leaves,
}

/// What a PodDisruptionBudget must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// `minAvailable`
    Available(Amount),
    /// `maxUnavailable`
    Unavailable(Amount),
}

/// Who a pod is, for what its containers are started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// `metadata.uid`
    pub uid: String,
    /// What `gethostname(2)` says in it.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its node.
    pub node: String,
    /// Its node's address.
    pub node_address: Ipv4Addr,
    /// Its labels, with those that its controller adds.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}
