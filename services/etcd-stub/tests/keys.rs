//! `KV`, `Maintenance`, `Cluster` and `Auth` on a real socket, and plain HTTP on the same one.

#![allow(clippy::unwrap_used)]

mod wire;

use etcd_client::{
    CompactionOptions, Compare, CompareOp, ConnectOptions, DeleteOptions, GetOptions, PutOptions,
    Txn, TxnOp, TxnOpResponse,
};
use sha2::{Digest, Sha256};
use tonic::Code;
use wire::{Member, refusal, soon};

#[tokio::test]
async fn keys_are_put_read_and_deleted() {
    let member = Member::start().await;
    let mut client = member.client().await;
    let put = client.put("a", "1", None).await.unwrap();
    let header = put.header().unwrap();
    assert_eq!(header.revision(), 2);
    assert!(header.cluster_id() != 0 && header.member_id() != 0 && header.raft_term() != 0);
    let options = PutOptions::new().with_prev_key();
    let put = client.put("a", "2", Some(options)).await.unwrap();
    assert_eq!(put.prev_key().unwrap().value(), b"1");
    client.put("b", "1", None).await.unwrap();

    let options = GetOptions::new().with_prefix();
    let get = client.get("", Some(options)).await.unwrap();
    assert_eq!((get.count(), get.header().unwrap().revision()), (2, 4));
    let options = GetOptions::new().with_revision(2).with_serializable();
    let get = client.get("a", Some(options)).await.unwrap();
    assert_eq!(get.kvs()[0].value(), b"1");

    let options = DeleteOptions::new().with_prefix().with_prev_key();
    let deleted = client.delete("", Some(options)).await.unwrap();
    assert_eq!((deleted.deleted(), deleted.prev_kvs().len()), (2, 2));
    assert_eq!(deleted.header().unwrap().revision(), 5);
}

#[tokio::test]
async fn a_transaction_is_one_revision_and_a_reading_one_is_none() {
    let member = Member::start().await;
    let mut client = member.client().await;
    client.put("a", "1", None).await.unwrap();
    let txn = |value: &str| {
        Txn::new()
            .when([Compare::value("a", CompareOp::Equal, value)])
            .and_then([TxnOp::put("b", "2", None), TxnOp::put("c", "3", None)])
            .or_else([TxnOp::get("a", None)])
    };
    let done = client.txn(txn("1")).await.unwrap();
    assert!(done.succeeded());
    assert_eq!(done.header().unwrap().revision(), 3);
    let done = client.txn(txn("9")).await.unwrap();
    assert!(!done.succeeded());
    assert!(matches!(&done.op_responses()[0], TxnOpResponse::Get(get) if get.count() == 1));
    assert_eq!(done.header().unwrap().revision(), 3);
    let reading = Txn::new().and_then([TxnOp::get("b", None)]);
    let done = client.txn(reading).await.unwrap();
    assert_eq!(done.header().unwrap().revision(), 3);
    assert!(
        matches!(&done.op_responses()[0], TxnOpResponse::Get(get) if get.kvs()[0].value() == b"2")
    );
}

#[tokio::test]
async fn what_is_refused_is_refused_in_etcds_words() {
    let member = Member::start().await;
    let mut client = member.client().await;
    let wrong = |code, text: &str| (code, format!("etcdserver: {text}"));
    assert_eq!(
        refusal(client.put("", "x", None).await),
        wrong(Code::InvalidArgument, "key is not provided")
    );
    let large = vec![0; 3 * 512 * 1024 + 1];
    assert_eq!(
        refusal(client.put("large", large, None).await),
        wrong(Code::InvalidArgument, "request is too large")
    );
    let twice = [TxnOp::put("a", "1", None), TxnOp::put("a", "2", None)];
    assert_eq!(
        refusal(client.txn(Txn::new().and_then(twice)).await),
        wrong(Code::InvalidArgument, "duplicate key given in txn request")
    );
    let options = PutOptions::new().with_lease(77);
    assert_eq!(
        refusal(client.put("a", "1", Some(options)).await),
        wrong(Code::NotFound, "requested lease not found")
    );
    assert_eq!(
        refusal(client.lease_revoke(77).await),
        wrong(Code::NotFound, "requested lease not found")
    );
    for value in 0..5 {
        client.put("a", value.to_string(), None).await.unwrap();
    }
    client.compact(4, None).await.unwrap();
    let compacted = "mvcc: required revision has been compacted";
    let at = |revision| Some(GetOptions::new().with_revision(revision));
    assert_eq!(
        refusal(client.get("a", at(3)).await),
        wrong(Code::OutOfRange, compacted)
    );
    assert_eq!(client.get("a", at(4)).await.unwrap().kvs()[0].value(), b"2");
    assert_eq!(
        refusal(client.get("a", at(99)).await),
        wrong(
            Code::OutOfRange,
            "mvcc: required revision is a future revision"
        )
    );
    let physical = Some(CompactionOptions::new().with_physical());
    assert_eq!(
        refusal(client.compact(4, physical).await),
        wrong(Code::OutOfRange, compacted)
    );
    assert_eq!(
        refusal(client.move_leader(77).await),
        wrong(Code::FailedPrecondition, "bad leader transferee")
    );
    assert_eq!(
        refusal(client.member_remove(77).await),
        wrong(Code::NotFound, "member not found")
    );
    let login = ConnectOptions::new().with_user("root", "x");
    let login = etcd_client::Client::connect([member.address.to_string()], Some(login)).await;
    assert_eq!(
        refusal(login.map(drop)),
        wrong(Code::FailedPrecondition, "authentication is not enabled")
    );
    let (code, text) = refusal(client.user_list().await);
    assert_eq!(code, Code::Unimplemented);
    assert!(text.contains("UserList"), "{text}");
}

#[tokio::test]
async fn a_snapshot_is_the_store_with_a_digest_that_fits() {
    let member = Member::start().await;
    let mut client = member.client().await;
    for at in 0..100 {
        client
            .put(format!("key{at}"), vec![at; 1_000], None)
            .await
            .unwrap();
    }
    let mut stream = client.snapshot().await.unwrap();
    let mut file = Vec::new();
    let mut remaining = Vec::new();
    while let Some(part) = soon(stream.message()).await.unwrap() {
        file.extend_from_slice(part.blob());
        remaining.push(part.remaining_bytes());
    }
    assert!(
        remaining.len() > 3 && remaining.is_sorted_by(|a, b| a >= b),
        "{remaining:?}"
    );
    assert_eq!(remaining.last(), Some(&0));
    assert_eq!(file.len() % 512, 32);
    let (content, digest) = file.split_at(file.len() - 32);
    assert_eq!(Sha256::digest(content).as_slice(), digest);

    let store = squall_etcd_stub::snapshot::read(&file).unwrap();
    let hash = client.hash_kv(0).await.unwrap().hash();
    assert_eq!(store.hash_kv(0).unwrap().0, hash);
    for broken in [&file[..file.len() - 1], &file[..40]] {
        squall_etcd_stub::snapshot::read(broken).unwrap_err();
    }
    let mut flipped = file.clone();
    flipped[600] ^= 1;
    squall_etcd_stub::snapshot::read(&flipped).unwrap_err();
}

#[tokio::test]
async fn a_member_tells_how_it_is() {
    let member = Member::start().await;
    let mut client = member.client().await;
    client.put("a", "1", None).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!(status.version(), "3.4.23");
    assert_eq!(status.leader(), status.header().unwrap().member_id());
    assert!(status.raft_applied_index() > 0 && status.errors().is_empty());
    assert!(
        client
            .alarm(
                etcd_client::AlarmAction::Get,
                etcd_client::AlarmType::None,
                None,
            )
            .await
            .unwrap()
            .alarms()
            .is_empty()
    );
    let members = client.member_list().await.unwrap();
    assert_eq!(members.members().len(), 1);
    assert_eq!(members.members()[0].name(), "m1");
    assert_eq!(
        members.members()[0].client_urls(),
        [format!("http://{}", member.address)]
    );
}

#[tokio::test]
async fn plain_http_is_answered_on_the_same_socket() {
    let member = Member::start().await;
    let health = member.ask("GET /health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(
        health.ends_with("\r\n\r\n{\"health\":\"true\"}"),
        "{health}"
    );
    assert_eq!(health.matches("\r\ndate: ").count(), 1, "{health}");
    let post = member.ask("POST /health").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let version = member.ask("GET /version").await;
    assert!(version.contains("\"etcdserver\":\"3.4.23\""), "{version}");
    let metrics = member.ask("GET /metrics").await;
    assert!(
        metrics.contains("\netcd_server_has_leader 1\n"),
        "{metrics}"
    );
    let nowhere = member.ask("GET /nowhere").await;
    assert!(nowhere.starts_with("HTTP/1.1 404 "), "{nowhere}");
    // Begins as HTTP/2 does, and is not.
    let odd = member.ask("PRI /health").await;
    assert!(odd.starts_with("HTTP/1.1 405 "), "{odd}");
}

#[tokio::test]
async fn a_member_without_a_leader_says_so() {
    let member = Member::start_of(&["m2", "m3"]).await;
    let health = member.ask("GET /health").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(health.ends_with("{\"health\":\"false\"}\n"), "{health}");
    let metrics = member.ask("GET /metrics").await;
    assert!(
        metrics.contains("\netcd_server_has_leader 0\n"),
        "{metrics}"
    );
    let no_leader = (Code::Unavailable, "etcdserver: no leader".to_owned());
    let mut client = member.client().await;
    assert_eq!(
        client.status().await.unwrap().errors(),
        std::slice::from_ref(&no_leader.1)
    );
    let local = Some(GetOptions::new().with_serializable());
    assert_eq!(client.get("a", local.clone()).await.unwrap().count(), 0);
    // Who wants a leader is refused at once, and a stream that has begun without one ends.
    let options = ConnectOptions::new().with_require_leader(true);
    let mut client = member.client_with(options).await;
    assert_eq!(refusal(client.get("a", local).await), no_leader);
    assert_eq!(refusal(client.watch("a", None).await.map(drop)), no_leader);
}
