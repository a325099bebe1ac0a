//! The client against a real HTTP server on this machine.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use squall_host::{Host, Shutdown};
use squall_record::{Failure, Outcome, Sample};
use squall_scenario::client;
use squall_scenario::file::{Pace, Scenario};
use squall_scenario::recorder::Recorder;
use squall_scenario::timeline::{Stretch, Turn};

/// A server, and how many connections it has seen.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let host = Host::real();
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = connections.clone();
    let peers = Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let app = Router::new()
        .route(
            "/data",
            get(
                move |ConnectInfo(peer): ConnectInfo<Peer>, headers: HeaderMap| async move {
                    assert_eq!(headers["user-agent"], "squall");
                    if peers.lock().unwrap().insert(peer.0) {
                        seen.fetch_add(1, Ordering::SeqCst);
                    }
                    (
                        [("x-upstream", "10.0.0.9:80, 10.0.0.2:5000")],
                        r#"{"backend_id":"backend1","db":[{"ip":"10.0.0.1"}]}"#,
                    )
                },
            ),
        )
        .route(
            "/slow",
            get(|| async { tokio::time::sleep(Duration::from_secs(600)).await }),
        )
        .route("/huge", get(|| async { vec![b'x'; 2 << 20] }))
        .route(
            "/echo",
            post(|headers: HeaderMap, body: String| async move {
                let fits = body == "hello"
                    && headers["x-a"] == "b"
                    && headers["host"].to_str().unwrap().starts_with("127.0.0.1:");
                if fits {
                    axum::http::StatusCode::CREATED
                } else {
                    axum::http::StatusCode::BAD_REQUEST
                }
            }),
        );
    tokio::spawn(async move {
        let app = app.into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, app).await.unwrap();
    });
    (address, connections)
}

#[derive(Clone, Copy)]
struct Peer(SocketAddr);

impl
    axum::extract::connect_info::Connected<
        axum::serve::IncomingStream<'_, squall_host::net::TcpListener>,
    > for Peer
{
    fn connect_info(
        stream: axum::serve::IncomingStream<'_, squall_host::net::TcpListener>,
    ) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Plays a client that is declared so, for a tenth of a second, to the end.
async fn play(fields: &str) -> Vec<Sample> {
    play_turn(fields, |pace| {
        Turn::Stretches(vec![Stretch {
            from: Duration::ZERO,
            to: Duration::from_millis(100),
            pace,
        }])
    })
    .await
}

/// Plays a client that is declared so, for its turn.
async fn play_turn(fields: &str, turn: impl FnOnce(Pace) -> Turn) -> Vec<Sample> {
    let text = format!(
        "scenario: x\nsystem: {{compose: c}}\nclients: [{{name: load, {fields}}}]\nphases: [{{phase: p, for: 1s}}]"
    );
    let scenario = Scenario::read("x.yaml".into(), &text).unwrap();
    let client = &scenario.clients[0];
    let service = |address: std::net::IpAddr| {
        let last = address.to_string().rsplit('.').next().unwrap().to_owned();
        Some(format!("service{last}"))
    };
    let recorder = Recorder::new(Duration::from_secs(7), Arc::new(service));
    let turn = turn(client.pace);
    let program = client::program(client, &turn, recorder.story_began(), &recorder);
    let run = program.start(Host::real(), Shutdown::never());
    tokio::time::timeout(Duration::from_secs(30), run)
        .await
        .unwrap()
        .unwrap();
    recorder.take()
}

#[tokio::test]
async fn an_open_loop_sends_on_time_and_reads_who_answered() {
    let (address, connections) = server().await;
    let samples = play(&format!(
        "get: 'http://{address}/data', rate: 100/s, backend: $.backend_id, database: '$.db[0].ip'"
    ))
    .await;
    assert_eq!(samples.len(), 10);
    for sample in &samples {
        assert_eq!(sample.outcome, Outcome::Status(200));
        assert_eq!(sample.backend.as_ref().unwrap().as_str(), "backend1");
        assert_eq!(sample.database.as_ref().unwrap().as_str(), "service1");
        assert!(sample.sent_us >= 7_000_000);
    }
    // Without keep-alive every request has a connection of its own.
    assert_eq!(connections.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_closed_loop_waits_for_its_answer_and_may_keep_its_connection() {
    let (address, connections) = server().await;
    let samples = play(&format!(
        "get: 'http://{address}/data', every: 10ms, keep_alive: true, backend: {{header: x-upstream}}"
    ))
    .await;
    assert!((2..=10).contains(&samples.len()), "{}", samples.len());
    assert_eq!(samples[0].backend.as_ref().unwrap().as_str(), "service2");
    for pair in samples.windows(2) {
        assert!(pair[1].sent_us >= pair[0].ended_us() + 9_000);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn users_are_closed_loops_beside_each_other() {
    let (address, _) = server().await;
    let samples = play(&format!(
        "get: 'http://{address}/data', every: 1s, users: 3"
    ))
    .await;
    assert_eq!(samples.len(), 3);
}

#[tokio::test]
async fn headers_and_body_are_sent() {
    let (address, _) = server().await;
    let samples = play(&format!(
        "post: 'http://{address}/echo', headers: {{x-a: b}}, body: hello, every: 1s"
    ))
    .await;
    assert_eq!(samples[0].outcome, Outcome::Status(201));
    assert!(samples[0].is_ok());
}

#[tokio::test]
async fn every_failure_has_its_name() {
    let (address, _) = server().await;
    let first = async |fields: String| play(&fields).await[0].outcome;
    let slow = first(format!(
        "get: 'http://{address}/slow', every: 1s, timeout: 50ms"
    ))
    .await;
    assert_eq!(slow, Outcome::Failure(Failure::Timeout));
    let huge = first(format!("get: 'http://{address}/huge', every: 1s")).await;
    assert_eq!(huge, Outcome::Failure(Failure::Malformed));
    let missing = first(format!("get: 'http://{address}/nothing', every: 1s")).await;
    assert_eq!(missing, Outcome::Status(404));
    // A port that was free a moment ago refuses.
    let listener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let refused = first(format!("get: 'http://{free}/', every: 1s")).await;
    assert_eq!(refused, Outcome::Failure(Failure::Refused));
}

#[tokio::test]
async fn a_server_that_closes_or_talks_nonsense_is_a_failure() {
    let answer = async |bytes: &'static [u8]| {
        let mut listener = Host::real()
            .net
            .listen("127.0.0.1:0".parse().unwrap())
            .unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            // The request is read first, so that closing is FIN and not RST.
            tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, bytes)
                .await
                .unwrap();
        });
        play(&format!("get: 'http://{address}/', every: 1s")).await[0].outcome
    };
    assert_eq!(answer(b"").await, Outcome::Failure(Failure::Closed));
    assert_eq!(
        answer(b"SSH-2.0-OpenSSH\r\n\r\n").await,
        Outcome::Failure(Failure::Malformed)
    );
    let cut = answer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(cut, Outcome::Failure(Failure::Closed));
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_no_failure() {
    let mut listener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)
                .await
                .unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
                .await
                .unwrap();
        }
    });
    let samples = play(&format!(
        "get: 'http://{address}/', every: 20ms, keep_alive: true"
    ))
    .await;
    assert!(samples.len() > 1);
    assert!(samples.iter().all(Sample::is_ok), "{samples:?}");
}

#[tokio::test]
async fn an_open_loop_does_not_wait_for_answers() {
    let (address, _) = server().await;
    let samples = play(&format!(
        "get: 'http://{address}/slow', rate: 100/s, timeout: 1s"
    ))
    .await;
    assert_eq!(samples.len(), 10);
    let last = samples.last().unwrap();
    assert!(last.sent_us - samples[0].sent_us < 1_000_000);
    assert!(
        samples
            .iter()
            .all(|s| s.outcome == Outcome::Failure(Failure::Timeout))
    );
}

/// A server that answers with the path, headers and the body that it got, and the samples of a client that
/// sends it 200 requests.
async fn sent(fields: &str) -> Vec<Sample> {
    let host = Host::real();
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(
        |request: axum::http::Uri, headers: HeaderMap, body: String| async move {
            let header = headers.get("idempotency-key");
            let header = header.map_or("", |value| value.to_str().unwrap());
            let kind = headers.get("content-type");
            let kind = kind.map_or("", |value| value.to_str().unwrap());
            format!("{request} {header} {kind} {body}")
        },
    );
    tokio::spawn(async move {
        let app = app.into_make_service_with_connect_info::<Peer>();
        axum::serve(listener, app).await.unwrap();
    });
    let turn = |_| Turn::Requests {
        count: 200,
        pause: Duration::ZERO,
    };
    play_turn(&fields.replace("ADDRESS", &address.to_string()), turn).await
}

fn text(name: &Option<squall_record::Name>) -> &str {
    name.as_ref().unwrap().as_str()
}

#[tokio::test]
async fn what_is_drawn_is_sent_and_kept() {
    let samples = sent(
        "post: 'http://ADDRESS/x/${n}?k=${who}', headers: {content-type: application/json, \
         idempotency-key: 'key-${key}'}, body: '{\"n\":${n},\"dollar\":\"${dollar}{n}\"}', every: 1ms, \
         keep_body: true, draw: {n: 3..5, who: [alice, bob], key: -1..1, dollar: ['$']}",
    )
    .await;
    let (mut numbers, mut names, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for sample in &samples {
        let request: serde_json::Value = serde_json::from_str(text(&sample.request)).unwrap();
        let n = request["n"].as_i64().unwrap();
        // In a template everything is put in once: the dollar makes no name of what follows it.
        assert_eq!(request["dollar"], "${n}");
        let answer = text(&sample.body);
        let (path, rest) = answer.split_once(" key-").unwrap();
        let who = path.strip_prefix(&format!("/x/{n}?k=")).unwrap();
        let (key, rest) = rest.split_once(' ').unwrap();
        assert_eq!(rest, format!("application/json {}", text(&sample.request)));
        numbers.push(n);
        names.push(who.to_owned());
        keys.push(key.parse::<i64>().unwrap());
    }
    for seen in [&mut numbers, &mut keys] {
        seen.sort_unstable();
        seen.dedup();
    }
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!((keys.first(), keys.last()), (Some(&-1), Some(&1)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["alice", "bob"]);
}

#[tokio::test]
async fn what_must_differ_does_and_every_pair_comes_up() {
    let samples = sent(
        "get: 'http://ADDRESS/${a}/${b}/${c}', every: 1ms, draw: {a: 1..3, b: 1..2, c: 1..3}, differ: [c, a]",
    )
    .await;
    // Without a body the path is what is kept.
    let mut pairs = std::collections::BTreeSet::new();
    for sample in &samples {
        let all: Vec<&str> = text(&sample.request)[1..].split('/').collect();
        assert_ne!(all[0], all[2]);
        pairs.insert((all[0], all[1], all[2]));
    }
    assert_eq!(pairs.len(), 3 * 2 * 2, "{} requests", samples.len());
}

#[tokio::test]
async fn who_draws_nothing_keeps_no_request() {
    let samples = sent("post: 'http://ADDRESS/x', body: a$b, every: 1s, keep_body: true").await;
    assert_eq!(samples[0].request, None);
    assert_eq!(text(&samples[0].body), "/x   a$b");
}

#[tokio::test]
async fn an_answer_is_kept_whole_or_not_at_all() {
    let kept = async |length: usize| {
        let host = Host::real();
        let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let page = format!("[\n{}]", " ".repeat(length - 3));
        let app = Router::new().fallback(move || async move { page });
        tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<Peer>();
            axum::serve(listener, app).await.unwrap();
        });
        let samples = play(&format!(
            "get: 'http://{address}/', every: 1s, keep_body: true"
        ))
        .await;
        assert!(samples[0].is_ok());
        samples[0].body.as_ref().map(|body| body.as_str().len())
    };
    assert_eq!(kept(64 << 10).await, Some(64 << 10));
    assert_eq!(kept((64 << 10) + 1).await, None);
}

#[tokio::test]
async fn a_metric_is_a_value() {
    let samples = sent(
        "post: 'http://ADDRESS/', every: 1s, value: {metric: calls_total}, \
         body: \"\\ncalls_total{to='a'} 40\\ncalls_total 2\\ncalls 7\\n\"",
    )
    .await;
    assert_eq!(samples[0].value, Some(42));
}

#[tokio::test]
async fn a_number_is_found_in_a_text() {
    let sent = sent(
        "post: 'http://ADDRESS/', every: 1s, value: {matches: 'count value = ([0-9]+)'}, \
         draw: {n: 17..17}, body: '{\"content\":\"count value = ${n}\"}'",
    );
    assert_eq!(sent.await[0].value, Some(17));
}
