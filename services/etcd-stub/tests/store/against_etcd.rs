//! The same requests to the store and to etcd: the answers are the same.
//!
//! `SQUALL_ETCD=http://127.0.0.1:2379 cargo test -p squall-etcd-stub --test store -- --ignored` with an etcd
//! that is empty and has nobody else; it is not afterwards.

use etcd_client::proto::{
    PbCompactionResponse, PbDeleteResponse, PbLeaseGrantResponse, PbLeaseRevokeResponse,
    PbPutResponse, PbRangeResponse, PbTxnOpRequest, PbTxnRequest, PbTxnResponse,
};
use etcd_client::{Client, EventType, WatchOptions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;
use squall_etcd_stub::command::{Action, Reply};
use squall_etcd_stub::store::Store;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

use crate::generate::{Step, step};

const STEPS: usize = 30_000;

struct Etcd(Grpc<Channel>);

impl Etcd {
    async fn ask<Q, A>(&mut self, path: &'static str, request: &Q) -> Result<A, (i32, String)>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.0.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let request = tonic::Request::new(request.clone());
        let answer = self
            .0
            .unary(request, PathAndQuery::from_static(path), codec)
            .await;
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err((status.code() as i32, status.message().to_owned())),
        }
    }

    async fn apply(&mut self, action: &Action) -> Result<(Reply, i64), (i32, String)> {
        macro_rules! ask {
            ($path:literal, $request:expr, $response:ty, $reply:path) => {{
                let mut response: $response = self.ask($path, $request).await?;
                let header = response.header.take().unwrap();
                Ok(($reply(response), header.revision))
            }};
        }
        match action {
            Action::Put(put) => ask!("/etcdserverpb.KV/Put", put, PbPutResponse, Reply::Put),
            Action::DeleteRange(delete) => ask!(
                "/etcdserverpb.KV/DeleteRange",
                delete,
                PbDeleteResponse,
                Reply::DeleteRange
            ),
            Action::Txn(txn) => ask!("/etcdserverpb.KV/Txn", txn, PbTxnResponse, Reply::Txn),
            Action::Compact(compact) => ask!(
                "/etcdserverpb.KV/Compact",
                compact,
                PbCompactionResponse,
                Reply::Compact
            ),
            Action::LeaseGrant(grant) => ask!(
                "/etcdserverpb.Lease/LeaseGrant",
                grant,
                PbLeaseGrantResponse,
                Reply::LeaseGrant
            ),
            Action::LeaseRevoke(revoke) => ask!(
                "/etcdserverpb.Lease/LeaseRevoke",
                revoke,
                PbLeaseRevokeResponse,
                Reply::LeaseRevoke
            ),
        }
    }
}

#[test]
#[ignore = "wants an empty etcd: SQUALL_ETCD=http://…"]
fn answers_as_etcd_does() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(compare(&std::env::var("SQUALL_ETCD").unwrap()));
}

async fn compare(address: &str) {
    let channel = Endpoint::new(address.to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut etcd = Etcd(Grpc::new(channel));
    let mut store = Store::new();
    let mut runner = TestRunner::deterministic();
    let mut done = [0; 2];
    for number in 0..STEPS {
        let step = shifted(step().new_tree(&mut runner).unwrap().current(), &store);
        if matches!(&step, Step::Do(Action::Txn(txn)) if kills_etcd(txn)) {
            continue;
        }
        let is_done = match &step {
            Step::Do(action) => {
                let theirs = etcd.apply(action).await;
                let ours = store
                    .apply(action)
                    .map(|reply| (reply, store.revision()))
                    .map_err(refused);
                assert_eq!(ours, theirs, "step {number}: {action:?}");
                ours.is_ok()
            }
            Step::Range(range) => {
                let theirs: Result<PbRangeResponse, _> =
                    etcd.ask("/etcdserverpb.KV/Range", range).await;
                let theirs = theirs.map(|mut response| {
                    response.header = None;
                    response
                });
                let ours = store.range(range).map_err(refused);
                assert_eq!(ours, theirs, "step {number}: {range:?}");
                ours.is_ok()
            }
            Step::ReadTxn(txn) => {
                let theirs: Result<PbTxnResponse, _> = etcd.ask("/etcdserverpb.KV/Txn", txn).await;
                let theirs = theirs.map(|mut response| {
                    response.header = None;
                    response
                });
                let ours = store.read_txn(txn).map_err(refused);
                assert_eq!(ours, theirs, "step {number}: {txn:?}");
                ours.is_ok()
            }
        };
        done[usize::from(is_done)] += 1;
        if number % 50 == 0 {
            compare_events(address, &store).await;
        }
    }
    println!("{} refused, {} done", done[0], done[1]);
}

/// What a watch from the compaction on is given.
async fn compare_events(address: &str, store: &Store) {
    let from = store.compacted() + 1;
    let (ours, _) = store.events(from, b"\0", b"\0", true, usize::MAX).unwrap();
    let options = WatchOptions::new()
        .with_from_key()
        .with_prev_key()
        .with_start_revision(from);
    let mut client = Client::connect([address], None).await.unwrap();
    let mut watch = client.watch(vec![0], Some(options)).await.unwrap();
    let mut count = 0;
    while count < ours.len() {
        let response = watch.message().await.unwrap().unwrap();
        for event in response.events() {
            let ours = &ours[count];
            let kv = event.kv().unwrap();
            let our_kv = ours.kv.as_ref().unwrap();
            assert_eq!(event.event_type() == EventType::Delete, ours.r#type == 1);
            assert_eq!(kv.key(), our_kv.key);
            assert_eq!(kv.value(), our_kv.value);
            assert_eq!(kv.mod_revision(), our_kv.mod_revision);
            assert_eq!(kv.create_revision(), our_kv.create_revision);
            assert_eq!((kv.version(), kv.lease()), (our_kv.version, our_kv.lease));
            assert_eq!(
                event.prev_kv().map(|kv| (kv.mod_revision(), kv.value())),
                ours.prev_kv
                    .as_ref()
                    .map(|kv| (kv.mod_revision, &kv.value[..])),
                "{ours:?}"
            );
            count += 1;
        }
    }
}

/// Revisions near the store's own, which the generator does not know.
fn shifted(mut step: Step, store: &Store) -> Step {
    let base = store.revision().saturating_sub(45).max(0);
    match &mut step {
        Step::Range(range) if range.revision > 0 => range.revision += base,
        Step::Do(Action::Compact(compact)) if compact.revision > 0 => compact.revision += base,
        _ => {}
    }
    step
}

/// A put that keeps value or lease of a key that a deletion from a key on has taken before it in the same
/// txn: 3.4.23 panics while it applies it, and again at each start.
fn kills_etcd(txn: &PbTxnRequest) -> bool {
    let ops = ops(txn);
    let deletes = |op: &&PbTxnOpRequest| matches!(op, PbTxnOpRequest::RequestDeleteRange(d) if d.range_end == [0]);
    let keeps = |op: &&PbTxnOpRequest| matches!(op, PbTxnOpRequest::RequestPut(p) if p.ignore_value || p.ignore_lease);
    ops.iter().any(deletes) && ops.iter().any(keeps)
}

fn ops(txn: &PbTxnRequest) -> Vec<&PbTxnOpRequest> {
    let all = txn.success.iter().chain(&txn.failure);
    all.filter_map(|op| op.request.as_ref())
        .flat_map(|op| match op {
            PbTxnOpRequest::RequestTxn(txn) => ops(txn),
            op => vec![op],
        })
        .collect()
}

fn refused(refusal: squall_etcd_stub::refusal::Refusal) -> (i32, String) {
    let status = refusal.status();
    (status.code() as i32, status.message().to_owned())
}
