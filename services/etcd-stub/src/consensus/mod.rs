//! The group: a log that is the same on every member, and who leads it.
//!
//! | module | idea |
//! |---|---|
//! | `start` | a new group, a member that joins, a member that comes back |
//! | `node` | the one task that owns Raft |
//! | `storage`, `log`, `record`, `snapshot` | the log in memory, on the disk, its lines, what it goes on from |
//! | `machine`, `membership` | what the log leads to: store, leases, members |
//! | `state` | what the member and its handles share |
//! | `waiters`, `reads` | who waits for an entry, and for all entries up to now |
//! | `peers`, `link`, `accept`, `frames` | the other members |
//! | `changes`, `leases` | what a handle asks for beside proposals and reads |
//!
//! Deliberately absent: what the entries mean ([`crate::store`]), gRPC.

mod accept;
mod changes;
mod error;
mod frames;
mod leases;
mod link;
mod log;
mod machine;
mod membership;
mod node;
mod peers;
mod reads;
mod record;
mod snapshot;
mod start;
mod state;
mod storage;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::command::{Action, Command, Reply};
use crate::refusal::Refusal;
use crate::store::Store;
use machine::Machine;
use membership::{Change, Kind, Membership};
use node::Request;
use reads::Read;
use state::Shared;
use waiters::{Applied, Proposal};

pub use error::Error;
pub use start::Worker;

/// A handle on this member of the group. Clones share the member.
#[derive(Clone)]
pub struct Group(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    /// `None` for a group in memory, which has no log.
    requests: Option<mpsc::Sender<Request>>,
    limits: Limits,
}

/// What a member was told that its handles need.
struct Limits {
    request_timeout: Duration,
    request_bytes_max: usize,
    token: String,
    is_strict: bool,
    active: link::Active,
}

/// What was done, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The answer.
    pub reply: Reply,
    /// The revision of the store after it.
    pub revision: i64,
}

/// Where this member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of the group.
    pub cluster_id: u64,
    /// Of this member.
    pub member_id: u64,
    /// Who leads, as far as this member knows.
    pub leader: Option<u64>,
    /// Raft's term.
    pub term: u64,
    /// The last entry that is known to be committed.
    pub committed: u64,
    /// The last entry that was applied here.
    pub applied: u64,
    /// Whether it has no vote.
    pub is_learner: bool,
    /// How often it has learnt of a new leader since it started.
    pub leader_changes: u64,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: u64,
    /// `--name`; empty until it has started.
    pub name: String,
    /// Where the others find it.
    pub peer_urls: Vec<String>,
    /// Where clients find it; empty until it has started.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub is_learner: bool,
}

/// A change of who belongs to the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Adds one.
    Add {
        /// Where the others will find it.
        peer_urls: Vec<String>,
        /// Without a vote.
        as_learner: bool,
    },
    /// Removes one.
    Remove(u64),
    /// Gives a learner a vote.
    Promote(u64),
    /// Other addresses.
    Update {
        /// Whose.
        id: u64,
        /// Where the others find it.
        peer_urls: Vec<String>,
    },
}

/// How long a lease has, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// What it was granted, in seconds.
    pub granted_s: i64,
    /// What is left of it, in whole seconds, rounded as etcd does.
    pub left_s: i64,
}

impl Group {
    /// A group of one in memory; for tests of what stands above it. No lease runs out in it.
    pub fn alone() -> Self {
        let mut members = Membership::default();
        members.apply(Change {
            request: 0,
            kind: Kind::Add as i32,
            id: 1,
            name: "alone".to_owned(),
            urls: Vec::new(),
        });
        let mut machine = Machine::new(Store::new(), members, (1, 1));
        machine.lead(Instant::now(), Duration::ZERO);
        let standing = Standing {
            cluster_id: 1,
            member_id: 1,
            leader: Some(1),
            term: 1,
            committed: 1,
            applied: 1,
            is_learner: false,
            leader_changes: 1,
        };
        Self(Arc::new(Handle {
            shared: Arc::new(Shared::new(machine, standing, 0)),
            requests: None,
            limits: Limits {
                request_timeout: Duration::from_secs(7),
                request_bytes_max: 3 << 19,
                token: String::new(),
                is_strict: false,
                active: link::Active::default(),
            },
        }))
    }

    /// Puts an action into the log and answers when it was applied here. At most the request timeout (etcd:
    /// 5 s and twice the election timeout).
    ///
    /// While nobody leads it waits, as in etcd. [`Refusal::NoLeader`], [`Refusal::RequestTooLarge`],
    /// [`Refusal::TooManyRequests`] and [`Refusal::Stopped`] say that it certainly is not done;
    /// [`Refusal::TimedOut`] and [`Refusal::TimedOutLeaderLost`] that nobody knows; what the store refuses
    /// is in the log and changes nothing.
    pub async fn propose(&self, action: Action) -> Result<Done, Refusal> {
        let id = self.0.shared.next_id();
        if self.0.requests.is_none() {
            let command = Command {
                id,
                action: Some(action),
            };
            let done = self.0.shared.lock().machine.act(command, Instant::now());
            self.0.shared.changed.notify_waiters();
            return done;
        }
        let entry = raft::eraftpb::Entry {
            data: command(id, action),
            ..Default::default()
        };
        match self.enter(id, entry).await? {
            Applied::Action(done) => Ok(done),
            Applied::Members(_) => Err(Refusal::TimedOut),
        }
    }

    /// Puts an entry into the log and answers when it was applied here.
    async fn enter(&self, id: u64, entry: raft::eraftpb::Entry) -> Result<Applied, Refusal> {
        if entry.data.len() > self.0.limits.request_bytes_max {
            return Err(Refusal::RequestTooLarge);
        }
        let (answer, outcome) = oneshot::channel();
        self.ask(Request::Propose(Proposal {
            id,
            entry,
            answer: Some(answer),
            since: Instant::now(),
        }))?;
        self.outcome(outcome).await
    }

    fn ask(&self, request: Request) -> Result<(), Refusal> {
        let requests = self.0.requests.as_ref().ok_or(Refusal::Stopped)?;
        requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::TooManyRequests,
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopped,
        })
    }

    /// The member answers in time, unless it hangs in its disk.
    async fn outcome<T>(
        &self,
        outcome: oneshot::Receiver<Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let limit = self.0.limits.request_timeout + Duration::from_secs(1);
        match timeout(limit, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // It ended with this in its hands.
            Ok(Err(_)) | Err(_) => Err(Refusal::TimedOut),
        }
    }

    /// Returns when this member's store has all that was committed before the call (Raft's ReadIndex).
    pub async fn catch_up(&self) -> Result<(), Refusal> {
        if self.0.requests.is_none() {
            return Ok(());
        }
        let (answer, outcome) = oneshot::channel();
        self.ask(Request::Read(Read {
            answer,
            since: Instant::now(),
        }))?;
        self.outcome(outcome).await
    }

    /// Looks at this member's store as it is.
    pub fn look<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.0.shared.lock().machine.store)
    }

    /// Returns when the store's revision is beyond `revision`.
    pub async fn beyond(&self, revision: i64) {
        loop {
            let changed = self.0.shared.changed.notified();
            if self.look(Store::revision) > revision {
                return;
            }
            changed.await;
        }
    }

    /// Where this member stands.
    pub fn standing(&self) -> Standing {
        self.0.shared.lock().standing
    }

    /// Who belongs to the group, by number.
    pub fn members(&self) -> Vec<Member> {
        self.with_membership(Membership::list)
    }

    fn with_membership<T>(&self, look: impl FnOnce(&Membership) -> T) -> T {
        look(&self.0.shared.lock().machine.members)
    }
}

/// The bytes of an entry.
fn command(id: u64, action: Action) -> Vec<u8> {
    let command = Command {
        id,
        action: Some(action),
    };
    command.encode_to_vec()
}
