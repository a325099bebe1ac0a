//! Which transactions were applied, by their idempotency keys: so many, the oldest forgotten first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Idempotency keys. The map is only looked up; its hash is keyed, since clients choose what is in it.
#[derive(Debug)]
pub(crate) struct Repeats {
    known: HashMap<Arc<str>, (u64, u64)>,
    order: VecDeque<(Arc<str>, u64)>,
    most: usize,
}

impl Repeats {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            known: HashMap::new(),
            order: VecDeque::new(),
            most,
        }
    }

    /// The hash of a transaction's content, and the batch that it was applied in.
    pub(crate) fn get(&self, id: &str) -> Option<(u64, u64)> {
        self.known.get(id).copied()
    }

    /// Remembers one that is not known yet.
    pub(crate) fn remember(&mut self, id: Arc<str>, hash: u64, batch: u64) {
        if self.known.insert(id.clone(), (hash, batch)).is_some() {
            return;
        }
        self.order.push_back((id, hash));
        while self.order.len() > self.most {
            if let Some((oldest, _)) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Keys and hashes, oldest first.
    pub(crate) fn in_order(&self) -> impl ExactSizeIterator<Item = &(Arc<str>, u64)> {
        self.order.iter()
    }
}
