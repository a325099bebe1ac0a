//! What an entry of the log and a read cost the store, beside Raft and gRPC.

use divan::Bencher;
use divan::counter::ItemsCount;
use etcd_client::CompareOp;
use etcd_client::proto::{
    PbCompare, PbCompareTarget, PbPutRequest, PbRangeRequest, PbTargetUnion, PbTxnOpRequest,
    PbTxnRequest, PbTxnRequestOp,
};
use squall_etcd_stub::command::Action;
use squall_etcd_stub::store::Store;

fn main() {
    divan::main();
}

const KEYS: i64 = 10_000;

fn put(key: String) -> PbPutRequest {
    PbPutRequest {
        key: key.into_bytes(),
        value: b"12345678".to_vec(),
        ..Default::default()
    }
}

fn key(number: i64) -> String {
    format!("keys/{number:08}")
}

fn filled(keys: i64) -> Store {
    let mut store = Store::new();
    for number in 0..keys {
        let _ = store.apply(&Action::Put(put(key(number))));
    }
    store
}

/// One key, as a counter has it: a revision more each time.
#[divan::bench]
fn put_one_key(bencher: Bencher<'_, '_>) {
    let mut store = filled(KEYS);
    let action = Action::Put(put(key(KEYS / 2)));
    bencher.bench_local(|| store.apply(&action).is_ok());
}

/// As a counter adds: compare the revision, put, else read.
#[divan::bench]
fn compare_and_put(bencher: Bencher<'_, '_>) {
    let mut store = filled(KEYS);
    let name = key(KEYS / 2);
    let op = |request| PbTxnRequestOp {
        request: Some(request),
    };
    bencher.bench_local(|| {
        let last = store.range(&range(name.as_bytes(), b"", 0));
        let revision = last.map_or(0, |answer| answer.kvs[0].mod_revision);
        let txn = PbTxnRequest {
            compare: vec![PbCompare {
                result: CompareOp::Equal as i32,
                target: PbCompareTarget::Mod as i32,
                key: name.clone().into_bytes(),
                target_union: Some(PbTargetUnion::ModRevision(revision)),
                ..Default::default()
            }],
            success: vec![op(PbTxnOpRequest::RequestPut(put(name.clone())))],
            failure: vec![op(PbTxnOpRequest::RequestRange(range(
                name.as_bytes(),
                b"",
                0,
            )))],
        };
        store.apply(&Action::Txn(txn)).is_ok()
    });
}

fn range(key: &[u8], range_end: &[u8], limit: i64) -> PbRangeRequest {
    PbRangeRequest {
        key: key.to_vec(),
        range_end: range_end.to_vec(),
        limit,
        ..Default::default()
    }
}

#[divan::bench]
fn get_one_key(bencher: Bencher<'_, '_>) {
    let store = filled(KEYS);
    let request = range(key(KEYS / 2).as_bytes(), b"", 0);
    bencher.bench_local(|| store.range(&request));
}

#[divan::bench]
fn get_all_keys(bencher: Bencher<'_, '_>) {
    let store = filled(KEYS);
    let request = range(b"keys/", b"keys0", 0);
    bencher
        .counter(ItemsCount::new(KEYS as usize))
        .bench_local(|| store.range(&request));
}

/// What a watch asks for after each change.
#[divan::bench]
fn last_event(bencher: Bencher<'_, '_>) {
    let store = filled(KEYS);
    bencher.bench_local(|| store.events(store.revision(), b"keys/", b"keys0", true, 1 << 20));
}

#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let store = filled(KEYS);
    bencher
        .counter(ItemsCount::new(KEYS as usize))
        .bench_local(|| store.snapshot());
}

#[divan::bench]
fn restore(bencher: Bencher<'_, '_>) {
    let snapshot = filled(KEYS).snapshot();
    bencher
        .counter(ItemsCount::new(KEYS as usize))
        .bench_local(|| Store::restore(&snapshot));
}
