//! The replicated state machine: keys with all their revisions, leases, compaction.
//!
//! The same commands in the same order give the same store, byte for byte, on every member. Deliberately
//! absent: time (when a lease expires is the leader's business: [`crate::lessor`]), the log, the disk.

mod check;
mod events;
mod hash;
mod history;
mod leases;
mod range;
mod snapshot;
mod span;
mod txn;

use etcd_client::proto::{
    PbDeleteRequest, PbDeleteResponse, PbLeaseGrantRequest, PbLeaseGrantResponse, PbPutRequest,
    PbPutResponse,
};

use crate::command::{Action, Reply};
use crate::lessor::TTL_MAX_S;
use crate::refusal::Refusal;

pub use check::{check, check_range, check_txn};
use history::History;
pub use leases::Lease;
use leases::{Leases, reattach};
use span::Span;
pub use txn::{is_read_only, is_serializable};

/// All keys and leases of the group, as of one entry of the log.
#[derive(Debug)]
pub struct Store {
    revision: i64,
    /// The last revision that was compacted; -1 if none was, so that 0 can be, as in etcd.
    compacted: i64,
    history: History,
    leases: Leases,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store; its revision is 1, as etcd's.
    pub fn new() -> Self {
        Self {
            revision: 1,
            compacted: -1,
            history: History::default(),
            leases: Leases::new(),
        }
    }

    /// Does what the next entry of the log says, and answers it. A refusal changes nothing.
    ///
    /// Headers are `None`, but for those of the operations of a txn: they have the revision, as in etcd.
    /// The number and the TTL of a lease are taken as they are: see [`crate::lessor::ttl_min_s`].
    pub fn apply(&mut self, action: &Action) -> Result<Reply, Refusal> {
        check(action)?;
        let reply = match action {
            Action::Put(put) => {
                self.check_lease(put.lease)?;
                self.check_kept(put)?;
                Reply::Put(self.put(put))
            }
            Action::DeleteRange(delete) => Reply::DeleteRange(self.delete_range(delete)),
            Action::Txn(txn) => Reply::Txn(self.txn(txn)?),
            Action::Compact(request) => {
                self.compact(request.revision)?;
                Reply::Compact(Default::default())
            }
            Action::LeaseGrant(grant) => Reply::LeaseGrant(self.grant(grant)?),
            Action::LeaseRevoke(request) => {
                self.revoke(request.id)?;
                Reply::LeaseRevoke(Default::default())
            }
        };
        self.revision = self.now();
        Ok(reply)
    }

    /// The revision of the last change; 1 if there was none.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The last revision that was compacted; 0 if none was.
    pub fn compacted(&self) -> i64 {
        self.compacted.max(0)
    }

    /// A lease, if there is one of this number.
    pub fn lease(&self, id: i64) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// All leases, by number.
    pub fn leases(&self) -> impl ExactSizeIterator<Item = (i64, &Lease)> {
        self.leases.iter().map(|(&id, lease)| (id, lease))
    }

    /// About what the store takes; what etcd would call the size of its database, but that a compaction
    /// makes it smaller at once.
    pub fn size_bytes(&self) -> u64 {
        self.history.bytes() as u64
    }

    /// The revision that a reader sees: within an entry that has changed something, the next one already.
    fn now(&self) -> i64 {
        self.revision.max(self.history.newest())
    }

    fn put(&mut self, put: &PbPutRequest) -> PbPutResponse {
        let before = self.history.at(&put.key, i64::MAX);
        let lease_before = before.map_or(0, |kv| kv.lease);
        // A key that is to be kept and is not there can be met only behind a deletion from a key on in the
        // same txn, of which etcd dies: then nothing is kept.
        let value = match before {
            Some(before) if put.ignore_value => before.value.clone(),
            _ => put.value.clone(),
        };
        let lease = if put.ignore_lease {
            lease_before
        } else {
            put.lease
        };
        let prev_kv = before.filter(|_| put.prev_kv).cloned();
        self.history.put(self.revision + 1, &put.key, value, lease);
        reattach(&mut self.leases, &put.key, lease_before, lease);
        PbPutResponse {
            header: None,
            prev_kv,
        }
    }

    fn delete_range(&mut self, delete: &PbDeleteRequest) -> PbDeleteResponse {
        let span = Span::new(&delete.key, &delete.range_end);
        let there: Vec<_> = self
            .history
            .all_at(span, i64::MAX)
            .map(|kv| (kv.key.clone(), kv.lease, delete.prev_kv.then(|| kv.clone())))
            .collect();
        let mut response = PbDeleteResponse {
            deleted: there.len() as i64,
            ..Default::default()
        };
        for (key, lease, prev_kv) in there {
            self.delete(key, lease);
            response.prev_kvs.extend(prev_kv);
        }
        response
    }

    fn delete(&mut self, key: Vec<u8>, lease: i64) {
        reattach(&mut self.leases, &key, lease, 0);
        self.history.delete(self.revision + 1, key);
    }

    fn compact(&mut self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        if revision > self.revision {
            return Err(Refusal::FutureRevision);
        }
        self.compacted = revision;
        self.history.compact(revision);
        Ok(())
    }

    fn grant(&mut self, grant: &PbLeaseGrantRequest) -> Result<PbLeaseGrantResponse, Refusal> {
        if grant.id == 0 {
            return Err(Refusal::LeaseNotFound);
        }
        if grant.ttl > TTL_MAX_S {
            return Err(Refusal::LeaseTtlTooLarge);
        }
        if self.leases.contains_key(&grant.id) {
            return Err(Refusal::LeaseExists);
        }
        let lease = Lease {
            ttl_s: grant.ttl,
            ..Default::default()
        };
        self.leases.insert(grant.id, lease);
        Ok(PbLeaseGrantResponse {
            id: grant.id,
            ttl: grant.ttl,
            ..Default::default()
        })
    }

    fn revoke(&mut self, id: i64) -> Result<(), Refusal> {
        let lease = self.leases.remove(&id).ok_or(Refusal::LeaseNotFound)?;
        for key in lease.keys {
            self.delete(key, id);
        }
        Ok(())
    }

    /// Whether a key can hang on a lease; 0 is none.
    fn check_lease(&self, lease: i64) -> Result<(), Refusal> {
        if lease != 0 && !self.leases.contains_key(&lease) {
            return Err(Refusal::LeaseNotFound);
        }
        Ok(())
    }

    /// Whether there is what a put wants kept.
    fn check_kept(&self, put: &PbPutRequest) -> Result<(), Refusal> {
        let keeps = put.ignore_value || put.ignore_lease;
        if keeps && self.history.at(&put.key, i64::MAX).is_none() {
            return Err(Refusal::KeyNotFound);
        }
        Ok(())
    }
}
