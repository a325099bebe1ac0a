//! The service on a real socket, with an etcd behind it that fails as it is told to.

#![allow(clippy::unwrap_used)]

#[path = "../../etcd/tests/scripted/mod.rs"]
mod scripted;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use scripted::{Call, Fault, Scripted, no_leader, timed_out};
use squall_host::{Host, Launch, Shutdown, Trigger};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tonic::Status;

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Service {
    host: Host,
    address: SocketAddr,
    stop: Trigger,
    ended: JoinHandle<bool>,
}

/// The status, and the body.
type Answer = (u16, String);

impl Service {
    async fn start(etcd: &Scripted, mode: &str, env: &[(&str, &str)]) -> Self {
        let host = Host::real();
        let mut endpoints = Vec::new();
        for at in 0..3 {
            let (address, _) = etcd.member(&host, at).await;
            endpoints.push(format!("http://{address}"));
        }
        Self::start_at(host, &endpoints.join(","), mode, env).await
    }

    async fn start_at(host: Host, endpoints: &str, mode: &str, env: &[(&str, &str)]) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let address = host.net.listen(any).unwrap().local_addr().unwrap();
        let mut launch = Launch {
            args: vec![format!("-server-addr={address}"), format!("-mode={mode}")],
            ..Launch::default()
        };
        let all = [
            ("ETCD_ENDPOINTS", endpoints),
            ("MY_POD_NAME", "pod-1"),
            ("MY_NODE_NAME", "node-1"),
            ("REQUEST_TIMEOUT_MS", "40000"),
            ("ETCD_TIMEOUT_MS", "20000"),
        ];
        for (name, value) in all.iter().chain(env) {
            launch.env.insert((*name).into(), (*value).into());
        }
        let loaded = squall_counter::load(&launch).unwrap();
        let (stop, shutdown) = Shutdown::new();
        let run = loaded.start(host.clone(), shutdown);
        let ended = tokio::spawn(async move { run.await.is_ok() });
        let service = Self {
            host,
            address,
            stop,
            ended,
        };
        until(async || service.host.net.connect(address).await.is_ok()).await;
        service
    }

    async fn get(&self, path: &str) -> Answer {
        let (head, body) = self.whole(path).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    async fn whole(&self, path: &str) -> (String, String) {
        let exchange = async {
            let mut stream = self.host.net.connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.to_lowercase(), body.to_owned())
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    /// So many increments, all at the same time.
    async fn increments(&self, n: usize) -> Vec<Answer> {
        join_all((0..n).map(|_| self.get("/increment"))).await
    }

    async fn end(self) {
        self.stop.request();
        let ended = tokio::time::timeout(PATIENCE, self.ended).await;
        assert!(ended.unwrap().unwrap());
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap();
}

fn value((status, body): &Answer) -> i64 {
    assert_eq!(*status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let content = body["content"].as_str().unwrap();
    content
        .strip_prefix("count value = ")
        .unwrap()
        .parse()
        .unwrap()
}

fn healthy() -> Scripted {
    Scripted::new(|_| Fault::None)
}

/// Only what counts fails like this.
fn counting(mut fault: impl FnMut(usize) -> Fault + Send + 'static) -> impl FnMut(&Call) -> Fault {
    let mut nth = 0;
    move |call| match call.counts {
        true => {
            nth += 1;
            fault(nth)
        }
        false => Fault::None,
    }
}

#[tokio::test]
async fn paths_bodies_and_statuses_are_the_originals() {
    let etcd = healthy();
    let service = Service::start(&etcd, "coalesced", &[]).await;
    let tail = r#""message":"Status OK","node":"node-1","pod":"pod-1"}"#;
    for (path, content) in [
        ("/static", "meaning of life = 42"),
        ("/healthz", "etcd members = 3"),
        ("/fetch", "count value = 0"),
    ] {
        let body = format!(r#"{{"content":"{content}",{tail}"#);
        assert_eq!(service.get(path).await, (200, body));
    }
    let body = r#"{"content":"count value = 1","message":"Status OK"}"#;
    assert_eq!(service.get("/increment").await, (200, body.to_owned()));
    let (head, body) = service.whole("/nothing").await;
    assert!(head.starts_with("http/1.1 404") && head.contains("text/plain"));
    assert_eq!(body, "404 page not found\n");
    assert_eq!(service.get("/livez").await.0, 200);
    let (_, metrics) = service.get("/metrics").await;
    for line in [
        "counter_increments_total{outcome=\"applied\"} 1\n",
        "counter_batches_total 1\n",
        "# TYPE counter_etcd_calls_total counter\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    service.end().await;
}

#[tokio::test]
async fn what_is_stored_is_read_as_the_original_reads_it() {
    let etcd = healthy();
    etcd.data(|data| data.put(b"key", b" 4x1\n", 0, 1));
    let service = Service::start(&etcd, "cas", &[]).await;
    assert_eq!(value(&service.get("/increment").await), 42);
    assert_eq!(etcd.value("key").as_deref(), Some("42"));
}

#[tokio::test]
async fn no_increment_is_lost_or_counted_twice_when_answers_are_lost() {
    for mode in ["cas", "coalesced", "lock"] {
        let faults = counting(|nth| match nth % 5 {
            0 | 3 => Fault::After(timed_out()),
            1 => Fault::Before(timed_out()),
            2 => Fault::Before(no_leader()),
            _ => Fault::None,
        });
        let etcd = Scripted::new(faults);
        let service = Service::start(&etcd, mode, &[]).await;
        let mut values = BTreeSet::new();
        for _ in 0..4 {
            let answers = service.increments(6).await;
            values.extend(answers.iter().map(value));
        }
        assert_eq!(values, (1..=24).collect(), "{mode}");
        assert_eq!(etcd.value("key").as_deref(), Some("24"), "{mode}");
        service.end().await;
        let left = etcd.data(|data| data.keys.len());
        assert_eq!(left, 1, "{mode} leaves keys behind");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_with_its_connection_is_found_out() {
    for mode in ["cas", "coalesced", "lock"] {
        let held = Arc::new(Semaphore::new(0));
        let gate = held.clone();
        let etcd = Scripted::new(counting(move |nth| match nth {
            1 => Fault::GateAfter(gate.clone()),
            _ => Fault::None,
        }));
        let host = Host::real();
        let (first, dies) = etcd.member(&host, 0).await;
        let (second, _) = etcd.member(&host, 1).await;
        let endpoints = format!("http://{first},http://{second}");
        let service = Service::start_at(host, &endpoints, mode, &[]).await;
        let dying = async {
            until(async || etcd.value("key").is_some()).await;
            dies.abort();
        };
        let (answer, ()) = tokio::join!(service.get("/increment"), dying);
        assert_eq!(value(&answer), 1, "{mode}");
        assert_eq!(
            etcd.data(|data| data.counted.clone()),
            [true, false],
            "{mode}"
        );
        assert_eq!(value(&service.get("/increment").await), 2, "{mode}");
    }
}

#[tokio::test]
async fn waiting_increments_share_a_transaction_in_order_of_arrival() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let etcd = Scripted::new(counting(move |_| Fault::Gate(held.clone())));
    let service = Service::start(&etcd, "coalesced", &[]).await;
    let opening = async {
        until(async || etcd.seen("txn") == 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.add_permits(9);
    };
    let (answers, ()) = tokio::join!(service.increments(20), opening);
    let values: BTreeSet<_> = answers.iter().map(value).collect();
    assert_eq!(values, (1..=20).collect());
    assert!(etcd.seen("txn") < 20, "{}", etcd.seen("txn"));
}

#[tokio::test]
async fn the_originals_way_loses_increments() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let etcd = Scripted::new(counting(move |_| Fault::Gate(held.clone())));
    let service = Service::start(&etcd, "lock-early-release", &[]).await;
    let opening = async {
        until(async || etcd.seen("put") == 2).await;
        gate.add_permits(2);
    };
    let (answers, ()) = tokio::join!(service.increments(2), opening);
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!(etcd.value("key").as_deref(), Some("1"));
}

#[tokio::test]
async fn who_has_lost_the_lock_cannot_write() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let etcd = Scripted::new(counting(move |_| Fault::Gate(held.clone())));
    let service = Service::start(&etcd, "lock", &[]).await;
    let losing = async {
        until(async || etcd.seen("txn") == 2).await;
        etcd.data(|data| assert!(data.revoke(1_001)));
        gate.add_permits(2);
    };
    let (answer, ()) = tokio::join!(service.get("/increment"), losing);
    assert_eq!(value(&answer), 1);
    assert_eq!(etcd.data(|data| data.counted.clone()), [false, true]);
}

#[tokio::test]
async fn the_lock_is_waited_for_and_given_back() {
    let etcd = healthy();
    etcd.data(|data| data.put(b"/distributed-lock//7", b"", 0, 1));
    let service = Service::start(&etcd, "lock", &[]).await;
    let releasing = async {
        until(async || etcd.seen("watch") > 0).await;
        assert_eq!(etcd.data(|data| data.counted.len()), 0);
        etcd.data(|data| {
            data.revision += 1;
            data.delete(b"/distributed-lock//7", b"", data.revision)
        });
    };
    let (answer, ()) = tokio::join!(service.get("/increment"), releasing);
    assert_eq!(value(&answer), 1);
    let locks = etcd.data(|data| data.keys.keys().filter(|k| k.starts_with(b"/dist")).count());
    assert_eq!(locks, 0);
}

#[tokio::test]
async fn who_gives_up_waiting_for_the_lock_leaves_the_line() {
    let etcd = healthy();
    etcd.data(|data| data.put(b"/distributed-lock//7", b"", 0, 1));
    let env = [("REQUEST_TIMEOUT_MS", "300"), ("ETCD_TIMEOUT_MS", "200")];
    let service = Service::start(&etcd, "lock", &env).await;
    assert_eq!(service.get("/increment").await.0, 503);
    until(async || etcd.data(|data| data.keys.len()) == 1).await;
}

#[tokio::test]
async fn the_status_says_whether_it_may_be_applied() {
    let env = [("REQUEST_TIMEOUT_MS", "400"), ("ETCD_TIMEOUT_MS", "200")];
    for mode in ["cas", "coalesced", "lock"] {
        let etcd = Scripted::new(counting(|_| Fault::Silent));
        let service = Service::start(&etcd, mode, &env).await;
        let answers = service.increments(1).await;
        assert_eq!(answers[0].0, 504, "{mode}: {}", answers[0].1);
        assert_eq!(etcd.value("key"), None);
        etcd.script(|_| Fault::Before(no_leader()));
        let (head, _) = service.whole("/increment").await;
        assert!(head.starts_with("http/1.1 503"), "{mode}: {head}");
        assert!(head.contains("retry-after: 1"), "{mode}: {head}");
        // And it recovers.
        etcd.script(|_| Fault::None);
        until(async || service.get("/increment").await.0 == 200).await;
    }
}

#[tokio::test]
async fn who_waits_behind_an_open_question_is_certainly_not_applied() {
    let etcd = Scripted::new(counting(|_| Fault::Silent));
    let env = [("REQUEST_TIMEOUT_MS", "600"), ("ETCD_TIMEOUT_MS", "200")];
    let service = Service::start(&etcd, "coalesced", &env).await;
    let second = async {
        until(async || etcd.seen("txn") > 0).await;
        // Whoever is behind is not taken before the first one's time is over.
        service.get("/increment").await
    };
    let (first, second) = tokio::join!(service.get("/increment"), second);
    assert_eq!(first.0, 504);
    assert!(second.0 == 503 || second.0 == 504, "{second:?}");
    assert_eq!(etcd.value("key"), None);
}

#[tokio::test]
async fn without_a_quorum_it_is_not_healthy_and_lives() {
    let fault = |call: &Call| match call.what {
        "read" => Fault::Before(no_leader()),
        _ => Fault::None,
    };
    let silent = |call: &Call| match call.what {
        "read" => Fault::Silent,
        _ => Fault::None,
    };
    let env = [("ETCD_TIMEOUT_MS", "200")];
    for etcd in [Scripted::new(fault), Scripted::new(silent)] {
        let service = Service::start(&etcd, "coalesced", &env).await;
        let why = "Error, Etcd is not ready or not accessible";
        assert_eq!(service.get("/healthz").await, (500, why.to_owned()));
        let why = "Error happened fetching key";
        assert_eq!(service.get("/fetch").await, (500, why.to_owned()));
        assert_eq!(service.get("/livez").await.0, 200);
        assert_eq!(service.get("/static").await.0, 200);
        // Health follows the quorum there and back.
        etcd.script(|_| Fault::None);
        until(async || service.get("/healthz").await.0 == 200).await;
        etcd.script(|_| Fault::Before(no_leader()));
        until(async || service.get("/healthz").await.0 == 500).await;
    }
}

#[tokio::test]
async fn without_any_etcd_it_lives_and_finds_it_when_it_comes() {
    let host = Host::real();
    let any = "127.0.0.1:0".parse().unwrap();
    let address = host.net.listen(any).unwrap().local_addr().unwrap();
    let env = [("ETCD_TIMEOUT_MS", "200"), ("REQUEST_TIMEOUT_MS", "300")];
    let endpoints = format!("http://{address}");
    let service = Service::start_at(host.clone(), &endpoints, "coalesced", &env).await;
    assert_eq!(service.get("/healthz").await.0, 500);
    assert_eq!(service.get("/increment").await.0, 503);
    let etcd = healthy();
    etcd.serve(host.net.listen(address).unwrap(), 0);
    until(async || service.get("/healthz").await.0 == 200).await;
    assert_eq!(value(&service.get("/increment").await), 1);
}

#[tokio::test]
async fn what_is_taken_is_answered_when_it_stops() {
    for mode in ["cas", "coalesced", "lock"] {
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let etcd = Scripted::new(counting(move |_| Fault::Gate(held.clone())));
        let service = Service::start(&etcd, mode, &[]).await;
        let stopping = async {
            until(async || etcd.data(|data| data.seen.contains_key("txn"))).await;
            service.stop.request();
            until(async || service.host.net.connect(service.address).await.is_err()).await;
            gate.add_permits(100);
        };
        let (answer, ()) = tokio::join!(service.get("/increment"), stopping);
        assert_eq!(value(&answer), 1, "{mode}");
        service.end().await;
        let left = etcd.data(|data| data.keys.keys().cloned().collect::<Vec<_>>());
        assert_eq!(left, [b"key"], "{mode}");
        assert_eq!(etcd.data(|data| data.leases.len()), 0, "{mode}");
    }
}

#[tokio::test]
async fn more_than_the_bound_are_refused_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let etcd = Scripted::new(counting(move |_| Fault::Gate(held.clone())));
    let service = Service::start(&etcd, "coalesced", &[("IN_FLIGHT_MAX", "1")]).await;
    let second = async {
        until(async || etcd.seen("txn") == 1).await;
        let (head, _) = service.whole("/increment").await;
        gate.add_permits(1);
        head
    };
    let (first, head) = tokio::join!(service.get("/increment"), second);
    assert_eq!(value(&first), 1);
    assert!(
        head.starts_with("http/1.1 503") && head.contains("retry-after"),
        "{head}"
    );
}

#[tokio::test]
async fn what_64_bits_do_not_hold_is_an_error() {
    for mode in ["cas", "coalesced", "lock", "lock-early-release"] {
        let etcd = healthy();
        let almost = (i64::MAX - 1).to_string();
        etcd.data(|data| data.put(b"key", almost.as_bytes(), 0, 1));
        let service = Service::start(&etcd, mode, &[]).await;
        assert_eq!(value(&service.get("/increment").await), i64::MAX, "{mode}");
        assert_eq!(service.get("/increment").await.0, 422, "{mode}");
        assert_eq!(etcd.value("key"), Some(i64::MAX.to_string()), "{mode}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_told_with_its_reason() {
    let full = || Status::resource_exhausted("etcdserver: mvcc: database space exceeded");
    let etcd = Scripted::new(counting(move |_| Fault::Before(full())));
    let service = Service::start(&etcd, "cas", &[]).await;
    let (status, why) = service.get("/increment").await;
    assert!(
        status == 503 && why.contains("space exceeded"),
        "{status} {why}"
    );
}

#[tokio::test]
async fn a_read_that_is_shared_began_after_each_reader_had_come() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let etcd = Scripted::new(move |call| match call.what {
        "read" => Fault::GateAfter(held.clone()),
        _ => Fault::None,
    });
    let service = Service::start(&etcd, "coalesced", &[]).await;
    let later = async {
        until(async || etcd.seen("read") == 1).await;
        // The first read has its answer. Whoever comes now must not be told that.
        etcd.data(|data| data.put(b"key", b"7", 0, data.revision));
        let opening = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            gate.add_permits(9);
        };
        tokio::join!(join_all((0..4).map(|_| service.get("/fetch"))), opening).0
    };
    let (first, others) = tokio::join!(service.get("/fetch"), later);
    assert_eq!(value(&first), 0);
    assert!(others.iter().all(|answer| value(answer) == 7), "{others:?}");
    assert!(etcd.seen("read") < 5, "{}", etcd.seen("read"));
}
