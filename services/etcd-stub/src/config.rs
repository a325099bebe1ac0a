//! etcd's flags and environment variables, read (etcd's manual, "Configuration options").
//!
//! Flags come with one or two dashes, as `--flag value` and `--flag=value`; a switch only as the latter. A
//! flag goes before its variable (`--name`, `ETCD_NAME`), an empty variable is none, and variables that etcd
//! does not know are left alone: Kubernetes sets `ETCD_PORT` for a service of that name. One default is not
//! that of etcd 3.4 but of 3.5: `--pre-vote` is on. Deliberately absent: what `flags` says.

mod flags;
mod given;
mod urls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use squall_host::{Diagnostics, Launch};

use given::Given;

/// Whether a member begins a group or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// All members of `--initial-cluster` begin one.
    New,
    /// It was added to one that is there.
    Existing,
}

/// What is compacted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// What is older.
    Periodic(Duration),
    /// All but the last revisions.
    Revision(i64),
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `--name`.
    pub name: String,
    /// `--data-dir`, from `/` on; one that is not begins in the working directory of a container, `/`.
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
    /// `--auto-compaction-mode` and `-retention`; `None` for a retention of 0.
    pub auto_compaction: Option<AutoCompaction>,
    /// `--quota-backend-bytes`; 0 is etcd's default (2 GiB), less than 0 is none.
    pub quota_backend_bytes: i64,
    /// Operations of a transaction.
    pub max_txn_ops: usize,
    /// Bytes of a request.
    pub max_request_bytes: usize,
}

const PEER_URL: &str = "http://localhost:2380";
const CLIENT_URL: &str = "http://localhost:2379";
/// The longest election timeout (etcd: `maxElectionMs`).
const ELECTION_MS_MAX: u64 = 50_000;

impl Config {
    /// Reads what a process was started with; complains about all that is wrong with it.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut given = Given::read(launch);
        let name = given.text("name", "default");
        let data_dir = given.text("data-dir", &format!("{name}.etcd"));
        let advertise_peer = given.with("initial-advertise-peer-urls", PEER_URL, urls::list);
        let own = advertise_peer.iter().map(|url| format!("{name}={url}"));
        let own = own.collect::<Vec<_>>().join(",");
        let heartbeat_ms = given.number("heartbeat-interval", 100, 1_u64);
        let election_ms = given.number("election-timeout", 1_000, 1_u64);
        let state = |text: &str| match text {
            "new" => Ok(ClusterState::New),
            "existing" => Ok(ClusterState::Existing),
            _ => Err("it is `new` or `existing`".to_owned()),
        };
        let mode = given.text("auto-compaction-mode", "periodic");
        let config = Self {
            listen_client: given.with("listen-client-urls", CLIENT_URL, urls::addresses),
            listen_peer: given.with("listen-peer-urls", PEER_URL, urls::addresses),
            advertise_client: given.with("advertise-client-urls", CLIENT_URL, urls::list),
            initial_cluster: given.with("initial-cluster", &own, initial_cluster),
            initial_cluster_token: given.text("initial-cluster-token", "etcd-cluster"),
            initial_cluster_state: given.one_of("initial-cluster-state", "new", state),
            heartbeat: Duration::from_millis(heartbeat_ms),
            election: Duration::from_millis(election_ms),
            snapshot_count: given.number("snapshot-count", 100_000, 1_u64),
            catch_up_entries: given.number("experimental-snapshot-catchup-entries", 5_000, 0_u64),
            pre_vote: given.switch("pre-vote", true),
            strict_reconfig_check: given.switch("strict-reconfig-check", true),
            initial_election_tick_advance: given.switch("initial-election-tick-advance", true),
            auto_compaction: given.one_of("auto-compaction-retention", "0", |text| {
                retention(&mode, text)
            }),
            quota_backend_bytes: given.number("quota-backend-bytes", 0, i64::MIN),
            max_txn_ops: given.number("max-txn-ops", 128, 1_usize),
            max_request_bytes: given.number("max-request-bytes", 3 << 19, 1_usize),
            data_dir: match data_dir.trim_end_matches('/') {
                folder if folder.starts_with('/') => folder.to_owned(),
                folder => format!("/{}", folder.trim_start_matches("./")),
            },
            advertise_peer,
            name,
        };
        config.check(&mut given);
        Diagnostics::check(given.problems)?;
        Ok(config)
    }

    /// What etcd checks of flags together (`embed/config.go`, `Validate`; `etcdserver/config.go`).
    fn check(&self, given: &mut Given) {
        let (heartbeat, election) = (self.heartbeat.as_millis(), self.election.as_millis());
        if election < 5 * heartbeat {
            given.complain(
                format!(
                    "--election-timeout[{election}ms] should be at least as 5 times as \
                     --heartbeat-interval[{heartbeat}ms]"
                ),
                "make it ten times as long",
            );
        }
        if election > u128::from(ELECTION_MS_MAX) {
            given.complain(
                format!(
                    "--election-timeout[{election}ms] is too long, and should be set less than \
                     {ELECTION_MS_MAX}ms"
                ),
                "it is in milliseconds",
            );
        }
        if given.has("listen-client-urls") && !given.has("advertise-client-urls") {
            given.complain(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly"
                    .to_owned(),
                "say where clients find this member: `--advertise-client-urls http://NAME:2379`",
            );
        }
        let name = &self.name;
        match self.initial_cluster.get(name) {
            None => given.complain(
                format!("couldn't find local name \"{name}\" in the initial cluster configuration"),
                "add NAME=URL of this very member to --initial-cluster",
            ),
            Some(urls) if *urls != self.advertise_peer => given.complain(
                format!(
                    "--initial-cluster has {name}={} but missing from --initial-advertise-peer-urls={}",
                    urls.join(","),
                    self.advertise_peer.join(",")
                ),
                "both are compared as they are written: give the same URLs in both",
            ),
            Some(_) => {}
        }
    }

    /// For a proposal to be applied (etcd: `ReqTimeout`).
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election
    }
}

fn initial_cluster(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for member in text.split(',') {
        let Some((name, url)) = member.trim().split_once('=') else {
            return Err(format!("`{member}` is not NAME=URL"));
        };
        let urls = members.entry(name.to_owned()).or_default();
        urls.extend(urls::list(url)?);
        urls.sort();
    }
    let mut seen = Vec::new();
    for url in members.values().flatten() {
        if seen.contains(&url) {
            return Err(format!("duplicate URL {url}"));
        }
        seen.push(url);
    }
    Ok(members)
}

fn retention(mode: &str, text: &str) -> Result<Option<AutoCompaction>, String> {
    match mode {
        "revision" => {
            let revisions: i64 = text
                .parse()
                .map_err(|_| "a number of revisions is needed")?;
            Ok((revisions > 0).then_some(AutoCompaction::Revision(revisions)))
        }
        "periodic" => {
            // A number without a unit is hours.
            let period = match text.parse::<u64>() {
                Ok(hours) => Duration::from_secs(3600 * hours),
                Err(_) => duration(text).ok_or("hours, or a duration like `5m30s` is needed")?,
            };
            Ok((!period.is_zero()).then_some(AutoCompaction::Periodic(period)))
        }
        _ => Err("--auto-compaction-mode is `periodic` or `revision`".to_owned()),
    }
}

/// A duration as Go writes it, of whole numbers.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let ms = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total += Duration::from_millis(number.checked_mul(ms)?);
        rest = &rest[unit..];
    }
    Some(total)
}

#[cfg(test)]
mod tests;
