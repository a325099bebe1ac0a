//! Requests that are refused whatever the store holds (etcd: `api/v3rpc/key.go`).
//!
//! A member checks before it proposes, and the store again before it applies. Deliberately absent: what
//! depends on keys, leases and revisions.

use std::collections::BTreeSet;

use etcd_client::proto::{
    PbDeleteRequest, PbPutRequest, PbRangeRequest, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp,
};
use etcd_client::{SortOrder, SortTarget};

use crate::command::Action;
use crate::refusal::Refusal;

/// etcd's default of `--max-txn-ops`.
const TXN_OPS_MAX: usize = 128;

/// Whether an action can be proposed at all.
pub fn check(action: &Action) -> Result<(), Refusal> {
    match action {
        Action::Put(put) => check_put(put),
        Action::DeleteRange(delete) => check_key(&delete.key),
        Action::Txn(txn) => check_txn(txn),
        Action::Compact(_) | Action::LeaseGrant(_) | Action::LeaseRevoke(_) => Ok(()),
    }
}

/// Whether a range can be read at all.
pub fn check_range(range: &PbRangeRequest) -> Result<(), Refusal> {
    check_key(&range.key)?;
    if SortOrder::try_from(range.sort_order).is_err()
        || SortTarget::try_from(range.sort_target).is_err()
    {
        return Err(Refusal::InvalidSortOption);
    }
    Ok(())
}

/// Whether a txn can be done at all.
pub fn check_txn(txn: &PbTxnRequest) -> Result<(), Refusal> {
    check_ops(txn, TXN_OPS_MAX)?;
    Changes::of(&txn.success)?;
    Changes::of(&txn.failure)?;
    Ok(())
}

fn check_key(key: &[u8]) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    Ok(())
}

fn check_put(put: &PbPutRequest) -> Result<(), Refusal> {
    check_key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(Refusal::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(Refusal::LeaseProvided);
    }
    Ok(())
}

/// `ops_max` is what the txns around it have left: this bounds the depth as well.
fn check_ops(txn: &PbTxnRequest, ops_max: usize) -> Result<(), Refusal> {
    let ops = txn
        .compare
        .len()
        .max(txn.success.len())
        .max(txn.failure.len());
    let left = ops_max.checked_sub(ops).ok_or(Refusal::TooManyOps)?;
    for compare in &txn.compare {
        check_key(&compare.key)?;
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match &op.request {
            Some(PbTxnOpRequest::RequestRange(range)) => check_range(range)?,
            Some(PbTxnOpRequest::RequestPut(put)) => check_put(put)?,
            Some(PbTxnOpRequest::RequestDeleteRange(delete)) => check_key(&delete.key)?,
            Some(PbTxnOpRequest::RequestTxn(txn)) => check_ops(txn, left)?,
            None => return Err(Refusal::KeyNotFound),
        }
    }
    Ok(())
}

/// What a list of operations may change, so that nothing is put that is put or deleted beside it.
#[derive(Default)]
struct Changes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<&'a PbDeleteRequest>,
}

impl<'a> Changes<'a> {
    /// In etcd's order: this list's deletions, the nested txns, this list's puts.
    fn of(ops: &'a [PbTxnRequestOp]) -> Result<Self, Refusal> {
        let mut changes = Self::default();
        for op in ops {
            if let Some(PbTxnOpRequest::RequestDeleteRange(delete)) = &op.request {
                changes.deletes.push(delete);
            }
        }
        for op in ops {
            if let Some(PbTxnOpRequest::RequestTxn(txn)) = &op.request {
                let success = Self::of(&txn.success)?;
                let failure = Self::of(&txn.failure)?;
                // Only one of the two lists is done, so both may put the same key.
                for key in success.puts.union(&failure.puts) {
                    changes.put(key)?;
                }
                changes.deletes.extend(success.deletes);
                changes.deletes.extend(failure.deletes);
            }
        }
        for op in ops {
            if let Some(PbTxnOpRequest::RequestPut(put)) = &op.request {
                changes.put(&put.key)?;
            }
        }
        Ok(changes)
    }

    fn put(&mut self, key: &'a [u8]) -> Result<(), Refusal> {
        if self.deletes.iter().any(|delete| deletes(delete, key)) || !self.puts.insert(key) {
            return Err(Refusal::DuplicateKey);
        }
        Ok(())
    }
}

/// As etcd has it here, and only here: from a key on (one zero byte) is a range that ends before it begins,
/// so that such a deletion may stand beside a put (measured with 3.4.23).
fn deletes(delete: &PbDeleteRequest, key: &[u8]) -> bool {
    if delete.range_end.is_empty() {
        key == delete.key
    } else {
        *key >= *delete.key && *key < *delete.range_end
    }
}
