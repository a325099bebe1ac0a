//! `proxy_pass` on real sockets: who gets a request, and what its failures come to.
#![allow(clippy::unwrap_used, clippy::disallowed_types)]

mod common;

use common::{Does, Edge, Reply, Upstream, free_port, read_all};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LOG: &str = "log_format t '$status $upstream_addr $upstream_status $body_bytes_sent'; \
                   access_log /dev/stdout t;";

fn group(a: u16, b: u16, inside: &str) -> String {
    format!(
        "{LOG} upstream backend_up {{ server 127.0.0.1:{a}; server 127.0.0.1:{b}; }} \
         server {{ listen PORT; add_header X-Upstream-Addr $upstream_addr always; {inside} \
         location / {{ proxy_pass http://backend_up; }} }}"
    )
}

#[tokio::test]
async fn a_server_that_refuses_is_passed_over_and_both_addresses_are_told() {
    let (dead, live) = (free_port().await, Upstream::start(Does::Answer("b")).await);
    let edge = Edge::start(&group(dead, live.port, "")).await;
    let first = edge.get("/").await;
    assert_eq!((first.status, first.body.as_str()), (200, "b"));
    let both = format!("127.0.0.1:{dead}, 127.0.0.1:{}", live.port);
    assert_eq!(first.header("x-upstream-addr"), Some(both.as_str()));
    let second = edge.get("/").await;
    let alone = format!("127.0.0.1:{}", live.port);
    assert_eq!(second.header("x-upstream-addr"), Some(alone.as_str()));
    let log = edge.log(2).await;
    assert_eq!(log[0], format!("200 {both} 502, 200 1"));
    assert_eq!(log[1], format!("200 {alone} 200 1"));
}

#[tokio::test]
async fn with_none_live_the_group_itself_is_named() {
    let (a, b) = (free_port().await, free_port().await);
    let edge = Edge::start(&group(a, b, "")).await;
    let both = format!("127.0.0.1:{a}, 127.0.0.1:{b}");
    for expected in [both.as_str(), "backend_up", "backend_up"] {
        let reply = edge.get("/").await;
        assert_eq!(reply.status, 502);
        assert_eq!(reply.header("x-upstream-addr"), Some(expected));
        assert!(
            reply.body.contains("<h1>502 Bad Gateway</h1>"),
            "{}",
            reply.body
        );
    }
}

#[tokio::test]
async fn requests_alternate() {
    let (a, b) = (
        Upstream::start(Does::Answer("a")).await,
        Upstream::start(Does::Answer("b")).await,
    );
    let edge = Edge::start(&group(a.port, b.port, "")).await;
    let mut bodies = String::new();
    for _ in 0..6 {
        bodies += &edge.get("/").await.body;
    }
    assert_eq!(bodies, "ababab");
}

#[tokio::test]
async fn a_post_is_not_sent_twice_but_a_get_is() {
    let (a, b) = (
        Upstream::start(Does::HangUp).await,
        Upstream::start(Does::Answer("b")).await,
    );
    let edge = Edge::start(&group(a.port, b.port, "")).await;
    assert_eq!(edge.post("/", "x").await.status, 502);
    assert_eq!((a.count(), b.count()), (1, 0));
    let edge = Edge::start(&group(a.port, b.port, "")).await;
    assert_eq!(edge.get("/").await.body, "b");
    assert_eq!((a.count(), b.count()), (2, 1));
    let edge = Edge::start(&group(
        a.port,
        b.port,
        "proxy_next_upstream error non_idempotent;",
    ))
    .await;
    assert_eq!(edge.post("/", "x").await.body, "b");
}

#[tokio::test]
async fn a_post_that_was_refused_goes_on_with_its_body() {
    let (dead, live) = (free_port().await, Upstream::start(Does::Echo).await);
    let edge = Edge::start(&group(dead, live.port, "")).await;
    let reply = edge.post("/p", "the body").await;
    assert!(
        reply.body.starts_with("POST /p HTTP/1.0\r\n"),
        "{}",
        reply.body
    );
    assert!(reply.body.ends_with("\r\n\r\nthe body"), "{}", reply.body);
}

#[tokio::test]
async fn silence_is_504_and_goes_on_to_the_next() {
    let (silent, live) = (
        Upstream::start(Does::NeverAnswer).await,
        Upstream::start(Does::Answer("b")).await,
    );
    let alone = format!(
        "{LOG} proxy_read_timeout 200ms; \
         server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
        silent.port
    );
    let edge = Edge::start(&alone).await;
    assert_eq!(edge.get("/").await.status, 504);
    assert_eq!(
        edge.log(1).await[0],
        format!("504 127.0.0.1:{} 504 166", silent.port)
    );
    let edge = Edge::start(&group(silent.port, live.port, "proxy_read_timeout 200ms;")).await;
    assert_eq!(edge.get("/").await.body, "b");
}

#[tokio::test]
async fn statuses_go_on_only_when_asked_and_the_last_one_passes() {
    let no = "HTTP/1.1 503 Gone Fishing\r\nContent-Length: 2\r\n\r\nno";
    let (a, b) = (
        Upstream::start(Does::Raw(no)).await,
        Upstream::start(Does::Raw(no)).await,
    );
    let edge = Edge::start(&group(a.port, b.port, "")).await;
    let reply = edge.get("/").await;
    assert!(
        reply.head.starts_with("HTTP/1.1 503 Gone Fishing\r\n"),
        "{}",
        reply.head
    );
    assert_eq!(a.count() + b.count(), 1);
    let edge = Edge::start(&group(a.port, b.port, "proxy_next_upstream http_503;")).await;
    assert_eq!(edge.get("/").await.body, "no");
    assert_eq!(a.count() + b.count(), 3);
}

#[tokio::test]
async fn bad_and_oversized_heads_are_502() {
    let long: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9000)).into());
    for raw in [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        long,
        "",
    ] {
        let upstream = Upstream::start(Does::Raw(raw)).await;
        let edge = Edge::start(&format!(
            "server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
            upstream.port
        ))
        .await;
        assert_eq!(edge.get("/").await.status, 502, "{raw:.20}");
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_reaches_the_client_as_far_as_it_came() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let upstream = Upstream::start(Does::Raw(half)).await;
    let edge = Edge::start(&group(upstream.port, upstream.port, "")).await;
    let reply = edge.get("/").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "half"));
    assert_eq!(upstream.count(), 1, "not sent again once a byte is out");
}

#[tokio::test]
async fn a_big_response_streams() {
    let body = "0123456789abcdef".repeat(1 << 16);
    let raw: &'static str = Box::leak(format!("HTTP/1.1 200 OK\r\n\r\n{body}").into());
    let upstream = Upstream::start(Does::Raw(raw)).await;
    let edge = Edge::start(&group(upstream.port, upstream.port, "")).await;
    let reply = edge.exchange("GET / HTTP/1.0\r\nHost: test\r\n\r\n").await;
    assert_eq!(Reply::parse(&reply).body.len(), body.len());
    assert!(reply.ends_with(&body));
}

#[tokio::test]
async fn upstream_connections_are_kept_and_replaced_when_they_die() {
    let upstream = Upstream::start(Does::Answer("a")).await;
    let conf = format!(
        "upstream up {{ server 127.0.0.1:{}; keepalive 4; }} \
         server {{ listen PORT; proxy_http_version 1.1; proxy_set_header Connection ''; \
         location / {{ proxy_pass http://up; }} \
         location /closing {{ proxy_set_header Connection close; proxy_pass http://up; }} }}",
        upstream.port
    );
    let edge = Edge::start(&conf).await;
    for _ in 0..5 {
        assert_eq!(edge.get("/").await.body, "a");
    }
    assert_eq!(*upstream.connections.lock().unwrap(), 1);
    assert_eq!(upstream.count(), 5);
    assert!(upstream.requests.lock().unwrap()[0].starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(edge.get("/closing").await.body, "a");
    assert_eq!(edge.get("/").await.body, "a");
}

#[tokio::test]
async fn without_keepalive_every_request_has_its_connection() {
    let upstream = Upstream::start(Does::Answer("a")).await;
    let edge = Edge::start(&group(upstream.port, upstream.port, "")).await;
    for _ in 0..3 {
        edge.get("/").await;
    }
    assert_eq!(*upstream.connections.lock().unwrap(), 3);
    assert!(upstream.requests.lock().unwrap()[0].contains("\r\nConnection: close\r\n"));
}

#[tokio::test]
async fn a_client_that_leaves_is_499() {
    let silent = Upstream::start(Does::NeverAnswer).await;
    let edge = Edge::start(&group(silent.port, silent.port, "")).await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    while silent.count() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(stream);
    assert!(
        edge.log(1).await[0].starts_with("499 "),
        "{:?}",
        edge.log(1).await
    );
}

#[tokio::test]
async fn a_client_connection_is_kept_and_pipelining_works() {
    let edge = Edge::start(
        "keepalive_requests 3; server { listen PORT; return 200 $connection_requests; }",
    )
    .await;
    let mut stream = edge.connect().await;
    stream
        .write_all(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3))
        .await
        .unwrap();
    let all = read_all(&mut stream).await;
    let numbers: Vec<&str> = all
        .split("\r\n\r\n")
        .skip(1)
        .map(|rest| &rest[..1])
        .collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert_eq!(all.matches("Connection: keep-alive").count(), 2);
}

#[tokio::test]
async fn stub_status_counts() {
    let edge = Edge::start("server { listen PORT; location = /s { stub_status; } }").await;
    edge.get("/none").await;
    let text = edge.get("/s").await.body;
    assert!(text.starts_with("Active connections: "), "{text}");
    assert!(text.contains("Writing: 1 Waiting: "), "{text}");
    let counts: Vec<u64> = text
        .lines()
        .nth(2)
        .unwrap()
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    assert_eq!((counts[0], counts[2]), (counts[1], 2));
}

#[tokio::test]
async fn stopping_lets_requests_end_and_closes_idle_connections() {
    let silent = Upstream::start(Does::NeverAnswer).await;
    let conf = format!(
        "proxy_read_timeout 700ms; server {{ listen PORT; location /slow {{ proxy_pass http://127.0.0.1:{}; }} \
         location / {{ return 200 ok; }} }}",
        silent.port
    );
    let edge = Edge::start(&conf).await;
    let mut idle = edge.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    let mut busy = edge.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    while silent.count() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut fresh = edge.connect().await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    edge.trigger.request();
    assert_eq!(read_all(&mut idle).await, "");
    assert_eq!(read_all(&mut fresh).await, "");
    assert_eq!(Reply::parse(&read_all(&mut busy).await).status, 504);
    let ended = tokio::time::timeout(common::LONG, edge.ended).await;
    assert_eq!(ended.expect("it stops").unwrap(), Ok(()));
    assert!(tokio::net::TcpStream::connect(edge.address).await.is_err());
}

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(stream.read_u8().await.unwrap()));
        }
        let reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello ";
        stream.write_all(reply.as_bytes()).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
        head
    });
    let edge = Edge::start(&format!(
        "{LOG} server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }}"
    ))
    .await;
    let raw = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nword";
    let all = edge.exchange(raw).await;
    assert!(
        all.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{all}"
    );
    assert!(all.ends_with("\r\n\r\nhello word"), "{all}");
    let head = upstream.await.unwrap();
    assert!(head.contains("\r\nUpgrade: echo\r\n"), "{head}");
    assert_eq!(edge.log(1).await, [format!("101 127.0.0.1:{port} 101 10")]);
}

#[test]
fn a_killed_process_logs_nothing_more() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let edge = runtime.block_on(async {
        let silent = Upstream::start(Does::NeverAnswer).await;
        let edge = Edge::start(&group(silent.port, silent.port, "")).await;
        let mut stream = edge.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        while silent.count() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        edge
    });
    drop(runtime);
    assert_eq!(edge.lines(), Vec::<String>::new());
}
