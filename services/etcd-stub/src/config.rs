//! etcd's flags and environment variables, read (etcd's manual, "Configuration options").

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_host::{Diagnostics, Launch};

/// Whether a member begins a group or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// All members of `--initial-cluster` begin one.
    New,
    /// It was added to one that is there.
    Existing,
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `--name`.
    pub name: String,
    /// `--data-dir`, from `/` on.
    pub data_dir: String,
    /// Where it listens for clients.
    pub listen_client: Vec<SocketAddr>,
    /// Where it listens for the other members.
    pub listen_peer: Vec<SocketAddr>,
    /// Where clients find it.
    pub advertise_client: Vec<String>,
    /// Where the other members find it; names are resolved at each attempt.
    pub advertise_peer: Vec<String>,
    /// The members of a new group: their peer URLs by name.
    pub initial_cluster: BTreeMap<String, Vec<String>>,
    /// Tells groups of the same addresses apart.
    pub initial_cluster_token: String,
    /// Whether the group is new.
    pub initial_cluster_state: ClusterState,
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// Without a heartbeat for so long, and up to twice, somebody else wants to lead.
    pub election: Duration,
    /// Entries after which the log is replaced by a snapshot.
    pub snapshot_count: u64,
    /// Entries that are kept then, for slow followers.
    pub catch_up_entries: u64,
    /// Whether a candidate asks first whether it can win.
    pub pre_vote: bool,
    /// Whether changes of members that would lose the quorum are refused.
    pub strict_reconfig_check: bool,
    /// Whether a member that has just started waits less for a leader.
    pub initial_election_tick_advance: bool,
    /// Bytes of a request.
    pub max_request_bytes: usize,
}

impl Config {
    /// Reads what a process was started with.
    pub fn read(_launch: &Launch) -> Result<Self, Diagnostics> {
        let peer = "http://localhost:2380".to_owned();
        Ok(Self {
            name: "default".to_owned(),
            data_dir: "/default.etcd".to_owned(),
            listen_client: vec![(Ipv4Addr::LOCALHOST, 2379).into()],
            listen_peer: vec![(Ipv4Addr::LOCALHOST, 2380).into()],
            advertise_client: vec!["http://localhost:2379".to_owned()],
            advertise_peer: vec![peer.clone()],
            initial_cluster: [("default".to_owned(), vec![peer])].into(),
            initial_cluster_token: "etcd-cluster".to_owned(),
            initial_cluster_state: ClusterState::New,
            heartbeat: Duration::from_millis(100),
            election: Duration::from_secs(1),
            snapshot_count: 100_000,
            catch_up_entries: 5_000,
            pre_vote: true,
            strict_reconfig_check: true,
            initial_election_tick_advance: true,
            max_request_bytes: 3 << 19,
        })
    }

    /// For a proposal to be applied (etcd: `ReqTimeout`).
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election
    }
}
