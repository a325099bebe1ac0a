use super::*;
use crate::check::schedule::{self, Probe};
use crate::check::status::{CheckStatus, Outcome};
use crate::testing;

/// Answers from a script, once a check.
struct Script {
    results: std::collections::VecDeque<bool>,
    begun: Instant,
    at_ms: Arc<Mutex<Vec<u128>>>,
}

impl Probe for Script {
    async fn probe(&mut self, _: SocketAddr) -> Outcome {
        self.at_ms
            .lock()
            .unwrap()
            .push(self.begun.elapsed().as_millis());
        let Some(passed) = self.results.pop_front() else {
            return std::future::pending().await;
        };
        let (status, duration) = match passed {
            true => (CheckStatus::Layer4Ok, Duration::from_millis(1)),
            false => (CheckStatus::Layer4Timeout, Duration::from_millis(2_000)),
        };
        tokio::time::sleep(duration).await;
        Outcome {
            status,
            code: 0,
            info: String::new(),
            duration,
        }
    }
}

/// Plays `results` and returns when each check began, and the log.
async fn play(options: &str, results: &[bool]) -> (Vec<u128>, Vec<String>) {
    let text = format!(
        "backend postgres_back\n log global\n server slave1 10.0.0.1:5432\n \
         server slave2 10.0.0.2:5432 check {options}\n"
    );
    let (backend, lines) = testing::backend(&text);
    let at_ms = Arc::default();
    let script = Script {
        results: results.iter().copied().collect(),
        begun: Instant::now(),
        at_ms: Arc::clone(&at_ms),
    };
    let checks = schedule::run(backend, 1, Duration::ZERO, script);
    let _ = tokio::time::timeout(Duration::from_secs(600), checks).await;
    let at_ms = at_ms.lock().unwrap().clone();
    (at_ms, lines.log())
}

#[tokio::test(start_paused = true)]
async fn three_timeouts_take_a_server_down_in_haproxys_words() {
    let (at_ms, log) = play("", &[true, false, false, false]).await;
    assert_eq!(at_ms, [0, 2_001, 6_001, 10_001, 14_001]);
    assert_eq!(
        log,
        [
            "Server postgres_back/slave2 is DOWN, reason: Layer4 timeout, check duration: 2000ms. \
          1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue."
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn checks_are_fast_on_the_way_and_slow_when_down() {
    let options = "inter 3s fastinter 1s downinter 5s fall 2 rise 2";
    let (at_ms, log) = play(options, &[true, false, false, false, true, true]).await;
    // First result: settled up. Then on the way down, down, down, on the way up, up.
    assert_eq!(at_ms, [0, 3_001, 6_001, 13_001, 20_001, 21_002, 24_003]);
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!(
        log[1],
        "Server postgres_back/slave2 is UP, reason: Layer4 check passed, check duration: 1ms. \
         2 active and 0 backup servers online. 0 sessions requeued, 0 total in queue."
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_server_down_is_said() {
    let (backend, lines) =
        testing::backend("backend b\n log global\n server s 10.0.0.1:1 check backup\n");
    let _ = backend.check_begins(0);
    let outcome = Outcome {
        status: CheckStatus::Layer7Response,
        code: 0,
        info: "a \"b\"\n<c>".to_owned(),
        duration: Duration::ZERO,
    };
    backend.check_ends(0, outcome);
    assert_eq!(
        lines.log(),
        [
            "Backup Server b/s is DOWN, reason: Layer7 invalid response, \
             info: \"a <22>b<22><0A><3C>c<3E>\", check duration: 0ms. 0 active and 0 backup \
             servers left. 0 sessions active, 0 requeued, 0 remaining in queue.",
            "backend b has no server available!",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_grows_weight_by_weight() {
    let (backend, _) = testing::backend(
        "backend b\n server s 10.0.0.1:1 check rise 1 slowstart 10s maxconn 100\n",
    );
    let outcome = |status| Outcome {
        status,
        code: 0,
        info: String::new(),
        duration: Duration::ZERO,
    };
    let _ = backend.check_begins(0);
    backend.check_ends(0, outcome(CheckStatus::Layer4Connection));
    backend.check_ends(0, outcome(CheckStatus::Layer4Ok));
    let slot = || backend.lock().slots[0].clone();
    assert_eq!((slot().effective, slot().room), (1, Some(1)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(backend.warm_up());
    assert_eq!((slot().effective, slot().room), (9, Some(51)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!backend.warm_up());
    assert_eq!((slot().effective, slot().room), (16, Some(100)));
}

#[tokio::test(start_paused = true)]
async fn names_come_and_go() {
    let (backend, lines) =
        testing::backend("backend b\n log global\n server s db:5432\n server t 10.0.0.1:1\n");
    backend.start_unresolved(0);
    assert_eq!(backend.lock().usable_counts(), (1, 0));
    assert_eq!(backend.lock().servers[0].counters.downs, 1);
    backend.set_address(0, Some([10, 0, 0, 3].into()), "", "k8s/ns");
    backend.set_address(0, Some([10, 0, 0, 3].into()), "", "k8s/ns");
    assert_eq!(backend.lock().usable_counts(), (2, 0));
    backend.set_address(0, None, "No IP for server ", "");
    backend.set_address(0, None, "No IP for server ", "");
    assert_eq!(
        lines.log(),
        [
            "b/s changed its IP from (none) to 10.0.0.3 by k8s/ns.",
            "Server b/s ('db') is UP/READY (resolves again).",
            "Server b/s administratively READY thanks to valid DNS answer.",
            "Server b/s is going DOWN for maintenance (No IP for server ). 1 active and 0 backup \
             servers left. 0 sessions active, 0 requeued, 0 remaining in queue.",
        ]
    );
}

#[tokio::test]
async fn a_queued_session_that_leaves_gives_its_place_back() {
    let (backend, _) = testing::backend("backend b\n server s 10.0.0.1:1 maxconn 1\n");
    let client = IpAddr::from([10, 0, 0, 9]);
    let Assigned::Place(first) = backend.assign(None, client) else {
        panic!("the first has room");
    };
    let Assigned::Queued(second) = backend.assign(None, client) else {
        panic!("the second waits");
    };
    // Granted, but never taken up.
    drop(first);
    assert_eq!(backend.lock().slots[0].served, 1);
    drop(second);
    assert_eq!(backend.lock().slots[0].served, 0);
    assert!(matches!(backend.assign(None, client), Assigned::Place(_)));
}
