//! Requests out of few keys, leases and revisions, so that they meet.

use etcd_client::proto::{
    PbCompactionRequest, PbCompare, PbDeleteRequest, PbLeaseGrantRequest, PbLeaseRevokeRequest,
    PbPutRequest, PbRangeRequest, PbTargetUnion, PbTxnOpRequest, PbTxnRequest, PbTxnRequestOp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use squall_etcd_stub::command::Action;

/// What is done to a store: an action, or a read.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Action),
    Range(PbRangeRequest),
    ReadTxn(PbTxnRequest),
}

pub(crate) fn steps(at_most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..at_most)
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => action().prop_map(Step::Do),
        4 => range().prop_map(Step::Range),
        1 => read_txn().prop_map(Step::ReadTxn),
    ]
}

pub(crate) fn actions(at_most: usize) -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 1..at_most)
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => put().prop_map(Action::Put),
        3 => delete().prop_map(Action::DeleteRange),
        6 => txn(2).prop_map(Action::Txn),
        1 => (-1_i64..60).prop_map(|revision| Action::Compact(PbCompactionRequest {
            revision,
            physical: false,
        })),
        2 => (1_i64..4, prop_oneof![8 => Just(5000_i64), 1 => Just(9_000_000_001)]).prop_map(
            |(id, ttl)| Action::LeaseGrant(PbLeaseGrantRequest { id, ttl })
        ),
        1 => (1_i64..4).prop_map(|id| Action::LeaseRevoke(PbLeaseRevokeRequest { id })),
    ]
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(&b""[..]),
        2 => Just(&b"\0"[..]),
        8 => Just(&b"a"[..]),
        8 => Just(&b"ab"[..]),
        8 => Just(&b"b"[..]),
        8 => Just(&b"c"[..]),
        4 => Just(&b"\xff\x01"[..]),
    ]
    .prop_map(<[u8]>::to_vec)
}

pub(crate) fn span() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let range_end = prop_oneof![4 => Just(Vec::new()), 2 => Just(b"\0".to_vec()), 3 => key()];
    (key(), range_end)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(b'x'..=b'z', 0..3)
}

fn revision() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0), 1 => Just(-1), 6 => 1_i64..60]
}

fn lease() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 2 => 1_i64..4]
}

fn rarely() -> impl Strategy<Value = bool> {
    prop_oneof![7 => Just(false), 1 => Just(true)]
}

fn put() -> impl Strategy<Value = PbPutRequest> {
    (
        key(),
        value(),
        lease(),
        any::<bool>(),
        rarely(),
        rarely(),
        rarely(),
    )
        .prop_map(
            |(key, value, lease, prev_kv, ignore_value, ignore_lease, is_wrong)| PbPutRequest {
                key,
                value: if ignore_value && !is_wrong {
                    Vec::new()
                } else {
                    value
                },
                lease: if ignore_lease && !is_wrong { 0 } else { lease },
                prev_kv,
                ignore_value,
                ignore_lease,
            },
        )
}

fn delete() -> impl Strategy<Value = PbDeleteRequest> {
    (span(), any::<bool>()).prop_map(|((key, range_end), prev_kv)| PbDeleteRequest {
        key,
        range_end,
        prev_kv,
    })
}

pub(crate) fn range() -> impl Strategy<Value = PbRangeRequest> {
    let filter = || prop_oneof![5 => Just(0), 1 => 0_i64..40];
    (
        (span(), 0_i64..4, revision()),
        (0..3_i32, 0..5_i32, rarely(), rarely()),
        (filter(), filter(), filter(), filter()),
    )
        .prop_map(
            |(
                ((key, range_end), limit, revision),
                (sort_order, sort_target, keys_only, count_only),
                (min_mod_revision, max_mod_revision, min_create_revision, max_create_revision),
            )| PbRangeRequest {
                key,
                range_end,
                limit,
                revision,
                sort_order,
                sort_target,
                serializable: false,
                keys_only,
                count_only,
                min_mod_revision,
                max_mod_revision,
                min_create_revision,
                max_create_revision,
            },
        )
}

fn compare() -> impl Strategy<Value = PbCompare> {
    let number = || prop_oneof![2 => Just(0_i64), 1 => 1_i64..3, 1 => 3_i64..40];
    let given = prop_oneof![
        number().prop_map(|given| (0, PbTargetUnion::Version(given))),
        number().prop_map(|given| (1, PbTargetUnion::CreateRevision(given))),
        number().prop_map(|given| (2, PbTargetUnion::ModRevision(given))),
        value().prop_map(|given| (3, PbTargetUnion::Value(given))),
        lease().prop_map(|given| (4, PbTargetUnion::Lease(given))),
    ];
    (0..4_i32, given, span(), rarely()).prop_map(
        |(result, (target, given), (key, range_end), is_bare)| PbCompare {
            result,
            target,
            key,
            range_end,
            target_union: (!is_bare).then_some(given),
        },
    )
}

fn op(depth: u32) -> BoxedStrategy<PbTxnRequestOp> {
    let leaf = prop_oneof![
        5 => put().prop_map(PbTxnOpRequest::RequestPut),
        2 => range().prop_map(PbTxnOpRequest::RequestRange),
        2 => delete().prop_map(PbTxnOpRequest::RequestDeleteRange),
    ];
    let any = if depth == 0 {
        leaf.boxed()
    } else {
        prop_oneof![4 => leaf, 1 => txn(depth - 1).prop_map(PbTxnOpRequest::RequestTxn)].boxed()
    };
    any.prop_map(|request| PbTxnRequestOp {
        request: Some(request),
    })
    .boxed()
}

fn txn(depth: u32) -> BoxedStrategy<PbTxnRequest> {
    (
        vec(compare(), 0..3),
        vec(op(depth), 0..4),
        vec(op(depth), 0..3),
    )
        .prop_map(|(compare, success, failure)| PbTxnRequest {
            compare,
            success,
            failure,
        })
        .boxed()
}

fn read_txn() -> impl Strategy<Value = PbTxnRequest> {
    let reads = || {
        vec(
            range().prop_map(|range| PbTxnRequestOp {
                request: Some(PbTxnOpRequest::RequestRange(range)),
            }),
            0..3,
        )
    };
    (vec(compare(), 0..3), reads(), reads()).prop_map(|(compare, success, failure)| PbTxnRequest {
        compare,
        success,
        failure,
    })
}
