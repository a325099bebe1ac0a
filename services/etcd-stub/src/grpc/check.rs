//! What a request on keys is refused for before it is proposed (etcd: `api/v3rpc/key.go`).

use std::collections::BTreeSet;

use etcd_client::proto::{
    PbDeleteRequest, PbPutRequest, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp,
};
use prost::Message;

use super::REQUEST_BYTES_MAX;
use crate::refusal::Refusal;

/// `--max-txn-ops`.
const TXN_OPS_MAX: usize = 128;

/// Whatever is to be proposed.
pub(super) fn size(request: &impl Message) -> Result<(), Refusal> {
    if request.encoded_len() > REQUEST_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

pub(super) fn key(key: &[u8]) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    Ok(())
}

pub(super) fn put(put: &PbPutRequest) -> Result<(), Refusal> {
    key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(Refusal::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(Refusal::LeaseProvided);
    }
    Ok(())
}

pub(super) fn txn(request: &PbTxnRequest) -> Result<(), Refusal> {
    operations(request, TXN_OPS_MAX)?;
    Changed::of(&request.success)?;
    Changed::of(&request.failure)?;
    Ok(())
}

fn operations(txn: &PbTxnRequest, ops_max: usize) -> Result<(), Refusal> {
    let branches = txn.success.len().max(txn.failure.len());
    let ops = txn.compare.len().max(branches);
    if ops > ops_max {
        return Err(Refusal::TooManyOps);
    }
    for compare in &txn.compare {
        key(&compare.key)?;
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match &op.request {
            Some(PbTxnOpRequest::RequestRange(range)) => key(&range.key)?,
            Some(PbTxnOpRequest::RequestPut(request)) => put(request)?,
            Some(PbTxnOpRequest::RequestDeleteRange(delete)) => key(&delete.key)?,
            Some(PbTxnOpRequest::RequestTxn(nested)) => operations(nested, ops_max - ops)?,
            None => return Err(Refusal::KeyNotFound),
        }
    }
    Ok(())
}

/// The keys that a list of operations changes: no key is put twice, or put and deleted.
#[derive(Default)]
struct Changed<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<&'a PbDeleteRequest>,
}

impl<'a> Changed<'a> {
    fn of(ops: &'a [PbTxnRequestOp]) -> Result<Self, Refusal> {
        let mut changed = Self::default();
        let requests = || ops.iter().filter_map(|op| op.request.as_ref());
        for request in requests() {
            if let PbTxnOpRequest::RequestDeleteRange(delete) = request {
                changed.deletes.push(delete);
            }
        }
        for request in requests() {
            if let PbTxnOpRequest::RequestTxn(nested) = request {
                changed.nest(Self::of(&nested.success)?, Self::of(&nested.failure)?)?;
            }
        }
        for request in requests() {
            if let PbTxnOpRequest::RequestPut(put) = request {
                changed.put(&put.key)?;
            }
        }
        Ok(changed)
    }

    /// Takes what a nested transaction may change: both branches may put the same key, as only one is taken.
    fn nest(&mut self, success: Self, failure: Self) -> Result<(), Refusal> {
        for key in success.puts.union(&failure.puts) {
            self.put(key)?;
        }
        self.deletes.extend(success.deletes);
        self.deletes.extend(failure.deletes);
        Ok(())
    }

    fn put(&mut self, key: &'a [u8]) -> Result<(), Refusal> {
        let deleted = self.deletes.iter().any(|delete| covers(delete, key));
        if deleted || !self.puts.insert(key) {
            return Err(Refusal::DuplicateKey);
        }
        Ok(())
    }
}

/// As etcd sees it here: an end of `\0` ("all that follows") covers nothing.
fn covers(delete: &PbDeleteRequest, key: &[u8]) -> bool {
    if delete.range_end.is_empty() {
        return delete.key == key;
    }
    delete.key.as_slice() <= key && key < delete.range_end.as_slice()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn op(request: PbTxnOpRequest) -> PbTxnRequestOp {
        PbTxnRequestOp {
            request: Some(request),
        }
    }

    fn put_op(key: &str) -> PbTxnRequestOp {
        op(PbTxnOpRequest::RequestPut(PbPutRequest {
            key: key.into(),
            ..Default::default()
        }))
    }

    fn delete_op(key: &str, end: &str) -> PbTxnRequestOp {
        op(PbTxnOpRequest::RequestDeleteRange(PbDeleteRequest {
            key: key.into(),
            range_end: end.into(),
            ..Default::default()
        }))
    }

    fn txn_of(
        success: Vec<PbTxnRequestOp>,
        failure: Vec<PbTxnRequestOp>,
    ) -> PbTxnRequest {
        PbTxnRequest {
            compare: Vec::new(),
            success,
            failure,
        }
    }

    fn nested(txn: PbTxnRequest) -> PbTxnRequestOp {
        op(PbTxnOpRequest::RequestTxn(txn))
    }

    #[test]
    fn a_key_is_changed_once() {
        let fine = [
            vec![put_op("a"), put_op("b"), delete_op("c", "")],
            vec![put_op("a"), delete_op("b", "d")],
            vec![delete_op("a", ""), delete_op("a", "")],
            vec![nested(txn_of(vec![put_op("a")], vec![put_op("a")]))],
            vec![put_op("b"), delete_op("a", "\0")], // etcd's own blind spot
        ];
        for ops in fine {
            assert_eq!(txn(&txn_of(ops, Vec::new())), Ok(()));
        }
        let twice = [
            vec![put_op("a"), put_op("a")],
            vec![put_op("a"), delete_op("a", "")],
            vec![delete_op("a", "c"), put_op("b")],
            vec![put_op("a"), nested(txn_of(vec![put_op("a")], Vec::new()))],
            vec![
                nested(txn_of(vec![put_op("a")], Vec::new())),
                nested(txn_of(Vec::new(), vec![put_op("a")])),
            ],
            vec![put_op("a"), nested(txn_of(vec![delete_op("a", "")], Vec::new()))],
        ];
        for ops in twice {
            assert_eq!(
                txn(&txn_of(Vec::new(), ops)),
                Err(Refusal::DuplicateKey)
            );
        }
    }

    #[test]
    fn operations_are_counted_with_those_around_them() {
        let many = |count: usize| (0..count).map(|at| put_op(&at.to_string())).collect();
        assert_eq!(txn(&txn_of(many(128), Vec::new())), Ok(()));
        assert_eq!(
            txn(&txn_of(many(129), Vec::new())),
            Err(Refusal::TooManyOps)
        );
        let inner = nested(txn_of(many(128), Vec::new()));
        assert_eq!(
            txn(&txn_of(vec![inner], Vec::new())),
            Err(Refusal::TooManyOps)
        );
    }
}
