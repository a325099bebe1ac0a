//! Which keys a request means: `key` and `range_end`, as etcd's API reference has them.
//!
//! Deliberately absent: prefixes; a client sends them as a range.

use std::ops::Bound;

/// One key (`range_end` empty), all from a key on (`range_end` is one zero byte), or `[key, range_end)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    pub(super) key: &'a [u8],
    range_end: &'a [u8],
}

impl<'a> Span<'a> {
    pub(super) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        Self { key, range_end }
    }

    pub(super) fn is_one_key(self) -> bool {
        self.range_end.is_empty()
    }

    pub(super) fn contains(self, key: &[u8]) -> bool {
        match self.range_end {
            b"" => key == self.key,
            b"\0" => key >= self.key,
            end => key >= self.key && key < end,
        }
    }

    /// For a map of keys; of a range that ends before it begins, an empty one.
    pub(super) fn bounds(self) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
        let end = match self.range_end {
            b"" => Bound::Included(self.key),
            b"\0" => Bound::Unbounded,
            end => Bound::Excluded(end.max(self.key)),
        };
        (Bound::Included(self.key), end)
    }
}
