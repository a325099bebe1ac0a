//! The leases of the group and the keys that hang on each.
//!
//! Deliberately absent: their time (`crate::lessor`).

use std::collections::{BTreeMap, BTreeSet};

/// A lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What it was granted, in seconds.
    pub ttl_s: i64,
    /// The keys that go when it goes.
    pub keys: BTreeSet<Vec<u8>>,
}

/// By number.
pub(super) type Leases = BTreeMap<i64, Lease>;

/// A key that hung on the lease `before` hangs on `after` now; 0 is none.
pub(super) fn reattach(leases: &mut Leases, key: &[u8], before: i64, after: i64) {
    if before == after {
        return;
    }
    if let Some(lease) = leases.get_mut(&before) {
        lease.keys.remove(key);
    }
    if let Some(lease) = leases.get_mut(&after) {
        lease.keys.insert(key.to_vec());
    }
}
