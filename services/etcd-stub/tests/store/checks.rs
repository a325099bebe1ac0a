//! Which txns are refused before they are proposed; each line measured with etcd 3.4.23, or read in its source.

use etcd_client::proto::{
    PbCompare, PbDeleteRequest, PbPutRequest, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp,
};
use squall_etcd_stub::refusal::Refusal;
use squall_etcd_stub::store::check_txn;

fn op(request: PbTxnOpRequest) -> PbTxnRequestOp {
    PbTxnRequestOp {
        request: Some(request),
    }
}

fn put(key: &str) -> PbTxnRequestOp {
    op(PbTxnOpRequest::RequestPut(PbPutRequest {
        key: key.into(),
        ..Default::default()
    }))
}

fn delete(key: &str, range_end: &str) -> PbTxnRequestOp {
    op(PbTxnOpRequest::RequestDeleteRange(PbDeleteRequest {
        key: key.into(),
        range_end: range_end.into(),
        prev_kv: false,
    }))
}

fn txn(success: Vec<PbTxnRequestOp>, failure: Vec<PbTxnRequestOp>) -> PbTxnRequest {
    PbTxnRequest {
        compare: Vec::new(),
        success,
        failure,
    }
}

fn nested(success: Vec<PbTxnRequestOp>, failure: Vec<PbTxnRequestOp>) -> PbTxnRequestOp {
    op(PbTxnOpRequest::RequestTxn(txn(success, failure)))
}

#[test]
fn nothing_is_put_that_is_changed_beside_it() {
    let refused = [
        vec![put("a"), put("a")],
        vec![put("a"), delete("a", "")],
        vec![delete("a", ""), put("a")],
        vec![delete("a", "c"), put("b")],
        vec![put("a"), nested(vec![put("a")], vec![])],
        vec![put("a"), nested(vec![], vec![delete("a", "")])],
        vec![
            nested(vec![put("a")], vec![]),
            nested(vec![], vec![put("a")]),
        ],
        vec![
            nested(vec![delete("a", "")], vec![]),
            nested(vec![put("a")], vec![]),
        ],
        vec![
            nested(vec![put("a")], vec![put("a")]),
            nested(vec![put("a")], vec![]),
        ],
    ];
    for ops in refused {
        assert_eq!(
            check_txn(&txn(ops.clone(), vec![])),
            Err(Refusal::DuplicateKey),
            "{ops:?}"
        );
        assert_eq!(
            check_txn(&txn(vec![], ops.clone())),
            Err(Refusal::DuplicateKey),
            "{ops:?}"
        );
    }
    let allowed = [
        vec![put("a"), put("b"), delete("c", "")],
        vec![put("c"), delete("a", "c")],
        vec![put("a"), delete("a", "\0")],
        vec![delete("a", ""), delete("a", "")],
        vec![nested(vec![put("a")], vec![put("a")])],
        vec![
            nested(vec![put("a")], vec![]),
            nested(vec![delete("a", "")], vec![]),
        ],
    ];
    for ops in allowed {
        assert_eq!(check_txn(&txn(ops.clone(), ops.clone())), Ok(()), "{ops:?}");
    }
    assert_eq!(check_txn(&txn(vec![put("a")], vec![put("a")])), Ok(()));
}

#[test]
fn operations_are_counted() {
    let puts = |count| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
    assert_eq!(check_txn(&txn(puts(128), puts(128))), Ok(()));
    assert_eq!(check_txn(&txn(puts(129), vec![])), Err(Refusal::TooManyOps));
    let compare = PbCompare {
        key: b"a".to_vec(),
        ..Default::default()
    };
    let compares = PbTxnRequest {
        compare: vec![compare; 129],
        ..Default::default()
    };
    assert_eq!(check_txn(&compares), Err(Refusal::TooManyOps));
    // A nested txn has what the one around it leaves.
    assert_eq!(
        check_txn(&txn(vec![nested(puts(127), vec![])], vec![])),
        Ok(())
    );
    assert_eq!(
        check_txn(&txn(vec![nested(puts(128), vec![])], vec![])),
        Err(Refusal::TooManyOps)
    );
    let deep = (0..200).fold(put("a"), |inner, _| nested(vec![inner], vec![]));
    assert_eq!(
        check_txn(&txn(vec![deep], vec![])),
        Err(Refusal::TooManyOps)
    );
}

#[test]
fn an_operation_needs_something_to_do() {
    let nothing = PbTxnRequestOp { request: None };
    assert_eq!(
        check_txn(&txn(vec![nothing], vec![])),
        Err(Refusal::KeyNotFound)
    );
    assert_eq!(
        check_txn(&txn(vec![], vec![put("")])),
        Err(Refusal::EmptyKey)
    );
}
