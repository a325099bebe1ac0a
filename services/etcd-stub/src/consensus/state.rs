//! What the member and its handles share: the state, where it stands, and that something has changed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raft::eraftpb::Entry;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Standing;
use super::machine::{Machine, Outcome};
use super::snapshot;

pub(super) struct Shared {
    locked: Mutex<Locked>,
    /// Anything of it has changed.
    pub(super) changed: Notify,
}

pub(super) struct Locked {
    pub(super) machine: Machine,
    pub(super) standing: Standing,
    /// The number of the next entry that somebody waits for.
    next_id: u64,
}

impl Shared {
    pub(super) fn new(machine: Machine, standing: Standing, first_id: u64) -> Self {
        Self {
            locked: Mutex::new(Locked {
                machine,
                standing,
                next_id: first_id,
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other entry of the group has, but with a chance of one in 2^64; never 0.
    pub(super) fn next_id(&self) -> u64 {
        let mut locked = self.lock();
        locked.next_id = locked.next_id.wrapping_add(1).max(1);
        locked.next_id
    }

    pub(super) fn apply(&self, entry: &Entry, now: Instant) -> Result<Option<Outcome>, String> {
        self.lock().machine.apply(entry, now)
    }

    /// Index and term of the last entry that was applied, and the state after it as bytes.
    pub(super) fn image(&self) -> ((u64, u64), Vec<u8>) {
        let machine = &self.lock().machine;
        let image = snapshot::encode(&machine.store, &machine.members);
        (machine.applied, image)
    }

    /// Where the member stands now. Whoever leads now lets leases run out, and whoever does not, does not;
    /// `extend` is the election timeout.
    pub(super) fn stand(&self, standing: Standing, extend: Duration) {
        let mut locked = self.lock();
        let led = locked.standing.leader == Some(standing.member_id);
        let leads = standing.leader == Some(standing.member_id);
        match (led && locked.standing.term == standing.term, leads) {
            (false, true) => locked.machine.lead(Instant::now(), extend),
            (true, false) => locked.machine.lessor.demote(),
            _ if led && !leads => locked.machine.lessor.demote(),
            _ => {}
        }
        let is_new = standing.leader.is_some() && standing.leader != locked.standing.leader;
        locked.standing = Standing {
            applied: locked.machine.applied.0,
            leader_changes: locked.standing.leader_changes + u64::from(is_new),
            ..standing
        };
        drop(locked);
        self.changed.notify_waiters();
    }
}
