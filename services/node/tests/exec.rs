//! Healthcheck commands against real servers on 127.0.0.1.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use squall_host::Host;
use squall_host::net::TcpListener;
use squall_node::{exec, knows};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn http_server() -> SocketAddr {
    let listener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/health", get(|| async { "OK\n" }))
        .route("/moved", get(|| async { Redirect::temporary("/health") }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/bad", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_secs(60)).await;
                "late"
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A server that answers each connection with `answer` after it read something.
async fn answering(answer: &'static [u8]) -> SocketAddr {
    let mut listener: TcpListener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 256];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer).await;
            });
        }
    });
    address
}

/// A port that nobody listens on.
fn closed_port() -> SocketAddr {
    let listener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    listener.local_addr().unwrap()
}

async fn shell(line: &str) -> i32 {
    let env = BTreeMap::from([("PORT".to_owned(), "1".to_owned())]);
    let command = ["sh", "-c", line].map(str::to_owned);
    exec(&Host::real(), &env, &command).await
}

#[tokio::test]
async fn http_checks_have_the_statuses_of_curl_and_wget() {
    let server = http_server().await;
    let closed = closed_port();
    let garbage = answering(b"\x00\x01garbage\r\n\r\n").await;
    let cases = [
        (format!("curl -f http://{server}/health"), 0),
        (format!("curl -fsS -o /dev/null http://{server}/health"), 0),
        (format!("curl http://{server}/bad"), 0),
        (format!("curl --fail --silent {server}/bad"), 22),
        (format!("curl -sf http://{closed}/"), 7),
        ("curl -sf http://no-such-name.invalid/".to_owned(), 6),
        (format!("curl -sf http://{garbage}/"), 56),
        (format!("curl -sf -m 0.2 http://{server}/slow"), 28),
        (format!("curl -fL http://{server}/moved | grep -q OK"), 0),
        (format!("curl -f http://{server}/moved | grep -q OK"), 1),
        (format!("curl -fL http://{server}/loop"), 47),
        (
            format!("curl -s -o /dev/null -w '%{{http_code}}' http://{server}/bad | grep -q 503"),
            0,
        ),
        (format!("wget -q --spider http://{server}/health"), 0),
        (
            format!("wget --no-verbose --tries=1 --spider {server}/bad"),
            8,
        ),
        (format!("wget -qO- http://{server}/health | grep -q OK"), 0),
        (format!("wget -q -O /dev/null -T 1 http://{closed}/"), 4),
    ];
    for (line, status) in cases {
        assert!(knows(&["sh".into(), "-c".into(), line.clone()]), "{line}");
        assert_eq!(shell(&line).await, status, "{line}");
    }
}

#[tokio::test]
async fn reachability_is_checked() {
    let server = http_server().await;
    let closed = closed_port();
    let (ip, open, shut) = (server.ip(), server.port(), closed.port());
    assert_eq!(shell(&format!("nc -z {ip} {open}")).await, 0);
    assert_eq!(shell(&format!("nc -zvw1 {ip} {shut}")).await, 1);
}

#[tokio::test]
async fn pg_isready_tells_accepting_rejecting_and_silence_apart() {
    let accepting = answering(b"R\0\0\0\x08\0\0\0\0").await;
    let refusing = answering(b"E\0\0\0\x19SFATAL\0C28P01\0Mno\0\0").await;
    let starting = answering(b"E\0\0\0\x19SFATAL\0C57P03\0Mno\0\0").await;
    let silent = answering(b"").await;
    for (server, status) in [
        (accepting, 0),
        (refusing, 0),
        (starting, 1),
        (silent, 2),
        (closed_port(), 2),
    ] {
        let line = format!(
            "pg_isready -U postgres -d app -h {} -p {}",
            server.ip(),
            server.port()
        );
        assert_eq!(shell(&line).await, status, "{line}");
    }
    assert_eq!(shell("pg_isready -p x").await, 3);
}

#[tokio::test]
async fn the_shell_links_commands() {
    for (line, status) in [
        ("true", 0),
        ("false", 1),
        ("false || exit 3", 3),
        ("true || exit 3", 0),
        ("true && false", 1),
        ("false && exit 2 || exit 4", 4),
        ("exit 5; true", 5),
        ("! false", 0),
        ("! true | false", 0),
        ("echo a b | grep -q 'a b'", 0),
        ("echo \"$PORT\" | grep -qx 1 2>/dev/null", 127),
        ("test \"$PORT\" = 1 > /dev/null 2>&1", 0),
        ("[ \"${NONE:-x}\" != x ] || exit 9", 9),
        ("[ 2 -gt 1 ]", 0),
        ("test 1 -foo 2", 2),
        ("timeout 0.05 sleep 60", 124),
        ("timeout 60 sleep 0.01 && echo ok | grep ok", 0),
        ("nothing-of-this-name", 127),
        ("sh -c 'exit 6' || exit 7", 7),
        ("# a comment\ntrue", 0),
        ("until true; do exit 9; done", 0),
        ("while false; do exit 9; done && exit 3", 3),
        ("until false; do exit 4; done; exit 5", 4),
        ("while ! false; do if true; then exit 6; fi; done", 6),
        (
            "if false; then exit 1; elif true; then exit 2; else exit 3; fi",
            2,
        ),
        ("if false; then exit 1; else exit 3; fi", 3),
        ("if false; then exit 1; fi", 0),
        ("echo loud >/dev/null | grep -q loud", 1),
        ("if true; then echo loud; fi >/dev/null | grep -q loud", 1),
        ("echo loud 2>/dev/null | grep -q loud", 0),
        ("until echo a | grep -q a; do exit 1; done | grep -q a", 1),
        ("sh -ec 'false; true'", 1),
        (
            "sh -ec 'false || true; if false; then exit 1; fi; exit 7'",
            7,
        ),
        ("sh -c 'false; true'", 0),
        ("timeout 0.05 sh -c 'while true; do true; done'", 124),
        ("busybox sleep 0.01", 0),
        ("getent hosts localhost | grep -q localhost", 0),
        ("getent hosts no-such-name.invalid", 2),
        ("nslookup localhost >/dev/null", 0),
        ("nslookup no-such-name.invalid", 1),
    ] {
        assert_eq!(shell(line).await, status, "{line}");
    }
}

#[test]
fn only_what_can_be_run_is_known() {
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    for line in [
        "curl -f http://localhost:$PORT/health || exit 1",
        "pg_isready -U ${POSTGRES_USER:-postgres} -d ${POSTGRES_DB}",
        "wget --quiet --tries=1 --spider http://localhost/ >/dev/null 2>&1 || exit 1",
        "nc -z localhost 5432",
        "true; true",
        "until nslookup db; do echo waiting; sleep 2; done",
        "until nslookup myservice.$NAMESPACE.svc.cluster.local; do echo waiting for myservice; sleep 2; done;",
        "while ! nc -z db 5432; do sleep 1; done; echo 'db is up' && true",
        "until pg_isready -h db -p 5432 -U app\ndo\n  echo waiting\n  sleep 2\ndone\n",
        "until psql -h db -U app -d appdb -c '\\q' >/dev/null 2>&1; do sleep 1; done",
        "if curl -sf http://localhost/; then exit 0; elif [ 1 = 2 ]; then false; else exit 1; fi",
        "while true; do if nc -z db 1; then exit 0; fi; sleep 1; done",
        "grpc_health_probe -addr=:50051 -service=users -connect-timeout=250ms",
        "curl -fsS -m 5 -o /dev/null -A kube-probe/1.31 -H 'X-A: b' http://localhost/",
    ] {
        assert!(knows(&["sh".into(), "-c".into(), line.into()]), "{line}");
    }
    for line in [
        "curl -f https://localhost/",
        "curl --proxy x http://localhost/",
        "python -c 'import x'",
        "test $(curl http://localhost/) = ok",
        "curl http://localhost/ > out.txt",
        "for i in 1 2; do true; done",
        "until true; do true",
        "until true; true; done",
        "if true; then true; done",
        "done",
        "if true; fi",
        "until pg_isready; do no-such-command; done",
        "[ -x /tmp/ready ]",
        "nslookup db 8.8.8.8",
        "getent passwd root",
        "psql -h db -U app",
        "grpc_health_probe -addr=localhost:50051 -tls",
        "true &",
        "true ||",
        "'open",
        "",
    ] {
        assert!(!knows(&["sh".into(), "-c".into(), line.into()]), "{line}");
    }
    assert!(knows(&words("/usr/bin/curl -f http://localhost/")));
    assert!(!knows(&words("redis-cli ping")));
    assert!(!knows(&[]));
}

proptest::proptest! {
    #[test]
    fn no_line_panics(line in "[a-z $\"'{}|&;>!\\\\#\\[\\]()1-]{0,40}") {
        let _ = knows(&["sh".into(), "-c".into(), line.clone()]);
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let _ = knows(&words);
    }

    #[test]
    fn no_line_of_loops_panics(
        words in proptest::collection::vec(
            "(until|while|do|done|if|then|elif|else|fi|true|!|;|&&|[|][|]|>/dev/null|x)", 0..40),
    ) {
        let _ = knows(&["sh".into(), "-c".into(), words.join(" ")]);
    }

    #[test]
    fn no_argument_panics(
        name in "(curl|wget|nc|pg_isready|psql|nslookup|getent|grpc_health_probe|grep|timeout|test|sleep)",
        args in proptest::collection::vec("[-a-zA-Z0-9=:/.]{0,12}", 0..5),
    ) {
        let mut words = vec![name];
        words.extend(args);
        let _ = knows(&words);
    }
}
