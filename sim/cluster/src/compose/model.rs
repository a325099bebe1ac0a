//! A Compose project as types, after variables are replaced and before anything is looked up.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};

/// A value and where the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

/// One `docker-compose.yml`.
#[derive(Clone, Debug)]
pub struct Project {
    /// The project's name: `name:`, `COMPOSE_PROJECT_NAME` of `.env`, or the folder's.
    pub name: String,
    /// The compose file, as the user would open it.
    pub file: Arc<str>,
    /// Its services in the order of the file, those of inactive profiles left out.
    pub services: Vec<Service>,
    /// Services of profiles that are not active.
    pub inactive: Vec<String>,
    /// Networks of the top level.
    pub networks: BTreeMap<String, Network>,
    /// Keys that are accepted and do nothing here.
    pub without_effect: Vec<(String, Origin)>,
    /// What is probably not meant, as a variable without a value.
    pub warnings: Vec<Diagnostic>,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its key under `services:`.
    pub name: String,
    /// The line of its key.
    pub origin: Origin,
    /// `image:`.
    pub image: Option<Located<String>>,
    /// `build:`.
    pub build: Option<Located<Build>>,
    /// `command:`; empty to drop the image's.
    pub command: Option<Located<Vec<String>>>,
    /// `entrypoint:`; empty to drop the image's.
    pub entrypoint: Option<Located<Vec<String>>>,
    /// `env_file:` and over it `environment:`.
    pub environment: BTreeMap<String, String>,
    /// `labels:`; they do nothing but tell services apart.
    pub labels: BTreeMap<String, String>,
    /// `ports:`.
    pub ports: Vec<Located<Port>>,
    /// `depends_on:`.
    pub depends_on: Vec<Located<Dependency>>,
    /// `healthcheck:`.
    pub healthcheck: HealthcheckSetting,
    /// `restart:`, else `deploy.restart_policy`.
    pub restart: Restart,
    /// `networks:`, `default` when none is named; empty with `network_mode: host`.
    pub networks: Vec<Located<Attachment>>,
    /// `network_mode: host`.
    pub host_network: bool,
    /// Files and folders of `volumes:`, `configs:` and `secrets:`.
    pub mounts: Vec<Located<Mount>>,
    /// Cores that it may use.
    pub cpu_limit: Option<f64>,
    /// Memory that it may use.
    pub memory_limit_bytes: Option<u64>,
    /// `deploy.replicas` or `scale`.
    pub replicas: Located<u32>,
    /// `container_name:`.
    pub container_name: Option<Located<String>>,
    /// `hostname:`.
    pub hostname: Option<String>,
    /// `stop_grace_period:`, else Docker's 10 s.
    pub stop_grace: Duration,
    /// `stop_signal: SIGKILL`: there is no graceful stop.
    pub stop_at_once: bool,
    /// `extra_hosts:`; `None` stands for `host-gateway`.
    pub extra_hosts: Vec<Located<(String, Option<IpAddr>)>>,
    /// `working_dir:`.
    pub working_dir: Option<String>,
}

/// `build:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The folder, from the compose file's.
    pub context: String,
    /// The Dockerfile, from the context.
    pub dockerfile: String,
    /// `args:`.
    pub args: BTreeMap<String, String>,
    /// `target:`.
    pub target: Option<String>,
}

/// One entry of `ports:`, ranges taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address on the host side; every address when absent.
    pub host_ip: Option<IpAddr>,
    /// The port on the host side; any free one when absent.
    pub published: Option<u16>,
    /// The port in the container.
    pub target: u16,
    /// UDP, not TCP.
    pub udp: bool,
}

/// One entry of `depends_on:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The service that must be there first.
    pub service: String,
    /// What "there" means.
    pub condition: Condition,
    /// Whether its absence is an error.
    pub required: bool,
}

/// What a dependency waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its containers run.
    Started,
    /// Its healthcheck passes.
    Healthy,
    /// It ended with status 0.
    CompletedSuccessfully,
}

/// `healthcheck:` of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthcheckSetting {
    /// Not given: the image's, when its Dockerfile has one.
    Image,
    /// `disable: true` or `test: NONE`.
    Disabled,
    /// Given.
    Given(Located<Healthcheck>),
}

/// How a container's health is found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    /// The command; `CMD-SHELL` is `sh -c` here. Status 0 is healthy.
    pub test: Vec<String>,
    /// Between the end of one and the start of the next.
    pub interval: Duration,
    /// For one run.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// After the start, failures do not count for so long.
    pub start_period: Duration,
    /// The interval during that.
    pub start_interval: Duration,
}

/// What happens when a container's process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It stays down.
    No,
    /// It is started again.
    Always,
    /// It is started again when its status is not 0, so many times at most.
    OnFailure {
        /// `None` for no limit.
        retries_max: Option<u32>,
    },
    /// As `Always`, but for the daemon's own restart.
    UnlessStopped,
}

/// One entry of a service's `networks:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The network's key.
    pub network: String,
    /// Further names on it.
    pub aliases: Vec<String>,
    /// A fixed address.
    pub address: Option<Ipv4Addr>,
}

/// A network of the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Where it is.
    pub origin: Origin,
    /// `ipam.config[0].subnet`: address and prefix length.
    pub subnet: Option<(Ipv4Addr, u8)>,
}

/// A file or folder that is put into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is put there.
    pub source: MountSource,
    /// The path in the container.
    pub target: String,
    /// Docker makes an absent source a new folder (short syntax).
    pub create: bool,
}

/// What a mount brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A path from the compose file's folder, or an absolute one.
    Path(String),
    /// Text from the compose file (`configs: {a: {content: …}}`).
    Content(String),
    /// A volume of the top level's `volumes:`.
    Volume(String),
}
