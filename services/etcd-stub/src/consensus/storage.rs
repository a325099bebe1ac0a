//! The log as Raft reads it: the entries that are durable, in memory, and what they begin after.
//!
//! Deliberately not: the disk (`log`). Whoever appends here has synced before.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, StorageError};

/// The entries of one member.
pub(super) struct Storage {
    /// What was durable when the member started.
    initial: RaftState,
    /// Index and term of the entry before the first.
    before: (u64, u64),
    entries: VecDeque<Entry>,
    /// For a follower that is too far behind.
    image: Option<Snapshot>,
    wanted: AtomicBool,
}

impl Storage {
    /// What a member starts with.
    pub(super) fn new(
        before: (u64, u64),
        entries: Vec<Entry>,
        hard_state: HardState,
        conf_state: ConfState,
    ) -> Self {
        Self {
            initial: RaftState::new(hard_state, conf_state),
            before,
            entries: entries.into(),
            image: None,
            wanted: AtomicBool::new(false),
        }
    }

    /// Appends what follows, instead of what is there from its first index on.
    pub(super) fn append(&mut self, entries: Vec<Entry>) {
        if let Some(first) = entries.first() {
            let kept = first.index.saturating_sub(self.before.0 + 1);
            self.entries.truncate(kept as usize);
            self.entries.extend(entries);
        }
    }

    /// A snapshot takes the place of all entries.
    pub(super) fn replace(&mut self, index: u64, term: u64) {
        self.before = (index, term);
        self.entries.clear();
        self.image = None;
    }

    /// Forgets the entries up to `index`, which is there.
    pub(super) fn compact(&mut self, index: u64) {
        if let Ok(term) = raft::Storage::term(self, index)
            && index > self.before.0
        {
            self.entries.drain(..(index - self.before.0) as usize);
            self.before = (index, term);
            self.image = None;
        }
    }

    /// The entries after `index`.
    pub(super) fn after(&self, index: u64) -> Vec<Entry> {
        let entries = self.entries.iter();
        entries
            .filter(|entry| entry.index > index)
            .cloned()
            .collect()
    }

    /// Index and term of the entry before the first.
    pub(super) fn before(&self) -> (u64, u64) {
        self.before
    }

    /// Whether Raft has asked for a snapshot since the last call, and there was none.
    pub(super) fn is_image_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// What followers that are too far behind are sent.
    pub(super) fn set_image(&mut self, image: Option<Snapshot>) {
        self.image = image;
    }
}

impl raft::Storage for Storage {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(self.initial.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        let (low, high) = (low - self.before.0 - 1, high - self.before.0 - 1);
        if high > self.entries.len() as u64 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let max = max_size.into().unwrap_or(raft::NO_LIMIT);
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.entries.range(low as usize..high as usize) {
            bytes += (entry.data.len() + entry.context.len() + 24) as u64;
            if bytes > max && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        let Some(at) = index.checked_sub(self.before.0 + 1) else {
            return Err(Error::Store(StorageError::Compacted));
        };
        let entry = self.entries.get(at as usize);
        entry
            .map(|entry| entry.term)
            .ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.before.0 + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.before.0 + self.entries.len() as u64)
    }

    fn snapshot(&self, request_index: u64, _: u64) -> Result<Snapshot> {
        let fits = |image: &&Snapshot| {
            let index = image.get_metadata().index;
            index >= request_index && index >= self.before.0
        };
        match self.image.as_ref().filter(fits) {
            Some(image) => Ok(image.clone()),
            None => {
                self.wanted.store(true, Ordering::Relaxed);
                Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
            }
        }
    }
}
