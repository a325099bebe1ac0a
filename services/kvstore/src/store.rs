//! The state machine: versioned values by key, and which transactions were applied.
//!
//! A request is decided into an [`Operation`], which holds results (the new versions) and not
//! wishes, and an operation is applied. The log keeps operations, so that a replay is the same code
//! as the first time and checks itself. Deliberately absent: time, input and output, durability.
//!
//! Rules are the original's (scenarios/splitdim/README.md): an absent key becomes version 1 whatever was sent,
//! otherwise the version must match and rises by 1; a transaction checks all versions before it
//! changes any, so that the same key twice passes twice.

mod repeats;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

pub(crate) use repeats::Repeats;

/// A key, its value and its version: what is sent, answered and logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry<S = String> {
    pub(crate) key: S,
    pub(crate) value: S,
    pub(crate) version: i64,
}

/// A change with its results. The versions are those after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    Put(Entry),
    /// Forgets all keys, but not which transactions were applied: one that is repeated after it must
    /// not be applied to the empty store.
    Reset,
    Transaction {
        /// The idempotency key and the hash of what was sent with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<(String, u64)>,
        puts: Vec<Entry>,
    },
}

/// A value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) value: Arc<str>,
    pub(crate) version: i64,
    /// The batch of the log that made it; 0 for what was there at the start.
    changed: u64,
}

/// What is decided on a request: a change, or an answer that rests on what batch `.1` made and may
/// be given once that is durable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision<R> {
    Change(Operation),
    Answer(R, u64),
}

/// Why a put changes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoPut {
    /// The version does not match.
    Mismatch,
    /// The value is the same, and the setting says that this is enough.
    Equal,
}

/// Why a transaction changes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoTransaction {
    /// These keys have other versions: as they are now.
    Mismatch(Vec<Entry<Arc<str>>>),
    /// It was applied before.
    Repeated,
    /// Its idempotency key was that of another one.
    Reused,
}

/// An operation that does not follow from the state: the log is not this store's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key:?} gets version {version}, but has {before} before")]
pub(crate) struct Inconsistent {
    key: String,
    version: i64,
    before: i64,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Store {
    entries: BTreeMap<Arc<str>, Versioned>,
    repeats: Repeats,
    /// The batch of the last reset: what is absent rests on it.
    reset: u64,
    /// The last batch that changed anything.
    changed: u64,
}

impl Store {
    /// An empty one, which remembers the idempotency keys of so many transactions.
    pub(crate) fn new(keys_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            repeats: Repeats::new(keys_max),
            reset: 0,
            changed: 0,
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The idempotency keys that are remembered.
    pub(crate) fn repeats(&self) -> &Repeats {
        &self.repeats
    }

    /// All keys in order, and the batch that the list rests on.
    pub(crate) fn entries(&self) -> (impl Iterator<Item = Entry<&str>>, u64) {
        let entries = self.entries.iter().map(|(key, value)| Entry {
            key: &**key,
            value: &*value.value,
            version: value.version,
        });
        (entries, self.changed)
    }

    /// The value of a key; an absent one is "" with version 0. And the batch that this rests on.
    pub(crate) fn get(&self, key: &str) -> (Arc<str>, i64, u64) {
        match self.entries.get(key) {
            Some(found) => (found.value.clone(), found.version, found.changed),
            None => (Arc::from(""), 0, self.reset),
        }
    }

    fn version(&self, key: &str) -> i64 {
        self.entries.get(key).map_or(0, |found| found.version)
    }

    /// Decides on a put. With `accept_equal`, a value that is there already is enough at any version.
    pub(crate) fn put(&self, mut put: Entry, accept_equal: bool) -> Decision<NoPut> {
        if let Some(found) = self.entries.get(&*put.key) {
            if accept_equal && *found.value == *put.value {
                return Decision::Answer(NoPut::Equal, found.changed);
            }
            if found.version != put.version {
                // It says nothing of what is there, so it rests on nothing.
                return Decision::Answer(NoPut::Mismatch, 0);
            }
            put.version = found.version + 1;
        } else {
            put.version = 1;
        }
        Decision::Change(Operation::Put(put))
    }

    /// Decides on a transaction. `id` is the idempotency key.
    pub(crate) fn transaction(
        &self,
        id: Option<String>,
        mut puts: Vec<Entry>,
    ) -> Decision<NoTransaction> {
        let id = match id {
            None => None,
            Some(id) => {
                let hash = content_hash(&puts);
                if let Some((known, batch)) = self.repeats.get(&id) {
                    let why = match known == hash {
                        true => NoTransaction::Repeated,
                        false => NoTransaction::Reused,
                    };
                    return Decision::Answer(why, batch);
                }
                Some((id, hash))
            }
        };
        let mut now: BTreeMap<&str, i64> = BTreeMap::new();
        let mut wrong: BTreeSet<&str> = BTreeSet::new();
        for put in &puts {
            let version = *now
                .entry(&put.key)
                .or_insert_with_key(|key| self.version(key));
            // The lab's contract takes any version for a key that is absent. With an idempotency key, which is
            // ours, absent is version 0 like any other: otherwise one who remembers a balance from before
            // a reset would bring it back.
            let any = version == 0 && id.is_none();
            if !any && version != put.version {
                wrong.insert(&put.key);
            }
        }
        if !wrong.is_empty() {
            return self.mismatch(&wrong);
        }
        let versions: Vec<i64> = puts
            .iter()
            .filter_map(|put| {
                let version = now.get_mut(&*put.key)?;
                *version += 1;
                Some(*version)
            })
            .collect();
        for (put, version) in puts.iter_mut().zip(versions) {
            put.version = version;
        }
        Decision::Change(Operation::Transaction { id, puts })
    }

    fn mismatch(&self, wrong: &BTreeSet<&str>) -> Decision<NoTransaction> {
        let mut batch = 0;
        let current = wrong.iter().map(|key| {
            let (value, version, changed) = self.get(key);
            batch = batch.max(changed);
            let key = Arc::from(*key);
            Entry {
                key,
                value,
                version,
            }
        });
        let current = current.collect();
        Decision::Answer(NoTransaction::Mismatch(current), batch)
    }

    /// Applies what was decided on this very state; `batch` is the batch of the log that it goes to.
    /// An error leaves a state of no use.
    pub(crate) fn apply(&mut self, operation: Operation, batch: u64) -> Result<(), Inconsistent> {
        self.changed = batch;
        match operation {
            Operation::Put(put) => self.set(put, batch),
            Operation::Reset => {
                self.entries.clear();
                self.reset = batch;
                Ok(())
            }
            Operation::Transaction { id, puts } => {
                if let Some((id, hash)) = id {
                    self.repeats.remember(Arc::from(id), hash, batch);
                }
                puts.into_iter().try_for_each(|put| self.set(put, batch))
            }
        }
    }

    fn set(&mut self, put: Entry, batch: u64) -> Result<(), Inconsistent> {
        let Entry {
            key,
            value,
            version,
        } = put;
        let before = self.entries.get_mut(&*key);
        let before_version = before.as_ref().map_or(0, |found| found.version);
        if before_version.checked_add(1) != Some(version) {
            return Err(Inconsistent {
                key,
                version,
                before: before_version,
            });
        }
        let after = Versioned {
            value: Arc::from(value),
            version,
            changed: batch,
        };
        match before {
            Some(before) => *before = after,
            None => {
                self.entries.insert(Arc::from(key), after);
            }
        }
        Ok(())
    }

    /// Takes over what a snapshot has. False when the key is there already.
    pub(crate) fn restore(&mut self, entry: Entry) -> bool {
        let value = Versioned {
            value: Arc::from(entry.value),
            version: entry.version,
            changed: 0,
        };
        self.entries.insert(Arc::from(entry.key), value).is_none()
    }

    /// Takes over an idempotency key of a snapshot.
    pub(crate) fn restore_repeat(&mut self, id: String, hash: u64) {
        self.repeats.remember(Arc::from(id), hash, 0);
    }

    /// A copy that a snapshot is made of; keys and values are shared with it.
    pub(crate) fn image(&self) -> Image {
        Image {
            entries: self.entries.clone(),
            repeats: self.repeats.in_order().cloned().collect(),
        }
    }
}

/// The state at one moment.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) entries: BTreeMap<Arc<str>, Versioned>,
    /// Idempotency keys and hashes, oldest first.
    pub(crate) repeats: Vec<(Arc<str>, u64)>,
}

/// The hash by which a repeated transaction is told from another one with the same idempotency key.
fn content_hash(puts: &[Entry]) -> u64 {
    let mut hash = Xxh3::new();
    for put in puts {
        for text in [&put.key, &put.value] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(&put.version.to_le_bytes());
    }
    hash.digest()
}
