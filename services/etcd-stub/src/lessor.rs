//! When leases run out: the leader's clock over the leases of the store (etcd: `lease/lessor.go`).
//!
//! A pure value: time comes in. Only the leader's runs; a follower knows the leases and never their
//! expiry, so that none runs out because a member's clock is wrong. Deliberately absent: what hangs on a
//! lease ([`crate::store`]), revoking (an entry of the log), checkpoints of what is left (experimental in
//! etcd), spreading more than 1,000 expiries after an election.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// How long a revocation may take before the lease is offered again (etcd: `defaultExpiredleaseRetryInterval`).
pub const RETRY: Duration = Duration::from_secs(3);

/// The longest TTL that is granted, in seconds (etcd: `MaxLeaseTTL`).
pub const TTL_MAX_S: i64 = 9_000_000_000;

/// The shortest TTL that a group grants, in seconds: one and a half election timeouts, rounded up (etcd:
/// `server.go`, `minTTL`). A shorter one is raised to it before the grant is proposed.
pub fn ttl_min_s(election_timeout: Duration) -> i64 {
    let ms = election_timeout.as_millis() as i64 * 3 / 2;
    (ms + 999) / 1000
}

/// The leases of the group, and on the leader when each runs out.
#[derive(Debug, Default)]
pub struct Lessor {
    leases: BTreeMap<i64, Lease>,
    /// When to look at which lease again. Empty on a follower.
    due: BTreeSet<(Instant, i64)>,
    leads: bool,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    expiry: Instant,
    /// The expiry, or when to offer it again.
    due: Instant,
}

impl Lessor {
    /// A follower's, without leases.
    pub fn new() -> Self {
        Self::default()
    }

    /// A lease was granted: on the leader its time begins now. One of the same number is replaced.
    pub fn grant(&mut self, id: i64, ttl_s: i64, now: Instant) {
        self.revoke(id);
        let ttl = Duration::from_secs(ttl_s.clamp(0, TTL_MAX_S).unsigned_abs());
        self.leases.insert(id, Lease { ttl, running: None });
        if self.leads {
            self.start(id, now + ttl);
        }
    }

    /// A lease was revoked: it is forgotten.
    pub fn revoke(&mut self, id: i64) {
        if let Some(Lease {
            running: Some(running),
            ..
        }) = self.leases.remove(&id)
        {
            self.due.remove(&(running.due, id));
        }
    }

    /// Gives a lease its whole time again, and says that in seconds. `None` for one that is not there or
    /// whose time is over, even if it is not revoked yet; and on a follower.
    pub fn renew(&mut self, id: i64, now: Instant) -> Option<i64> {
        let lease = self.leases.get(&id)?;
        let ttl = lease.ttl;
        if lease.running?.expiry <= now {
            return None;
        }
        self.start(id, now + ttl);
        Some(ttl.as_secs() as i64)
    }

    /// This member leads now: every lease has its whole time again and `extend` (etcd: the election
    /// timeout), because nobody knows how much of it was left.
    pub fn promote(&mut self, now: Instant, extend: Duration) {
        self.leads = true;
        let ends: Vec<_> = self
            .leases
            .iter()
            .map(|(&id, lease)| (id, now + extend + lease.ttl))
            .collect();
        for (id, expiry) in ends {
            self.start(id, expiry);
        }
    }

    /// This member leads no longer: nothing runs out here.
    pub fn demote(&mut self) {
        self.leads = false;
        self.due.clear();
        for lease in self.leases.values_mut() {
            lease.running = None;
        }
    }

    /// Leases whose time is over, by (expiry, number); each is to be proposed for revocation and stays
    /// until [`Lessor::revoke`]. Offered again after [`RETRY`].
    pub fn expired(&mut self, now: Instant) -> Vec<i64> {
        let mut over = Vec::new();
        while let Some(&(due, id)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            if let Some(running) = self.leases.get_mut(&id).and_then(|l| l.running.as_mut()) {
                running.due = now + RETRY;
                self.due.insert((running.due, id));
                over.push((running.expiry, id));
            }
        }
        over.sort_unstable();
        over.into_iter().map(|(_, id)| id).collect()
    }

    /// When [`Lessor::expired`] next has something; `None` if never, as on a follower.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.due.first().map(|&(due, _)| due)
    }

    /// What a lease was granted, in seconds; `None` if there is no such lease.
    pub fn granted_s(&self, id: i64) -> Option<i64> {
        Some(self.leases.get(&id)?.ttl.as_secs() as i64)
    }

    /// What is left of a lease in whole seconds, cut towards zero as etcd does, below zero if its
    /// revocation is late; `None` if there is no such lease, and on a follower.
    pub fn left(&self, id: i64, now: Instant) -> Option<i64> {
        let expiry = self.leases.get(&id)?.running?.expiry;
        Some(match expiry.checked_duration_since(now) {
            Some(left) => left.as_secs() as i64,
            None => -((now - expiry).as_secs() as i64),
        })
    }

    fn start(&mut self, id: i64, expiry: Instant) {
        let Some(lease) = self.leases.get_mut(&id) else {
            return;
        };
        let running = Running {
            expiry,
            due: expiry,
        };
        if let Some(before) = lease.running.replace(running) {
            self.due.remove(&(before.due, id));
        }
        self.due.insert((expiry, id));
    }
}
