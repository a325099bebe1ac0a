//! The modes with a store: what each does when the store fails, is away, or is reset behind its back.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::memory::Memory;
use common::store::{FakeStore, Fate, PORT};
use common::{Service, ask, connected, start};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

const ALL: [&str; 3] = ["kvstore", "resilientkvstore", "transactionalkvstore"];
const TRANSACTIONAL: &str = "transactionalkvstore";

fn with_store(mode: &str) -> (Memory, FakeStore, Service) {
    let net = Memory::default();
    let store = FakeStore::start(&net);
    let service = start(&net, 8_080, mode, &[]);
    (net, store, service)
}

/// A port where nobody listens is refused at once.
fn without_store(mode: &str) -> Service {
    start(&Memory::default(), 8_080, mode, &[])
}

#[tokio::test(start_paused = true)]
async fn the_seeds_example_in_every_mode() {
    for mode in ALL {
        let (_, store, service) = with_store(mode);
        assert_eq!(service.transfer("a", "b", 1).await.status, 200, "{mode}");
        assert_eq!(service.transfer("b", "c", 1).await.status, 200, "{mode}");
        let clear = service.get("/api/clear").await.body;
        assert_eq!(
            clear, r#"[{"sender":"c","receiver":"a","amount":1}]"#,
            "{mode}"
        );
        let accounts = service.get("/api/accounts").await.body;
        let expected = r#"[{"holder":"a","balance":1},{"holder":"b","balance":0},{"holder":"c","balance":-1}]"#;
        assert_eq!(accounts, expected, "{mode}");
        assert_eq!(service.get("/api/reset").await.status, 200, "{mode}");
        assert!(store.state().entries.is_empty(), "{mode}");
        assert_eq!(service.transfer("a", "b", 3).await.status, 200, "{mode}");
        assert_eq!((store.balance("a"), store.sum()), (3, 0), "{mode}");
        assert_eq!(service.transfer("", "b", 3).await.status, 400, "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_store_the_endless_loop_hangs_and_goes_on_when_its_client_left() {
    let service = without_store("kvstore");
    let asked = service.transfer("a", "b", 1);
    assert!(
        timeout(Duration::from_secs(60), asked).await.is_err(),
        "it was answered"
    );
    let before = service.metric("splitdim_store_calls_total").await;
    sleep(Duration::from_secs(60)).await;
    let after = service.metric("splitdim_store_calls_total").await;
    assert!(after > before + 10_000, "{before} {after}");
    let text = service.lines.text();
    let line = r#"transfer: could not set balance for user "a": get: HTTP error: kvstore:8081: "#;
    assert!(text.contains(line), "{text}");
    assert!(text.lines().count() < 21 * 125, "{}", text.lines().count());
    assert_eq!(service.get("/healthz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn without_a_store_every_other_request_is_answered_in_time() {
    for (mode, expected) in [
        ("resilientkvstore", [503, 504]),
        (TRANSACTIONAL, [503, 503]),
    ] {
        let service = without_store(mode);
        let asked = Instant::now();
        let answer = service.transfer("a", "b", 1).await;
        assert!(expected.contains(&answer.status), "{mode}: {answer:?}");
        assert!(asked.elapsed() <= Duration::from_millis(10_010), "{mode}");
    }
    for mode in ALL {
        let service = without_store(mode);
        for path in ["/api/accounts", "/api/clear", "/api/reset"] {
            let answer = service.get(path).await;
            assert_eq!(answer.status, 503, "{mode} {path}: {answer:?}");
        }
        assert_eq!(service.get("/readyz").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_leaves_transfers_certain_or_unknown() {
    // Nothing can be sent: certainly not applied.
    let net = Memory::default();
    net.silence(PORT);
    let service = start(&net, 8_080, TRANSACTIONAL, &[]);
    let asked = Instant::now();
    let answer = service.transfer("a", "b", 1).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after"));
    assert!(asked.elapsed() <= Duration::from_millis(10_010));

    // Something was sent: unknown. What waits behind it is certain, unless the first is given up just before,
    // which happens when its last pause, drawn by chance, ends in those 20 ms.
    let mut tries = 0;
    let (store, service) = loop {
        let (_, store, service) = with_store(TRANSACTIONAL);
        store.fate(|_| Fate::CutBefore);
        let (first, second) = tokio::join!(service.transfer("a", "b", 1), async {
            sleep(Duration::from_millis(20)).await;
            service.transfer("c", "d", 1).await
        });
        tries += 1;
        match (first.status, second.status) {
            (504, 503) => break (store, service),
            (504, 504) if tries < 5 => {}
            _ => panic!("{first:?} {second:?}"),
        }
    };
    let calls = service.metric("splitdim_store_calls_total").await;
    store.fate(|_| Fate::Done);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((store.balance("a"), store.balance("c")), (0, 0));
    let more = service.metric("splitdim_store_calls_total").await - calls;
    assert!(more <= 1, "{more} calls for nobody");
    assert_eq!(service.transfer("a", "b", 1).await.status, 200);
    assert_eq!((store.balance("a"), store.sum()), (1, 0));
    assert_eq!(service.metric("splitdim_transfers_unknown_total").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_originals_statuses() {
    let env = [("DOWNSTREAM_STATUS", "400")];
    let service = start(&Memory::default(), 8_080, TRANSACTIONAL, &env);
    let answer = service.transfer("a", "b", 1).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.starts_with("Transfer request failed: "));
    assert_eq!(service.get("/api/accounts").await.status, 500);
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_into_one_transaction() {
    let (_, store, service) = with_store(TRANSACTIONAL);
    service.transfer("a", "b", 1).await;
    let transfers = (0..50).map(|n| service.transfer("a", if n % 2 == 0 { "b" } else { "c" }, 1));
    let answers = futures::future::join_all(transfers).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(
        [store.balance("a"), store.balance("b"), store.balance("c")],
        [51, -26, -25]
    );
    let calls = service.metric("splitdim_store_calls_total").await;
    assert!(calls < 10, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_does_not_fit_is_refused_alone() {
    let (_, store, service) = with_store(TRANSACTIONAL);
    assert_eq!(service.transfer("a", "b", i64::MAX).await.status, 200);
    let (over, fits, other) = tokio::join!(
        service.transfer("a", "c", 1),
        service.transfer("c", "a", 1),
        service.transfer("d", "e", 1)
    );
    assert_eq!((fits.status, other.status), (200, 200));
    assert_eq!(over.status, 422, "{over:?}");
    assert_eq!(store.balance("a"), i64::MAX - 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_does_not_take_others_with_it() {
    let (_, store, service) = with_store(TRANSACTIONAL);
    let long = "x".repeat(2_000);
    let mut transfers: Vec<_> = (0..10).map(|_| service.transfer("a", "b", 1)).collect();
    transfers.push(service.transfer(&long, "b", 1));
    transfers.extend((0..10).map(|_| service.transfer("a", "c", 1)));
    let answers = futures::future::join_all(transfers).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (refused[0].status, store.balance("a"), store.sum()),
        (503, 20, 0)
    );
    let before = service.metric("splitdim_store_calls_total").await;
    let transfers = (0..20).map(|_| service.transfer("a", "b", 1));
    futures::future::join_all(transfers).await;
    let after = service.metric("splitdim_store_calls_total").await;
    assert!(after - before < 10, "they still go alone: {before} {after}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_no_balance_refuses_its_accounts_alone() {
    let (_, store, service) = with_store(TRANSACTIONAL);
    let odd = ("a lot".to_owned(), 7);
    store.state().entries.insert("a".to_owned(), odd);
    let (bad, good) = tokio::join!(service.transfer("a", "b", 1), service.transfer("c", "d", 1));
    assert_eq!((bad.status, good.status), (503, 200), "{bad:?}");
    assert!(bad.body.contains("\"a lot\""), "{bad:?}");
    assert_eq!(service.get("/api/accounts").await.status, 502);
}

#[tokio::test(start_paused = true)]
async fn a_reset_by_another_instance_brings_no_old_balance_back() {
    let net = Memory::default();
    let store = FakeStore::start(&net);
    let instances = [1, 2].map(|n| start(&net, 8_090 + n, TRANSACTIONAL, &[]));
    for instance in &instances {
        assert_eq!(instance.transfer("a", "b", 5).await.status, 200);
        assert_eq!(instance.transfer("c", "d", 5).await.status, 200);
    }
    assert_eq!(instances[0].get("/api/reset").await.status, 200);
    assert_eq!(instances[1].transfer("a", "x", 1).await.status, 200);
    assert_eq!(instances[1].transfer("c", "d", 1).await.status, 200);
    assert_eq!(
        (store.balance("a"), store.balance("c"), store.sum()),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_say_what_it_has_is_read() {
    let (net, store, service) = with_store(TRANSACTIONAL);
    store.state().tells = false;
    store.state().lenient = true;
    let other = start(&net, 8_090, TRANSACTIONAL, &[]);
    for _ in 0..3 {
        assert_eq!(service.transfer("a b&c", "d", 1).await.status, 200);
        assert_eq!(other.transfer("a b&c", "d", 1).await.status, 200);
    }
    assert_eq!(store.sum(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_instances_on_one_pair_both_get_on() {
    let net = Memory::default();
    let store = FakeStore::start(&net);
    let instances = [1, 2].map(|n| start(&net, 8_090 + n, TRANSACTIONAL, &[]));
    let work = |service: Service| async move {
        for _ in 0..200 {
            assert_eq!(service.transfer("a", "b", 1).await.status, 200);
        }
    };
    let [first, second] = instances;
    let began = Instant::now();
    tokio::join!(work(first), work(second));
    assert_eq!((store.balance("a"), store.sum()), (400, 0));
    let each = began.elapsed() / 200;
    assert!(
        each < Duration::from_millis(50),
        "{each:?} of virtual time a transfer"
    );
}

#[tokio::test(start_paused = true)]
async fn every_third_put_fails_and_the_seeds_retries_get_through() {
    let (_, store, service) = with_store("resilientkvstore");
    let mut n = 0;
    store.fate(move |path| {
        n += usize::from(path == "/api/put");
        match path == "/api/put" && n % 3 == 0 {
            true => Fate::StatusBefore(500),
            false => Fate::Done,
        }
    });
    for _ in 0..20 {
        assert_eq!(service.transfer("a", "b", 1).await.status, 200);
    }
    assert_eq!((store.balance("a"), store.balance("b")), (20, -20));
}

#[tokio::test(start_paused = true)]
async fn a_failed_receiver_is_undone() {
    let (_, store, service) = with_store("resilientkvstore");
    store.fate(|path| match path {
        "/api/get?id=b" => Fate::StatusBefore(500),
        _ => Fate::Done,
    });
    let answer = service.transfer("a", "b", 1).await;
    assert!([503, 504].contains(&answer.status), "{answer:?}");
    sleep(Duration::from_secs(60)).await;
    assert_eq!((store.balance("a"), store.balance("b")), (0, 0));
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failed_undo_stops_all_further_transfers() {
    let (_, store, service) = with_store("resilientkvstore");
    let mut puts = 0;
    store.fate(move |path| {
        puts += usize::from(path == "/api/put");
        match puts {
            0 | 1 => Fate::Done,
            _ => Fate::StatusBefore(500),
        }
    });
    let answer = service.transfer("a", "b", 7).await;
    assert!([500, 504].contains(&answer.status), "{answer:?}");
    sleep(Duration::from_secs(120)).await;
    store.fate(|_| Fate::Done);
    let answer = service.transfer("c", "d", 1).await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("THE STORE IS INCONSISTENT"),
        "{answer:?}"
    );
    assert_eq!(service.get("/readyz").await.status, 503);
    assert_eq!(service.get("/healthz").await.status, 200);
    let text = service.lines.text();
    assert!(
        text.contains("INCONSISTENT STORE: the transfer of 7 from \"a\" to \"b\""),
        "{text}"
    );
    let clear = service.get("/api/clear").await;
    assert_eq!(clear.status, 500);
    assert!(clear.body.contains("balances sum to 7"), "{clear:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_transfers_in_progress_also_those_whose_client_left() {
    let (_, store, service) = with_store("resilientkvstore");
    let mut failing = 4;
    store.fate(move |path| {
        if path == "/api/put" && failing > 0 {
            failing -= 1;
            return Fate::StatusBefore(500);
        }
        Fate::Done
    });
    let mut stream = connected(&service.host, service.port).await.unwrap();
    let body = r#"{"sender":"a","receiver":"b","amount":1}"#;
    let length = body.len();
    let request =
        format!("POST /api/transfer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    drop(stream);
    service.stop.request();
    assert!(service.ended.await.unwrap());
    assert_eq!((store.balance("a"), store.balance("b")), (1, -1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_at_the_grace_period() {
    let net = Memory::default();
    let service = start(&net, 8_080, "kvstore", &[("SHUTDOWN_GRACE_MS", "30000")]);
    let (host, port) = (service.host.clone(), service.port);
    let body = br#"{"sender":"a","receiver":"b","amount":1}"#;
    let asked = tokio::spawn(async move { ask(&host, port, "POST", "/api/transfer", body).await });
    sleep(Duration::from_secs(1)).await;
    let told = Instant::now();
    service.stop.request();
    assert!(service.ended.await.unwrap());
    assert_eq!(told.elapsed().as_secs(), 30);
    assert_eq!(asked.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_closed_kept_connection_is_no_error() {
    let (_, store, service) = with_store("resilientkvstore");
    assert_eq!(service.transfer("a", "b", 1).await.status, 200);
    let calls = store.state().requests.len();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(service.transfer("a", "b", 1).await.status, 200);
    assert_eq!(store.state().requests.len(), calls * 2);
}
