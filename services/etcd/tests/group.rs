//! The client against members that fail as they are told to.

#![allow(clippy::unwrap_used)]

mod scripted;

use std::net::SocketAddr;
use std::time::Duration;

use scripted::{Call, Fault, Scripted, no_leader, timed_out};
use squall_etcd::client::{Compare, CompareOp, Txn, TxnOp, WatchOptions};
use squall_etcd::{Ask, Endpoints, Error, Etcd, Lease, Limits, Watch};
use squall_host::Host;
use squall_resilient::Deadline;

/// The longest that anything here may take on a busy machine.
fn patience() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn client(host: &Host, members: &[SocketAddr], limits: Limits) -> Etcd {
    let members: Vec<_> = members.iter().map(|at| format!("http://{at}")).collect();
    let endpoints: Endpoints = members.join(",").parse().unwrap();
    Etcd::new(host.net.clone(), &endpoints, limits)
}

/// A member is silent soon.
fn hasty() -> Limits {
    Limits {
        try_timeout: Duration::from_millis(150),
        ..Limits::default()
    }
}

/// A member is never silent.
fn calm() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(30),
        try_timeout: Duration::from_secs(30),
        ..Limits::default()
    }
}

async fn three(host: &Host, etcd: &Scripted) -> [SocketAddr; 3] {
    [
        etcd.member(host, 0).await.0,
        etcd.member(host, 1).await.0,
        etcd.member(host, 2).await.0,
    ]
}

/// Only the first member fails like this.
fn first(fault: Fault) -> impl FnMut(&Call) -> Fault {
    move |call| match call.member {
        0 => fault.clone(),
        _ => Fault::None,
    }
}

#[tokio::test]
async fn a_write_is_repeated_only_if_it_certainly_was_not_done() {
    let host = Host::real();
    for (fault, is_repeated) in [
        (Fault::Before(no_leader()), true),
        (Fault::Before(timed_out()), false),
        (Fault::After(timed_out()), false),
        (Fault::Silent, false),
    ] {
        let etcd = Scripted::new(first(fault.clone()));
        let limits = match fault {
            Fault::Silent => hasty(),
            _ => calm(),
        };
        let client = client(&host, &three(&host, &etcd).await, limits);
        let put = client.put("key", "1", None, patience()).await;
        assert_eq!(put.is_ok(), is_repeated, "{fault:?}: {put:?}");
        if !is_repeated {
            assert!(matches!(put, Err(Error::Unknown(_))), "{fault:?}: {put:?}");
        }
        assert_eq!(etcd.seen("put"), 1 + usize::from(is_repeated), "{fault:?}");
        // Either way the next member is preferred now.
        client.put("key", "2", None, patience()).await.unwrap();
    }
}

#[tokio::test]
async fn a_read_is_repeated_whatever_happened() {
    let host = Host::real();
    for fault in [
        Fault::Before(no_leader()),
        Fault::After(timed_out()),
        Fault::Silent,
    ] {
        let etcd = Scripted::new(first(fault.clone()));
        let client = client(&host, &three(&host, &etcd).await, hasty());
        let read = client.get("key", None, patience()).await;
        assert!(read.is_ok(), "{fault:?}: {read:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_final() {
    let host = Host::real();
    let etcd = Scripted::new(|_| Fault::None);
    let client = client(&host, &three(&host, &etcd).await, calm());
    let lease = squall_etcd::client::PutOptions::new().with_lease(7);
    let put = TxnOp::put("key", "1", Some(lease));
    let txn = Txn::new().and_then([put]);
    let refused = client.txn(&txn, Ask::Write, patience()).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(squall_etcd::lease::NOT_FOUND));
    assert_eq!(etcd.seen("txn"), 1);
}

#[tokio::test]
async fn members_that_do_not_listen_are_passed_over_and_used_when_they_do() {
    let host = Host::real();
    let any = "127.0.0.1:0".parse().unwrap();
    let closed = host.net.listen(any).unwrap().local_addr().unwrap();
    let etcd = Scripted::new(|_| Fault::None);
    let (open, dies) = etcd.member(&host, 1).await;
    let client = client(&host, &[closed, open], calm());
    client.put("key", "1", None, patience()).await.unwrap();
    dies.abort();
    etcd.serve(host.net.listen(closed).unwrap(), 0);
    // On its old connection that may be unknown; after that the other member is asked.
    let _ = client.put("key", "2", None, patience()).await;
    client.put("key", "3", None, patience()).await.unwrap();
    assert_eq!(etcd.value("key").as_deref(), Some("3"));
}

#[tokio::test]
async fn without_members_a_call_ends_with_its_deadline_and_is_not_done() {
    let host = Host::real();
    let any = "127.0.0.1:0".parse().unwrap();
    let closed = host.net.listen(any).unwrap().local_addr().unwrap();
    let client = client(&host, &[closed], calm());
    let soon = Deadline::after(Duration::from_millis(100));
    let put = client.put("key", "1", None, soon).await;
    assert!(matches!(put, Err(Error::NotDone(_))), "{put:?}");
    assert_eq!(client.calls(), 0);
}

#[tokio::test]
async fn a_watch_goes_on_elsewhere_with_nothing_twice_and_nothing_left_out() {
    let host = Host::real();
    let etcd = Scripted::new(|_| Fault::None);
    let (one, dies) = etcd.member(&host, 0).await;
    let (other, _) = etcd.member(&host, 1).await;
    let client = client(&host, &[one, other], calm());
    let put = |n: i64| {
        etcd.data(|data| {
            data.revision += 1;
            data.put(b"k", n.to_string().as_bytes(), 0, data.revision);
        })
    };
    put(0);
    let mut watch = Watch::new(&client, "k", WatchOptions::new(), 2);
    let mut seen = Vec::new();
    for n in 0..6 {
        if n == 3 {
            dies.abort();
        }
        if n > 0 {
            put(n);
        }
        let event = watch.next(patience()).await.unwrap();
        seen.push(String::from_utf8(event.kv().unwrap().value().to_vec()).unwrap());
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5"]);
    let soon = Deadline::after(Duration::from_millis(20));
    assert!(matches!(watch.next(soon).await, Err(Error::NotDone(_))));
    put(6);
    watch.next(patience()).await.unwrap();
}

#[tokio::test]
async fn a_lease_is_renewed_until_it_is_lost() {
    let host = Host::real();
    let etcd = Scripted::new(|_| Fault::None);
    let client = client(&host, &three(&host, &etcd).await, calm());
    let lease = Lease::grant(&client, 1, patience()).await.unwrap();
    until(|| etcd.seen("keep") > 1).await;
    assert!(!lease.is_lost());
    etcd.data(|data| data.revoke(lease.id()));
    until(|| lease.is_lost()).await;
    lease.revoke(patience()).await.unwrap(); // what is gone is revoked
}

#[tokio::test]
async fn a_transaction_tells_whether_its_compares_held() {
    let host = Host::real();
    let etcd = Scripted::new(|_| Fault::None);
    let client = client(&host, &three(&host, &etcd).await, calm());
    let txn = Txn::new()
        .when([Compare::mod_revision("key", CompareOp::Equal, 0)])
        .and_then([TxnOp::put("key", "1", None)]);
    for holds in [true, false] {
        let answer = client.txn(&txn, Ask::Write, patience()).await.unwrap();
        assert_eq!(answer.succeeded(), holds);
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    patience().bound(waited).await.unwrap();
}
