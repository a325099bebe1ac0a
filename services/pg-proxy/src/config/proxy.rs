//! A `frontend`, `backend` or `listen` section as the proxy uses it (configuration.txt 4).
//!
//! How it is read from the file's lines is in `lines`.

use std::sync::Arc;
use std::time::Duration;

use squall_host::diagnostic::Origin;

use super::bind::Bind;
use super::checks::CheckKind;
use super::logs::{LogFormat, Logs};
use super::server::ServerConfig;
use super::stats::StatsConfig;

/// A `frontend`, `backend` or `listen` section with its defaults applied.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Its name.
    pub name: Arc<str>,
    /// Its number, from 1 in the order of the files.
    pub id: u32,
    /// Which of the three.
    pub section: Section,
    /// `mode`
    pub mode: Mode,
    /// Addresses to listen on.
    pub binds: Vec<Bind>,
    /// The backend that its sessions go to; `None` in a `listen`, which is its own.
    pub backend: Option<(String, Origin)>,
    /// Sessions at once of a frontend; the process' when unset.
    pub maxconn: Option<u32>,
    /// Sessions at which a backend counts as fully loaded.
    pub fullconn: Option<u32>,
    /// `backlog`
    pub backlog: Option<u32>,
    /// How servers are chosen.
    pub balance: Balance,
    /// The servers.
    pub servers: Vec<ServerConfig>,
    /// Connections tried after the first.
    pub retries: u32,
    /// `option redispatch`: every how many retries, from the last one when negative; 0 is never.
    pub redispatch: i32,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Where lines go.
    pub logs: Logs,
    /// What a session's line looks like; `None` is the line of an accepted connection.
    pub log_format: Option<LogFormat>,
    /// `option httplog`
    pub http_log: bool,
    /// Yes and no of the `option` lines.
    pub flags: Flags,
    /// What a health check does.
    pub check: CheckKind,
    /// The statistics page.
    pub stats: Option<StatsConfig>,
    /// Taken out by `disabled`.
    pub disabled: bool,
    /// The line of the section.
    pub origin: Origin,
}

/// Kinds of section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Accepts.
    Frontend,
    /// Has servers.
    Backend,
    /// Both.
    Listen,
}

impl Section {
    /// The keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Listen => "listen",
        }
    }

    /// Whether it accepts connections.
    pub fn accepts(self) -> bool {
        self != Self::Backend
    }

    /// Whether it has servers.
    pub fn has_servers(self) -> bool {
        self != Self::Frontend
    }
}

/// `mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bytes.
    #[default]
    Tcp,
    /// The statistics page only.
    Http,
}

/// `balance`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Dynamic weighted round robin.
    #[default]
    RoundRobin,
    /// Round robin on a fixed map.
    StaticRr,
    /// The least loaded server.
    LeastConn,
    /// The first server with a free slot.
    First,
    /// By the client's address.
    Source(HashFunction),
}

impl Balance {
    /// As HAProxy's statistics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "roundrobin",
            Self::StaticRr => "static-rr",
            Self::LeastConn => "leastconn",
            Self::First => "first",
            Self::Source(_) => "source",
        }
    }
}

/// What is done to a hash before the map is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashFunction {
    /// Nothing.
    #[default]
    Plain,
    /// `avalanche`
    Avalanche,
}

/// `timeout …`; `None` is without end.
#[derive(Clone, Debug, Default)]
pub struct Timeouts {
    /// For a connection to a server.
    pub connect: Option<Duration>,
    /// Silence of the client.
    pub client: Option<Duration>,
    /// Silence of the server.
    pub server: Option<Duration>,
    /// In a queue; `connect` when unset.
    pub queue: Option<Duration>,
    /// For a check once connected.
    pub check: Option<Duration>,
    /// Silence of either side of an established session, instead of `client` and `server`.
    pub tunnel: Option<Duration>,
    /// Silence of a client that was told the end.
    pub client_fin: Option<Duration>,
    /// Silence of a server that was told the end.
    pub server_fin: Option<Duration>,
    /// For the headers of a request, on the statistics page.
    pub http_request: Option<Duration>,
}

/// The `option` lines that are yes or no.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Flags {
    /// No line for a session without a byte from the client.
    pub dontlognull: bool,
    /// No line for a session that ended well.
    pub dontlog_normal: bool,
    /// A line for every change of a check's result.
    pub log_health_checks: bool,
    /// All backup servers are used together.
    pub allbackups: bool,
    /// A client that has closed is dropped while it waits.
    pub abortonclose: bool,
    /// Keep-alive towards clients, with the kernel's settings.
    pub client_keepalive: bool,
    /// The same towards servers.
    pub server_keepalive: bool,
}
