//! What the log leads to: store, members, and on the leader the time of leases; and how an entry changes it.
//!
//! Deliberately unknown here: Raft, who waits.

use std::time::Duration;

use prost::Message;
use prost_raft::Message as _;
use raft::eraftpb::{ConfChange, Entry, EntryType};
use tokio::time::Instant;

use super::Done;
use super::membership::{Change, Kind, Membership};
use super::waiters::Applied;
use crate::command::{Command, Reply};
use crate::lessor::Lessor;
use crate::refusal::Refusal;
use crate::store::Store;

/// Marks an entry that is a [`Change`] and no [`Command`].
pub(super) const MEMBERS: &[u8] = b"members";

/// The state after an entry of the log.
pub(super) struct Machine {
    pub(super) store: Store,
    pub(super) members: Membership,
    pub(super) lessor: Lessor,
    /// Index and term of the entry.
    pub(super) applied: (u64, u64),
}

/// What came of an entry.
pub(super) struct Outcome {
    /// Who waits for it; 0 if nobody can.
    pub(super) request: u64,
    pub(super) result: Result<Applied, Refusal>,
    /// What Raft is to be told, if the change of voters was found good.
    pub(super) conf_change: Option<ConfChange>,
}

impl Machine {
    /// A state without leases in time.
    pub(super) fn new(store: Store, members: Membership, applied: (u64, u64)) -> Self {
        let mut machine = Self {
            store,
            members,
            lessor: Lessor::new(),
            applied,
        };
        machine.know_leases(Instant::now());
        machine
    }

    /// The state of a snapshot.
    pub(super) fn replace(&mut self, store: Store, members: Membership, applied: (u64, u64)) {
        self.store = store;
        self.members = members;
        self.applied = applied;
        self.lessor = Lessor::new();
        self.know_leases(Instant::now());
    }

    fn know_leases(&mut self, now: Instant) {
        for (id, lease) in self.store.leases() {
            self.lessor.grant(id, lease.ttl_s, now);
        }
    }

    /// This member leads: leases run out here. `extend` is the election timeout.
    pub(super) fn lead(&mut self, now: Instant, extend: Duration) {
        self.lessor.promote(now, extend);
    }

    /// Does what the next entry says. An error says that the entry makes no sense.
    pub(super) fn apply(&mut self, entry: &Entry, now: Instant) -> Result<Option<Outcome>, String> {
        self.applied = (entry.index, entry.term);
        if entry.data.is_empty() {
            return Ok(None);
        }
        let broken = |error: String| format!("entry {} cannot be read: {error}", entry.index);
        let outcome = match EntryType::from_i32(entry.entry_type) {
            Some(EntryType::EntryConfChange) => {
                let change = ConfChange::decode(&entry.data[..]);
                let change = change.map_err(|error| broken(error.to_string()))?;
                let described = Change::decode(&change.context[..]);
                let described = described.map_err(|error| broken(error.to_string()))?;
                let request = described.request;
                let result = self.change(described);
                Outcome {
                    request,
                    conf_change: result.is_ok().then_some(change),
                    result,
                }
            }
            Some(EntryType::EntryNormal) if entry.context == MEMBERS => {
                let change = Change::decode(&entry.data[..]);
                let change = change.map_err(|error| broken(error.to_string()))?;
                Outcome {
                    request: change.request,
                    result: self.change(change),
                    conf_change: None,
                }
            }
            Some(EntryType::EntryNormal) => {
                let command = Command::decode(&entry.data[..]);
                let command = command.map_err(|error| broken(error.to_string()))?;
                Outcome {
                    request: command.id,
                    result: self.act(command, now).map(Applied::Action),
                    conf_change: None,
                }
            }
            kind => return Err(broken(format!("kind {kind:?}"))),
        };
        Ok(Some(outcome))
    }

    /// Makes a change of members, if it may be made.
    pub(super) fn change(&mut self, change: Change) -> Result<Applied, Refusal> {
        // A member that publishes what it was removed for need not be told.
        self.members.check(&change)?;
        self.members.apply(change);
        Ok(Applied::Members(self.members.list()))
    }

    /// Does what a command says, also to the time of leases.
    pub(super) fn act(&mut self, command: Command, now: Instant) -> Result<Done, Refusal> {
        let action = command.action.ok_or(Refusal::KeyNotFound)?;
        let reply = self.store.apply(&action)?;
        match (&action, &reply) {
            (_, Reply::LeaseGrant(granted)) => self.lessor.grant(granted.id, granted.ttl, now),
            (crate::command::Action::LeaseRevoke(revoked), _) => self.lessor.revoke(revoked.id),
            _ => {}
        }
        Ok(Done {
            reply,
            revision: self.store.revision(),
        })
    }
}

impl Change {
    /// The entry that makes this change.
    pub(super) fn entry(&self) -> Entry {
        let mut entry = Entry::default();
        let kind = match self.kind() {
            Kind::Add | Kind::Promote => raft::eraftpb::ConfChangeType::AddNode,
            Kind::AddLearner => raft::eraftpb::ConfChangeType::AddLearnerNode,
            Kind::Remove => raft::eraftpb::ConfChangeType::RemoveNode,
            Kind::Update | Kind::Publish => {
                entry.context = MEMBERS.to_vec();
                entry.data = self.encode_to_vec();
                return entry;
            }
        };
        let change = ConfChange {
            change_type: kind as i32,
            node_id: self.id,
            context: self.encode_to_vec(),
            id: 0,
        };
        entry.set_entry_type(EntryType::EntryConfChange);
        entry.data = change.encode_to_vec();
        entry
    }
}
