//! `Watch`, `Lease`, `Lock` and `Election` on a real socket.

#![allow(clippy::unwrap_used)]

mod wire;

use std::time::Duration;

use etcd_client::{
    Client, ConnectOptions, EventType, GetOptions, LeaseTimeToLiveOptions, LockOptions,
    ProclaimOptions, PutOptions, ResignOptions, WatchFilterType, WatchOptions, WatchResponse,
    WatchStream,
};
use tonic::Code;
use wire::{Member, refusal, soon};

/// Type, key, value, revision of each event.
fn events(response: &WatchResponse) -> Vec<(EventType, String, String, i64)> {
    let events = response.events().iter().map(|event| {
        let kv = event.kv().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (
            event.event_type(),
            text(kv.key()),
            text(kv.value()),
            kv.mod_revision(),
        )
    });
    events.collect()
}

async fn next(stream: &mut WatchStream) -> WatchResponse {
    soon(stream.message()).await.unwrap().unwrap()
}

/// What it is told until it has `count` events of a watch.
async fn collect(stream: &mut WatchStream, count: usize) -> Vec<(EventType, String, String, i64)> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(events(&next(stream).await));
    }
    all
}

async fn put(client: &mut Client, key: &str, value: &str) {
    client.put(key, value, None).await.unwrap();
}

#[tokio::test]
async fn a_watch_tells_the_past_and_then_what_happens() {
    let member = Member::start().await;
    let mut client = member.client().await;
    put(&mut client, "a", "1").await;
    put(&mut client, "b", "1").await;
    put(&mut client, "a", "2").await;
    let options = WatchOptions::new().with_start_revision(2).with_prev_key();
    let mut stream = client.watch("a", Some(options)).await.unwrap();
    let created = next(&mut stream).await;
    assert!(created.created() && created.events().is_empty());
    let past = collect(&mut stream, 2).await;
    let put_of = |value: &str, at| (EventType::Put, "a".to_owned(), value.to_owned(), at);
    assert_eq!(past, [put_of("1", 2), put_of("2", 4)]);
    client.delete("a", None).await.unwrap();
    let deleted = next(&mut stream).await;
    assert_eq!(deleted.header().unwrap().revision(), 5);
    let deletion = (EventType::Delete, "a".to_owned(), String::new(), 5);
    assert_eq!(events(&deleted), [deletion]);
    assert_eq!(deleted.events()[0].prev_kv().unwrap().value(), b"2");
    put(&mut client, "b", "2").await;
    put(&mut client, "a", "3").await;
    assert_eq!(events(&next(&mut stream).await), [put_of("3", 7)]);
}

#[tokio::test]
async fn a_watch_is_filtered_cancelled_and_numbered() {
    let member = Member::start().await;
    let mut client = member.client().await;
    let options = WatchOptions::new()
        .with_prefix()
        .with_filters([WatchFilterType::NoPut]);
    let mut stream = client.watch("", Some(options)).await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), 0);
    let chosen = || {
        WatchOptions::new()
            .with_watch_id(7)
            .with_filters([WatchFilterType::NoDelete])
    };
    stream.watch("a", Some(chosen())).await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), 7);
    stream.watch("a", Some(chosen())).await.unwrap();
    let twice = next(&mut stream).await;
    assert!(twice.created() && twice.canceled() && twice.watch_id() == -1);
    assert_eq!(
        twice.cancel_reason(),
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
    let empty = WatchOptions::new().with_range("a");
    stream.watch("z", Some(empty)).await.unwrap();
    assert_eq!(
        next(&mut stream).await.cancel_reason(),
        "mvcc: watcher range is empty"
    );

    put(&mut client, "a", "1").await;
    client.delete("a", None).await.unwrap();
    let (first, second) = (next(&mut stream).await, next(&mut stream).await);
    assert_eq!((first.watch_id(), second.watch_id()), (7, 0));
    assert_eq!(first.events()[0].event_type(), EventType::Put);
    assert_eq!(second.events()[0].event_type(), EventType::Delete);

    stream.cancel(7).await.unwrap();
    let cancelled = next(&mut stream).await;
    assert!(cancelled.canceled() && cancelled.watch_id() == 7);
    put(&mut client, "a", "2").await;
    stream.request_progress().await.unwrap();
    let progress = next(&mut stream).await;
    assert!(progress.events().is_empty(), "{progress:?}");
    assert_eq!(
        (progress.watch_id(), progress.header().unwrap().revision()),
        (-1, 4)
    );
}

#[tokio::test]
async fn a_watch_from_a_compacted_revision_is_cancelled() {
    let member = Member::start().await;
    let mut client = member.client().await;
    for value in 0..5 {
        put(&mut client, "a", &value.to_string()).await;
    }
    client.compact(4, None).await.unwrap();
    let from = |revision| Some(WatchOptions::new().with_start_revision(revision));
    let mut stream = client.watch("a", from(3)).await.unwrap();
    assert!(next(&mut stream).await.created());
    let cancelled = next(&mut stream).await;
    assert!(cancelled.canceled());
    assert_eq!(cancelled.compact_revision(), 4);
    stream.watch("a", from(4)).await.unwrap();
    assert!(next(&mut stream).await.created());
    assert_eq!(collect(&mut stream, 3).await.len(), 3);
}

#[tokio::test]
async fn many_watches_of_a_slow_client_get_everything_in_order() {
    let member = Member::start().await;
    let mut client = member.client().await;
    let mut stream = client.watch("none", None).await.unwrap();
    for at in 0..20 {
        let options = WatchOptions::new().with_prefix().with_fragment();
        stream
            .watch(format!("{}", at % 4), Some(options))
            .await
            .unwrap();
    }
    for _ in 0..21 {
        assert!(next(&mut stream).await.created());
    }
    // Some 8 MB for each watch of the four kinds, of which the client takes nothing meanwhile.
    let value = "v".repeat(20_000);
    for at in 0..400 {
        put(&mut client, &format!("{}/{at}", at % 4), &value).await;
    }
    let mut seen = vec![Vec::new(); 21];
    while seen.iter().map(Vec::len).sum::<usize>() < 20 * 100 {
        let response = next(&mut stream).await;
        let of = &mut seen[response.watch_id() as usize];
        of.extend(events(&response).into_iter().map(|(.., at)| at));
    }
    for (id, revisions) in seen.iter().enumerate().skip(1) {
        let kind = (id as i64 - 1) % 4;
        let expected: Vec<i64> = (0..100).map(|at| 2 + kind + 4 * at).collect();
        assert_eq!(*revisions, expected, "watch {id}");
    }
}

#[tokio::test]
async fn a_lease_lives_as_long_as_it_is_kept_alive() {
    let member = Member::start().await;
    let mut client = member.client().await;
    let granted = client.lease_grant(1, None).await.unwrap();
    assert_eq!(granted.ttl(), 2); // etcd's shortest, of an election timeout of 1 s
    let lease = client.lease_grant(600, None).await.unwrap().id();
    let on = |lease| Some(PutOptions::new().with_lease(lease));
    client.put("long", "1", on(lease)).await.unwrap();
    client.put("short", "1", on(granted.id())).await.unwrap();

    let (mut keeper, mut answers) = client.lease_keep_alive(lease).await.unwrap();
    keeper.keep_alive().await.unwrap();
    assert_eq!(soon(answers.message()).await.unwrap().unwrap().ttl(), 600);
    let keys = LeaseTimeToLiveOptions::new().with_keys();
    let time = client.lease_time_to_live(lease, Some(keys)).await.unwrap();
    assert_eq!(time.granted_ttl(), 600);
    assert!((1..=600).contains(&time.ttl()));
    assert_eq!(time.keys(), [b"long"]);
    assert_eq!(client.lease_time_to_live(77, None).await.unwrap().ttl(), -1);

    // The short one runs out, and its key with it.
    let options = WatchOptions::new().with_start_revision(2);
    let mut stream = client.watch("short", Some(options)).await.unwrap();
    assert_eq!(collect(&mut stream, 2).await[1].0, EventType::Delete);
    assert_eq!(client.leases().await.unwrap().leases().len(), 1);
    client.lease_revoke(lease).await.unwrap();
    assert_eq!(client.get("long", None).await.unwrap().count(), 0);
    keeper.keep_alive().await.unwrap();
    assert_eq!(soon(answers.message()).await.unwrap().unwrap().ttl(), 0);
}

#[tokio::test]
async fn a_lock_is_handed_over_in_order() {
    let member = Member::start().await;
    let mut first = member.client().await;
    let key = first.lock("l", None).await.unwrap().key().to_vec();
    assert!(key.starts_with(b"l/"), "{key:?}");
    let lease = first.lease_grant(60, None).await.unwrap().id();
    let mut second = member.client().await;
    let waiting = tokio::spawn(async move {
        let options = LockOptions::new().with_lease(lease);
        second
            .lock("l", Some(options))
            .await
            .unwrap()
            .key()
            .to_vec()
    });
    let options = || Some(GetOptions::new().with_prefix());
    let queued = async {
        while first.get("l/", options()).await.unwrap().count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(queued).await;
    assert!(!waiting.is_finished());
    first.unlock(key).await.unwrap();
    let key = soon(waiting).await.unwrap();
    assert_eq!(key, format!("l/{lease:x}").into_bytes());
    // A session has what it has: the same lease locks again at once.
    let options = LockOptions::new().with_lease(lease);
    assert_eq!(
        soon(first.lock("l", Some(options))).await.unwrap().key(),
        key
    );
    // With its lease it loses it.
    first.lease_revoke(lease).await.unwrap();
    soon(first.lock("l", None)).await.unwrap();
}

#[tokio::test]
async fn who_goes_away_while_waiting_for_a_lock_leaves_no_key() {
    let member = Member::start().await;
    let mut holder = member.client().await;
    holder.lock("l", None).await.unwrap();
    let mut waiter = member.client().await;
    let waiting = tokio::spawn(async move { waiter.lock("l", None).await.map(drop) });
    let keys = async |client: &mut Client| {
        let options = GetOptions::new().with_prefix();
        client.get("l/", Some(options)).await.unwrap().count()
    };
    let until = async |client: &mut Client, count| {
        while keys(client).await != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(until(&mut holder, 2)).await;
    waiting.abort();
    soon(until(&mut holder, 1)).await;
}

#[tokio::test]
async fn an_election_is_won_observed_and_resigned() {
    let member = Member::start().await;
    let mut client = member.client().await;
    assert_eq!(
        refusal(client.leader("e").await),
        (Code::Unknown, "election: no leader".to_owned())
    );
    let mut observed = client.observe("e").await.unwrap();
    let (one, two) = (
        client.lease_grant(60, None).await.unwrap().id(),
        client.lease_grant(60, None).await.unwrap().id(),
    );
    let won = client.campaign("e", "one", one).await.unwrap();
    let leader = won.leader().unwrap().clone();
    assert_eq!(leader.key(), format!("e/{one:x}").as_bytes());
    let mut other = member.client().await;
    let campaign = tokio::spawn(async move { other.campaign("e", "two", two).await.unwrap() });
    let mut seen = async || {
        let response = soon(observed.message()).await.unwrap().unwrap();
        String::from_utf8(response.kv().unwrap().value().to_vec()).unwrap()
    };
    assert_eq!(seen().await, "one");
    let proclaim = ProclaimOptions::new().with_leader(leader.clone());
    client
        .proclaim("uno", Some(proclaim.clone()))
        .await
        .unwrap();
    assert_eq!(seen().await, "uno");
    assert_eq!(
        client.leader("e").await.unwrap().kv().unwrap().value(),
        b"uno"
    );
    assert!(!campaign.is_finished());
    let resign = ResignOptions::new().with_leader(leader);
    client.resign(Some(resign)).await.unwrap();
    assert_eq!(soon(campaign).await.unwrap().leader().unwrap().lease(), two);
    assert_eq!(seen().await, "two");
    assert_eq!(
        refusal(client.proclaim("late", Some(proclaim)).await),
        (Code::Unknown, "election: not leader".to_owned())
    );
}

#[tokio::test]
async fn streams_and_waits_end_when_the_member_stops() {
    let member = Member::start().await;
    let options = || ConnectOptions::new().with_require_leader(true);
    let mut client = member.client_with(options()).await;
    let mut stream = client.watch("a", None).await.unwrap();
    assert!(next(&mut stream).await.created());
    client.lock("l", None).await.unwrap();
    let mut waiter = member.client_with(options()).await;
    let waiting = tokio::spawn(async move { waiter.lock("l", None).await });
    let queued = async {
        let options = || Some(GetOptions::new().with_prefix());
        while client.get("l/", options()).await.unwrap().count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(queued).await;
    member.stop();
    let stopped = (Code::Unavailable, "etcdserver: server stopped".to_owned());
    assert_eq!(refusal(soon(stream.message()).await), stopped);
    assert_eq!(refusal(soon(waiting).await.unwrap()), stopped);
    member.stopped().await;
}
