//! The start of a member: of a new group, of one that it joins, or of one that it belongs to already.
//!
//! A log on the disk goes before all flags, as in etcd. A new group begins as if each member had been added
//! by an entry of term 1: all its members have the same state before the first entry, and one that joins
//! later is sent a snapshot.

use std::sync::Arc;
use std::time::Duration;

use prost_raft::Message as _;
use raft::eraftpb::{ConfState, HardState};
use raft::{RawNode, StateRole};
use squall_host::disk::Disk;
use squall_host::net::TcpListener;
use squall_host::{Host, Shutdown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::error::Error;
use super::link::{Active, ask_members};
use super::log::{Found, Log, conf_state};
use super::machine::Machine;
use super::membership::Membership;
use super::node::{Node, Settings};
use super::peers::{Event, Peers, target};
use super::reads::Reads;
use super::record::Head;
use super::state::Shared;
use super::storage::Storage;
use super::waiters::Waiters;
use super::{Group, Handle, Limits, Standing, accept, snapshot};
use crate::config::{ClusterState, Config};
use crate::store::Store;

/// What waits for the member; more is refused.
const REQUESTS_MAX: usize = 4096;
/// Messages from the others that wait for the member; more stay in their connections.
const EVENTS_MAX: usize = 4096;
/// For each of the others to say who belongs to the group (etcd: `bootstrapTimeout`).
const ASK: Duration = Duration::from_secs(1);
/// Messages that a follower need not have confirmed (etcd: `maxInflightMsgs`), and their size.
const IN_FLIGHT_MAX: usize = 512;
const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// The member at work, to be run beside what serves clients.
pub struct Worker {
    node: Node,
    listeners: Vec<TcpListener>,
    group: Group,
    events: mpsc::Sender<Event>,
}

impl Worker {
    /// Works until a stop is asked for (then it hands over if it leads, within an election timeout), or until
    /// the member cannot go on: its disk failed, or it was removed. Ask for the stop when the last request is
    /// answered: from then on handles say [`crate::refusal::Refusal::Stopped`].
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let (group, events) = (self.group.clone(), self.events.clone());
            accepting.spawn(accept::serve(listener, group, events));
        }
        self.node.run(shutdown).await
    }
}

impl Group {
    /// Reads what the disk has, or begins; listens for the other members. Nothing else happens before
    /// [`Worker::run`].
    pub async fn start(config: &Config, host: &Host) -> Result<(Self, Worker), Error> {
        let entropy = || {
            let mut bytes = [0; 8];
            let filled = getrandom::fill(&mut bytes);
            filled.map_err(|error| Error::Entropy(error.to_string()))?;
            Ok::<_, Error>(u64::from_ne_bytes(bytes))
        };
        let folder = format!("{}/member", config.data_dir);
        let log = Log::new(host.disk.clone(), &folder);
        let begun = match log.find().await? {
            Some(found) => come_back(host, &folder, &log, found).await?,
            None => match config.initial_cluster_state {
                ClusterState::New => begin(config, host).await?,
                ClusterState::Existing => join(config, host).await?,
            },
        };
        // Not before: one that asks who belongs to the group would wait for an answer.
        let listen = |address| host.net.listen(address);
        let listeners = config.listen_peer.iter().copied().map(listen);
        let listeners = listeners.collect::<Result<_, _>>()?;
        let Begun {
            mut found,
            store,
            members,
        } = begun;
        let head = found.head.clone();
        found.hard_state.commit = found.hard_state.commit.max(head.index);
        // A process before this one may have seen a sync fail; what was read need not be there tomorrow.
        keep(&host.disk, &folder, &log, &found, &store, &members).await?;

        let standing = Standing {
            cluster_id: head.cluster_id,
            member_id: head.member_id,
            leader: None,
            term: found.hard_state.term,
            committed: found.hard_state.commit,
            applied: head.index,
            is_learner: false,
            leader_changes: 0,
        };
        let machine = Machine::new(store, members, (head.index, head.term));
        let shared = Arc::new(Shared::new(machine, standing, entropy()?));
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let active = Active::default();
        let group = Group(Arc::new(Handle {
            shared: shared.clone(),
            requests: Some(requests),
            limits: Limits {
                request_timeout: config.request_timeout(),
                request_bytes_max: config.max_request_bytes,
                token: config.initial_cluster_token.clone(),
                is_strict: config.strict_reconfig_check,
                active: active.clone(),
            },
        }));
        let storage = Storage::new(
            (head.before_index, head.before_term),
            found.entries,
            found.hard_state.clone(),
            conf_state(&head)?,
        );
        let election_ticks = config.election.as_millis() / config.heartbeat.as_millis().max(1);
        let settings = raft::Config {
            id: head.member_id,
            election_tick: election_ticks as usize,
            heartbeat_tick: 1,
            applied: head.index,
            max_size_per_msg: MESSAGE_BYTES_MAX,
            max_inflight_msgs: IN_FLIGHT_MAX,
            check_quorum: true,
            pre_vote: config.pre_vote,
            batch_append: true,
            ..raft::Config::default()
        };
        // What there is to say is said in the member's own lines.
        let silent = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&settings, storage, &silent);
        let raw = raw.map_err(|error| Error::Raft(error.to_string()))?;
        let seen = (StateRole::Follower, raw.raft.term, 0);
        host.out.line(&format!(
            "etcd: member {:x} of cluster {:x}, entries {} to {} after snapshot {}, term {}",
            head.member_id,
            head.cluster_id,
            head.before_index + 1,
            raw.raft.raft_log.last_index(),
            head.index,
            raw.raft.term
        ));
        let node = Node {
            settings: Settings {
                name: config.name.clone(),
                client_urls: config.advertise_client.clone(),
                heartbeat: config.heartbeat,
                election: config.election,
                request_timeout: config.request_timeout(),
                snapshot_count: config.snapshot_count,
                catch_up_entries: config.catch_up_entries,
                advance_ticks: config.initial_election_tick_advance,
                folder,
            },
            group: group.clone(),
            shared,
            raw,
            log,
            disk: host.disk.clone(),
            out: host.out.clone(),
            peers: Peers {
                net: host.net.clone(),
                out: host.out.clone(),
                cluster_id: head.cluster_id,
                member_id: head.member_id,
                dial_timeout: Duration::from_secs(1) + config.election,
                events: events.clone(),
                active,
                links: Default::default(),
            },
            waiters: Waiters::new(config.request_timeout(), config.election, REQUESTS_MAX),
            reads: Reads::new(head.member_id, entropy()?),
            requests: requested,
            events: heard,
            unsent: Vec::new(),
            seen,
            removed: None,
            publishing: None,
            head,
        };
        let worker = Worker {
            node,
            listeners,
            group: group.clone(),
            events,
        };
        Ok((group, worker))
    }

    /// Makes the data directory of a member of a new group that begins with this store, as
    /// `etcdctl snapshot restore` does. Every member of the group is made from the same one.
    pub async fn restore(config: &Config, host: &Host, store: Store) -> Result<(), Error> {
        let folder = format!("{}/member", config.data_dir);
        let log = Log::new(host.disk.clone(), &folder);
        let (members, id) = initial(config);
        let index = members.list().len() as u64;
        let Begun { found, members, .. } = first(members, id, index);
        keep(&host.disk, &folder, &log, &found, &store, &members).await
    }
}

/// Writes all that a member has, and removes what it had.
async fn keep(
    disk: &Disk,
    folder: &str,
    log: &Log,
    found: &Found,
    store: &Store,
    members: &Membership,
) -> Result<(), Error> {
    let index = found.head.index;
    let image = snapshot::encode(store, members);
    snapshot::write(disk, folder, index, &image).await?;
    log.renew(found.head.clone(), &found.entries, &found.hard_state)
        .await?;
    snapshot::remove_others(disk, folder, index).await
}

/// What a member starts with.
struct Begun {
    found: Found,
    store: Store,
    members: Membership,
}

async fn come_back(host: &Host, folder: &str, log: &Log, found: Found) -> Result<Begun, Error> {
    if let Some((at, bytes)) = found.torn {
        host.out.line(&format!(
            "etcd: {}: cut off {bytes} bytes at byte {at}, a record that nobody was told of",
            log.path()
        ));
    }
    let Head {
        index, member_id, ..
    } = found.head;
    let (store, members) = snapshot::read(&host.disk, folder, index, member_id).await?;
    Ok(Begun {
        found,
        store,
        members,
    })
}

/// The state before the first entry of a member.
fn first(members: Membership, member_id: u64, index: u64) -> Begun {
    let (term, voters) = match index {
        // Raft does not vote before it knows who does.
        0 => (0, Vec::new()),
        _ => (1, members.voters().map(|member| member.id).collect()),
    };
    let conf_state = ConfState {
        voters,
        ..ConfState::default()
    };
    let hard_state = HardState {
        term,
        commit: index,
        ..HardState::default()
    };
    Begun {
        found: Found {
            head: Head {
                cluster_id: members.cluster_id,
                member_id,
                index,
                term,
                conf_state: conf_state.encode_to_vec(),
                before_index: index,
                before_term: term,
            },
            hard_state,
            entries: Vec::new(),
            torn: None,
        },
        store: Store::new(),
        members,
    }
}

/// The members of a new group, and which of them this one is.
fn initial(config: &Config) -> (Membership, u64) {
    let members = Membership::new(&config.initial_cluster, &config.initial_cluster_token);
    let own = members
        .list()
        .into_iter()
        .find(|member| member.name == config.name);
    let id = own.map_or(0, |member| member.id);
    (members, id)
}

/// A new group, unless the others say that there is one in which this member has started: then its data is
/// lost, and with it what it promised (etcd: `isMemberBootstrapped`).
async fn begin(config: &Config, host: &Host) -> Result<Begun, Error> {
    let (members, id) = initial(config);
    if let Some(others) = ask_others(config, host).await.ok().flatten()
        && others
            .get(id)
            .is_some_and(|member| !member.client_urls.is_empty())
    {
        return Err(Error::AlreadyBootstrapped { id });
    }
    let index = members.list().len() as u64;
    Ok(first(members, id, index))
}

/// A group that is there, which this member was added to.
async fn join(config: &Config, host: &Host) -> Result<Begun, Error> {
    let members = match ask_others(config, host).await {
        Ok(Some(members)) => members,
        Ok(None) => {
            return Err(Error::CannotJoin {
                why: "--initial-cluster names no other member".to_owned(),
                help: "name the members of the group there, as `etcdctl member add` has printed them",
            });
        }
        Err(why) => {
            return Err(Error::CannotJoin {
                why,
                help: "start a member of the group, or name one that runs in --initial-cluster",
            });
        }
    };
    let mut own = config.advertise_peer.clone();
    own.sort();
    let list = members.list();
    let found = list.iter().find(|member| member.peer_urls == own);
    let Some(found) = found else {
        return Err(Error::CannotJoin {
            why: format!("no member has the peer URLs {}", own.join(",")),
            help: "add it first: `etcdctl member add NAME --peer-urls=…`",
        });
    };
    if list.len() != config.initial_cluster.len() {
        return Err(Error::CannotJoin {
            why: format!(
                "error validating peerURLs: member count is unequal: the group has {}, --initial-cluster {}",
                list.len(),
                config.initial_cluster.len()
            ),
            help: "name all members in --initial-cluster, as `etcdctl member add` has printed them",
        });
    }
    let id = found.id;
    Ok(first(members, id, 0))
}

/// Who belongs to the group, as the first of the others says that answers; `None` without others.
async fn ask_others(config: &Config, host: &Host) -> Result<Option<Membership>, String> {
    let others = config
        .initial_cluster
        .iter()
        .filter(|(name, _)| **name != config.name);
    let mut last = Ok(None);
    for url in others.flat_map(|(_, urls)| urls) {
        let Some((name, port)) = target(url) else {
            continue;
        };
        let members = ask_members(&host.net, &name, port, ASK).await;
        match members.map_err(|error| error.to_string()) {
            Ok(members) => match Membership::decode(&members) {
                Ok(members) => return Ok(Some(members)),
                Err(error) => last = Err(format!("{url}: {error}")),
            },
            Err(error) => last = Err(format!("{url}: {error}")),
        }
    }
    last
}
