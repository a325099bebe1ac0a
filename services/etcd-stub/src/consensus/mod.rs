//! The group: a log that is the same on every member, and who leads it.
//!
//! Deliberately absent: what the entries mean ([`crate::store`]), gRPC.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::command::{Action, Reply};
use crate::refusal::Refusal;
use crate::store::Store;

/// A handle on this member of the group. Clones share the member.
#[derive(Clone)]
pub struct Group(Arc<Shared>);

struct Shared {
    store: Mutex<Store>,
    changed: Notify,
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
    /// A group of one in memory; for tests of what stands above it.
    pub fn alone() -> Self {
        Self(Arc::new(Shared {
            store: Mutex::new(Store::new()),
            changed: Notify::new(),
        }))
    }

    /// Puts an action into the log and answers when it was applied here. At most the request timeout (etcd:
    /// 5 s and twice the election timeout).
    pub async fn propose(&self, action: Action) -> Result<Done, Refusal> {
        let mut store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = store.apply(&action)?;
        let revision = store.revision();
        drop(store);
        self.0.changed.notify_waiters();
        Ok(Done { reply, revision })
    }

    /// Returns when this member's store has all that was committed before the call (Raft's ReadIndex).
    pub async fn catch_up(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Looks at this member's store as it is.
    pub fn look<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.0.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when the store's revision is beyond `revision`.
    pub async fn beyond(&self, revision: i64) {
        loop {
            let changed = self.0.changed.notified();
            if self.look(Store::revision) > revision {
                return;
            }
            changed.await;
        }
    }

    /// Where this member stands.
    pub fn standing(&self) -> Standing {
        Standing {
            cluster_id: 1,
            member_id: 1,
            leader: Some(1),
            term: 1,
            committed: 1,
            applied: 1,
            is_learner: false,
        }
    }

    /// Who belongs to the group, by number.
    pub fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    /// Changes who belongs to the group; answers who then does, and for an addition, its number.
    pub async fn change(&self, _change: MemberChange) -> Result<(Vec<Member>, u64), Refusal> {
        Err(Refusal::NoLeader)
    }

    /// Makes another member lead; only the leader can.
    pub async fn move_leader(&self, _to: u64) -> Result<(), Refusal> {
        Err(Refusal::NoLeader)
    }

    /// Gives a lease its whole time again, at the leader, wherever it is; answers its TTL in seconds.
    pub async fn renew(&self, _lease: i64) -> Result<i64, Refusal> {
        Err(Refusal::NoLeader)
    }

    /// How long a lease has, as the leader knows; `None` if there is no such lease.
    pub async fn lease_time(&self, _lease: i64) -> Result<Option<LeaseTime>, Refusal> {
        Err(Refusal::NoLeader)
    }
}
