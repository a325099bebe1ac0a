//! What every key was, at every revision that is kept.
//!
//! A version is an etcd key-value that never changes again; a deletion is one with `version` 0, a key and a
//! revision alone. It hangs in two places: in the order of its key, for reads, and in the order in which all
//! were made, for watches and snapshots. Deliberately absent: leases, limits, etcd's requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use etcd_client::proto::PbKeyValue;
use prost::Message;

use super::span::Span;

/// What a version costs beside its bytes, roughly.
const VERSION_BYTES: usize = 32;

#[derive(Debug, Default)]
pub(super) struct History {
    /// Of each key, oldest first; never empty.
    keys: BTreeMap<Vec<u8>, Vec<Arc<PbKeyValue>>>,
    /// Of all keys, as they were made: by `mod_revision`, and within one in the order of the txn.
    made: Vec<Arc<PbKeyValue>>,
    bytes: usize,
}

impl History {
    /// Everything kept, in the order in which it was made.
    pub(super) fn made(&self) -> &[Arc<PbKeyValue>] {
        &self.made
    }

    /// What was made at `revision` or later.
    pub(super) fn made_from(&self, revision: i64) -> &[Arc<PbKeyValue>] {
        let from = self.made.partition_point(|kv| kv.mod_revision < revision);
        &self.made[from..]
    }

    /// The last revision that made something; 0 if none is kept.
    pub(super) fn newest(&self) -> i64 {
        self.made.last().map_or(0, |kv| kv.mod_revision)
    }

    /// About what all this takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a key was at a revision, if it was there.
    pub(super) fn at(&self, key: &[u8], revision: i64) -> Option<&PbKeyValue> {
        at(self.keys.get(key)?, revision)
    }

    /// What was there at a revision, by key.
    pub(super) fn all_at(
        &self,
        span: Span<'_>,
        revision: i64,
    ) -> impl Iterator<Item = &PbKeyValue> {
        self.keys
            .range::<[u8], _>(span.bounds())
            .filter_map(move |(_, versions)| at(versions, revision))
    }

    /// Makes the next version of a key.
    pub(super) fn put(&mut self, revision: i64, key: &[u8], value: Vec<u8>, lease: i64) {
        let versions = match self.keys.get_mut(key) {
            Some(versions) => versions,
            None => self.keys.entry(key.to_vec()).or_default(),
        };
        let before = versions.last().filter(|kv| is_there(kv));
        let kv = Arc::new(PbKeyValue {
            key: key.to_vec(),
            create_revision: before.map_or(revision, |kv| kv.create_revision),
            mod_revision: revision,
            version: before.map_or(1, |kv| kv.version + 1),
            value,
            lease,
        });
        self.bytes += bytes(&kv);
        versions.push(kv.clone());
        self.made.push(kv);
    }

    /// Ends a key that is there.
    pub(super) fn delete(&mut self, revision: i64, key: Vec<u8>) {
        self.push(PbKeyValue {
            key,
            mod_revision: revision,
            ..Default::default()
        });
    }

    /// Appends a version as it is.
    pub(super) fn push(&mut self, kv: PbKeyValue) {
        self.bytes += bytes(&kv);
        let kv = Arc::new(kv);
        self.made.push(kv.clone());
        match self.keys.get_mut(&kv.key) {
            Some(versions) => versions.push(kv),
            None => {
                self.keys.insert(kv.key.clone(), vec![kv]);
            }
        }
    }

    /// Forgets what only revisions before `revision` show. What was made at `revision` stays whole, so
    /// that a watch from there misses nothing (etcd since 3.5.17; before, it loses deletions there).
    pub(super) fn compact(&mut self, revision: i64) {
        self.keys.retain(|_, versions| {
            let later = versions.partition_point(|kv| kv.mod_revision < revision);
            let is_made_at = versions
                .get(later)
                .is_some_and(|kv| kv.mod_revision == revision);
            let is_needed = !is_made_at && later > 0 && is_there(&versions[later - 1]);
            versions.drain(..later - usize::from(is_needed));
            !versions.is_empty()
        });
        // What only this list still holds is what the keys have let go.
        self.made.retain(|kv| Arc::strong_count(kv) > 1);
        self.bytes = self.made.iter().map(|kv| bytes(kv)).sum();
    }
}

/// Whether a version is not a deletion.
pub(super) fn is_there(kv: &PbKeyValue) -> bool {
    kv.version > 0
}

fn at(versions: &[Arc<PbKeyValue>], revision: i64) -> Option<&PbKeyValue> {
    let last = versions.last()?;
    let kv = if last.mod_revision <= revision {
        last
    } else {
        let later = versions.partition_point(|kv| kv.mod_revision <= revision);
        versions.get(later.checked_sub(1)?)?
    };
    is_there(kv).then_some(kv)
}

fn bytes(kv: &PbKeyValue) -> usize {
    VERSION_BYTES + kv.encoded_len()
}
