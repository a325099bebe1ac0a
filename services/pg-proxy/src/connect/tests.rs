//! Timelines of failing connections, in virtual time.
//!
//! The figures with `EHOSTUNREACH` after about three seconds were seen with HAProxy 2.6.12 against
//! an address that nobody has in a network namespace (differential/unreachable.py).

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::check::status::{CheckStatus, Outcome};
use crate::testing;

/// How an address answers to an attempt.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Accepts,
    RefusesOnTheSpot,
    FailsAfter(u64),
    Silent,
}

/// A network of two servers, `10.0.0.1` and `10.0.0.2`, that notes attempts: second and server.
struct Fake {
    answers: BTreeMap<u8, Answer>,
    begun: Instant,
    attempts: Mutex<Vec<(u64, u8)>>,
}

impl Fake {
    fn new(answers: &[(u8, Answer)]) -> Self {
        Self {
            answers: answers.iter().copied().collect(),
            begun: Instant::now(),
            attempts: Mutex::default(),
        }
    }

    fn attempts(&self) -> Vec<(u64, u8)> {
        self.attempts.lock().unwrap().clone()
    }
}

impl Dial for Fake {
    type Stream = u8;

    async fn dial(&self, to: SocketAddr) -> io::Result<u8> {
        let IpAddr::V4(ip) = to.ip() else {
            unreachable!()
        };
        let server = ip.octets()[3];
        let second = self.begun.elapsed().as_secs();
        self.attempts.lock().unwrap().push((second, server));
        match self.answers[&server] {
            Answer::Accepts => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(server)
            }
            Answer::RefusesOnTheSpot => Err(io::ErrorKind::ConnectionRefused.into()),
            Answer::FailsAfter(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Err(io::ErrorKind::HostUnreachable.into())
            }
            Answer::Silent => std::future::pending().await,
        }
    }
}

/// A client that stays, or leaves after a time.
struct Patience(Option<Pin<Box<Sleep>>>);

impl Client for Patience {
    fn poll_gone(&mut self, _: bool, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 100));
/// The client whose hash is the first of two servers.
const CLIENT_OF_THE_FIRST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 100));

fn backend(lines: &str, servers: usize) -> Arc<Backend> {
    let mut text = format!("backend db\n timeout connect 10s\n {lines}\n");
    for server in 1..=servers {
        text.push_str(&format!(" server s{server} 10.0.0.{server}:5432 check\n"));
    }
    testing::backend(&text).0
}

struct Seen {
    attempts: Vec<(u64, u8)>,
    served_by: Option<u8>,
    seconds: u64,
    journey: Journey,
}

async fn run(backend: &Arc<Backend>, answers: &[(u8, Answer)]) -> Seen {
    let fake = Fake::new(answers);
    let begun = Instant::now();
    let mut journey = Journey::default();
    let client = CLIENT_OF_THE_FIRST;
    let connected = connect(
        backend,
        &fake,
        &mut Patience(None),
        client,
        begun,
        &mut journey,
    )
    .await;
    Seen {
        attempts: fake.attempts(),
        served_by: connected.map(|connected| connected.stream),
        seconds: begun.elapsed().as_secs(),
        journey,
    }
}

fn mark_down(backend: &Backend, index: usize) {
    backend.check_begins(index);
    backend.check_ends(
        index,
        Outcome {
            status: CheckStatus::Layer4Timeout,
            code: 0,
            info: String::new(),
            duration: Duration::from_millis(2_003),
        },
    );
}

// stream_choose_redispatch (include/haproxy/stream.h): with more than one active server and an
// algorithm that is no hash, every retry goes elsewhere; back_handle_st_cer then makes no pause.
#[tokio::test(start_paused = true)]
async fn round_robin_with_redispatch_goes_elsewhere_at_once() {
    let backend = backend("option redispatch", 2);
    let seen = run(
        &backend,
        &[(1, Answer::FailsAfter(3)), (2, Answer::Accepts)],
    )
    .await;
    assert_eq!(seen.attempts, [(0, 1), (3, 2)]);
    assert_eq!((seen.served_by, seen.seconds), (Some(2), 3));
    assert_eq!((seen.journey.retries, seen.journey.redispatched), (1, true));
    assert!(seen.journey.termination.is_normal());
}

// The hash chooses the same server again, on the last retry too, as long as it counts as up
// (map_get_server_hash knows no server to avoid); every retry to the same server waits a second,
// the last one, a redispatch in name, does not: 3 + 1 + 3 + 1 + 3 + 3 s.
#[tokio::test(start_paused = true)]
async fn a_hash_stays_with_an_unreachable_server_that_counts_as_up() {
    let backend = backend("option redispatch\n balance source", 2);
    let seen = run(
        &backend,
        &[(1, Answer::FailsAfter(3)), (2, Answer::Accepts)],
    )
    .await;
    assert_eq!(seen.attempts, [(0, 1), (4, 1), (8, 1), (11, 1)]);
    assert_eq!((seen.served_by, seen.seconds), (None, 14));
    assert_eq!(
        (seen.journey.retries, seen.journey.redispatched),
        (3, false)
    );
}

// Silence ends with `timeout connect`; a time-out is followed by no pause (must_tar is only set by
// an error of the connection, back_handle_st_cer).
#[tokio::test(start_paused = true)]
async fn silence_costs_the_connect_timeout_and_no_pause() {
    let backend = backend("option redispatch", 2);
    let seen = run(&backend, &[(1, Answer::Silent), (2, Answer::Accepts)]).await;
    assert_eq!(seen.attempts, [(0, 1), (10, 2)]);
    assert_eq!((seen.served_by, seen.seconds), (Some(2), 10));
}

// A server that is down is left at the next retry, whatever the algorithm; with one active server
// left there is a pause before it, even though it goes elsewhere (srv_act <= 1).
#[tokio::test(start_paused = true)]
async fn a_server_that_went_down_meanwhile_is_left_after_a_pause() {
    let backend = backend("option redispatch\n balance source", 2);
    let marking = {
        let backend = backend.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            mark_down(&backend, 0);
            std::future::pending::<()>().await
        }
    };
    let answers = [(1, Answer::FailsAfter(3)), (2, Answer::Accepts)];
    let seen = tokio::select! {
        seen = run(&backend, &answers) => seen,
        () = marking => unreachable!("it waits for ever"),
    };
    assert_eq!(seen.attempts, [(0, 1), (4, 2)]);
    assert_eq!((seen.journey.retries, seen.journey.redispatched), (1, true));
}

// Without the option a session stays with its server, down or not: four attempts with pauses.
#[tokio::test(start_paused = true)]
async fn without_redispatch_all_attempts_go_to_the_same_server() {
    let backend = backend("", 2);
    let seen = run(
        &backend,
        &[(1, Answer::FailsAfter(3)), (2, Answer::Accepts)],
    )
    .await;
    assert_eq!(seen.attempts, [(0, 1), (4, 1), (8, 1), (12, 1)]);
    assert_eq!((seen.served_by, seen.seconds), (None, 15));
    assert_eq!(seen.journey.termination.to_string(), "SC");
    assert_eq!(
        (seen.journey.retries, seen.journey.redispatched),
        (3, false)
    );
}

// connect_server: an error of the call itself is retried at once (back_try_conn_req).
#[tokio::test(start_paused = true)]
async fn a_refusal_on_the_spot_is_retried_without_a_pause() {
    let backend = backend("", 1);
    let seen = run(&backend, &[(1, Answer::RefusesOnTheSpot)]).await;
    assert_eq!(seen.attempts, [(0, 1); 4]);
    assert_eq!(seen.seconds, 0);
    assert_eq!(seen.journey.termination.to_string(), "SC");
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_no_longer_than_the_connect_timeout() {
    let text = "backend db\n timeout connect 200ms\n retries 1\n server s1 10.0.0.1:5432\n";
    let backend = testing::backend(text).0;
    let begun = Instant::now();
    let seen = run(&backend, &[(1, Answer::FailsAfter(0))]).await;
    assert_eq!(seen.attempts.len(), 2);
    assert!(
        begun.elapsed() < Duration::from_millis(250),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn all_silent_servers_end_in_a_timeout() {
    let backend = backend("retries 1", 1);
    let seen = run(&backend, &[(1, Answer::Silent)]).await;
    assert_eq!(seen.attempts, [(0, 1), (10, 1)]);
    assert_eq!(seen.journey.termination.to_string(), "sC");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_attempt() {
    let backend = backend("", 1);
    let fake = Fake::new(&[(1, Answer::Silent)]);
    let begun = Instant::now();
    let mut journey = Journey::default();
    let mut client = Patience(Some(Box::pin(tokio::time::sleep(Duration::from_secs(4)))));
    let connected = connect(&backend, &fake, &mut client, CLIENT, begun, &mut journey).await;
    assert!(connected.is_none());
    assert_eq!(journey.termination.to_string(), "CC");
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!(backend.lock().slots[0].served, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_server_makes_sessions_wait_in_line() {
    let text = "backend db\n timeout queue 5s\n server s1 10.0.0.1:5432 maxconn 1\n";
    let backend = testing::backend(text).0;
    let fake = Arc::new(Fake::new(&[(1, Answer::Accepts)]));
    let go = |backend: Arc<Backend>, fake: Arc<Fake>, hold: u64| {
        tokio::spawn(async move {
            let mut journey = Journey::default();
            let begun = Instant::now();
            let mut client = Patience(None);
            let got = connect(&backend, &*fake, &mut client, CLIENT, begun, &mut journey).await;
            tokio::time::sleep(Duration::from_secs(hold)).await;
            (got.is_some(), journey)
        })
    };
    let first = go(backend.clone(), fake.clone(), 2);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = go(backend.clone(), fake.clone(), 100);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let third = go(backend.clone(), fake.clone(), 0);

    assert!(first.await.unwrap().0);
    let (got, journey) = third.await.unwrap();
    assert!(!got);
    assert_eq!(journey.termination.to_string(), "sQ");
    assert_eq!(journey.backend_queue, 2);
    let (got, journey) = second.await.unwrap();
    assert!(got);
    assert_eq!(journey.queued.unwrap().as_secs(), 1);
    let inner = backend.lock();
    assert_eq!((inner.slots[0].served, inner.queue.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_up_is_an_end_at_once() {
    let backend = backend("", 1);
    mark_down(&backend, 0);
    let seen = run(&backend, &[(1, Answer::Accepts)]).await;
    assert!(seen.attempts.is_empty());
    assert_eq!(seen.journey.termination.to_string(), "SC");
    assert_eq!((seen.journey.server, seen.journey.queued), (None, None));
}

#[test]
fn the_last_retry_and_every_nth_are_due() {
    let due = |interval| {
        (1..=6)
            .filter(|retry| is_due(interval, *retry, 6))
            .collect::<Vec<_>>()
    };
    assert_eq!(due(-1), [6]);
    assert_eq!(due(1), [1, 2, 3, 4, 5, 6]);
    assert_eq!(due(3), [3, 6]);
    assert_eq!(due(-6), [1, 2, 3, 4, 5, 6]);
}
