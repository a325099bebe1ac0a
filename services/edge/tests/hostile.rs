//! Clients that are wrong, slow, greedy or random.
#![allow(clippy::unwrap_used, clippy::disallowed_types)]

mod common;

use std::time::Duration;

use common::{Does, Edge, Reply, Upstream, read_all};
use tokio::io::AsyncWriteExt;

async fn plain() -> Edge {
    Edge::start("server { listen PORT; return 200 ok; }").await
}

#[tokio::test]
async fn what_is_no_request_gets_nginx_s_page_and_a_log_line() {
    let edge = plain().await;
    for (raw, status, title) in [
        ("garbage\r\n\r\n", 400, "400 Bad Request"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, "400 Bad Request"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "400 Bad Request"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            400,
            "400 Bad Request",
        ),
        (
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
            505,
            "505 HTTP Version Not Supported",
        ),
        (
            "GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "400 Bad Request",
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
            405,
            "405 Not Allowed",
        ),
    ] {
        let reply = Reply::parse(&edge.exchange(raw).await);
        assert_eq!(reply.status, status, "{raw:?}");
        assert!(
            reply.body.contains(&format!("<title>{title}</title>")),
            "{}",
            reply.body
        );
        assert_eq!(reply.header("connection"), Some("close"), "{raw:?}");
        assert_eq!(reply.header("server"), Some("squall-edge"));
    }
    let log = edge.log(7).await;
    assert!(log[0].contains("\"garbage\" 400 "), "{}", log[0]);
    assert!(log[1].contains("\"\\x16\\x03\\x01\" 400 "), "{}", log[1]);
}

#[tokio::test]
async fn oversized_heads_are_414_and_400() {
    let edge = plain().await;
    let long = |count: usize| "a".repeat(count);
    let line = |count| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(count));
    let header = |count| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", long(count));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "B: b\r\n".repeat(20_000)
    );
    for (raw, status, words) in [
        (line(9_000), 414, "Request-URI Too Large"),
        (line(100_000), 414, "Request-URI Too Large"),
        (header(9_000), 400, "Request Header Or Cookie Too Large"),
        (header(1_000_000), 400, "Request Header Or Cookie Too Large"),
        (many, 400, "Request Header Or Cookie Too Large"),
    ] {
        let reply = Reply::parse(&edge.exchange(raw).await);
        assert_eq!(reply.status, status);
        assert!(reply.body.contains(words), "{}", reply.body);
    }
    assert_eq!(edge.get("/").await.body, "ok");
}

#[tokio::test]
async fn oversized_bodies_are_413_even_while_they_are_being_sent() {
    let upstream = Upstream::start(Does::Echo).await;
    let edge = Edge::start(&format!(
        "client_max_body_size 1k; server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
        upstream.port
    ))
    .await;
    let body = "x".repeat(1 << 20);
    let announced = edge.post("/", &body).await;
    assert_eq!(announced.status, 413);
    assert!(announced.body.contains("413 Request Entity Too Large"));
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let raw = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    assert_eq!(Reply::parse(&edge.exchange(raw).await).status, 413);
    assert_eq!(upstream.count(), 0);
    assert_eq!(edge.post("/", "small").await.status, 200);
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let upstream = Upstream::start(Does::Echo).await;
    let edge = Edge::start(&format!(
        "client_header_timeout 300ms; client_body_timeout 300ms; keepalive_timeout 300ms; \
         log_format t '$status $request'; access_log /dev/stdout t; \
         server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
        upstream.port
    ))
    .await;
    // Says nothing at all: closed, nothing logged.
    assert_eq!(edge.exchange("").await, "");
    // Drips a head: the time is for all of it.
    let mut dripping = edge.connect().await;
    for piece in ["GET / HT", "TP/1.1\r\n", "Host: ", "a", "b", "c"] {
        let _ = dripping.write_all(piece.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(read_all(&mut dripping).await, "");
    assert_eq!(edge.log(1).await, ["408 GET / HTTP/1.1"]);
    // Stops in the body.
    let raw = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    assert_eq!(edge.exchange(raw).await, "");
    assert_eq!(edge.log(2).await[1], "408 POST / HTTP/1.1");
    // Keeps a connection for nothing.
    let reply = edge.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(Reply::parse(&reply).status, 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let raw: &'static str =
        Box::leak(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(32 << 20)).into());
    let upstream = Upstream::start(Does::Raw(raw)).await;
    let edge = Edge::start(&format!(
        "send_timeout 300ms; log_format t '$status $request_completion.'; access_log /dev/stdout t; \
         server {{ listen PORT; location / {{ proxy_pass http://127.0.0.1:{}; }} }}",
        upstream.port
    ))
    .await;
    let mut stream = edge.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(edge.log(1).await, ["200 ."]);
}

#[tokio::test]
async fn connections_are_bounded() {
    let port = common::free_port().await;
    let conf = format!(
        "events {{ worker_connections 4; }} http {{ server {{ listen 127.0.0.1:{port}; return 200 ok; }} }}"
    );
    let loaded = common::load(&conf).unwrap();
    let (trigger, shutdown) = squall_host::Shutdown::new();
    let running = tokio::spawn(loaded.start(squall_host::Host::real(), shutdown));
    let mut held = Vec::new();
    while held.len() < 4 {
        match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => held.push(stream),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    let mut one_too_many = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    assert_eq!(read_all(&mut one_too_many).await, "");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    held[0].write_all(request).await.unwrap();
    assert!(read_all(&mut held[0]).await.ends_with("ok"));
    trigger.request();
    drop(held);
    tokio::time::timeout(common::LONG, running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// A small generator, so that a failure comes back.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = [
        "GET ",
        "/",
        " HTTP/1.1\r\n",
        "Host: a\r\n",
        "\r\n",
        "Content-Length: ",
        "9",
        "chunked\r\n",
    ];
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match next() % 3 {
            0 => bytes.push(next() as u8),
            _ => bytes.extend_from_slice(words[next() as usize % words.len()].as_bytes()),
        }
    }
    bytes
}

#[tokio::test]
async fn random_bytes_neither_stop_nor_hang_it() {
    let edge = Edge::start(
        "client_header_timeout 200ms; client_body_timeout 200ms; keepalive_timeout 200ms; access_log off; \
         server { listen PORT; return 200 ok; }",
    )
    .await;
    for seed in 0..200 {
        let mut stream = edge.connect().await;
        let _ = stream
            .write_all(&noise(seed, 1 + seed as usize * 7 % 300))
            .await;
        if seed % 10 == 0 {
            read_all(&mut stream).await;
        }
    }
    assert_eq!(edge.get("/").await.body, "ok");
    assert!(!edge.ended.is_finished());
}
