//! Peers that do not keep to the protocol.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Server, start, value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends bytes and reads to the end; the connection must end by itself.
async fn say(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = server.stream().await;
    // The server may close before it has read all of it.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the server must end the connection");
    answer
}

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0postgres\0\0";
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    packet.extend((body.len() as u32 + 4).to_be_bytes());
    packet.extend(body);
    packet
}

fn has(answer: &[u8], text: &str) -> bool {
    answer
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn garbage_is_answered_with_a_protocol_error() {
    let server = start(&[]).await;
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
        &[0xff; 64],
        &[0, 0, 0, 4, 0, 0, 0, 0],
        b"\0\0\0\x0d\0\x03\0\0userx",
    ] {
        let answer = say(&server, bytes).await;
        assert!(has(&answer, "C08P01"), "{bytes:?}: {answer:?}");
    }
    let old = say(&server, b"\0\0\0\x09\0\x02\0\0\0").await;
    assert!(has(&old, "C0A000"), "{old:?}");
    assert_eq!(value(&server.connect().await, "SELECT 1").await, "1");
}

#[tokio::test]
async fn broken_messages_end_the_session_and_nothing_else() {
    let server = start(&[]).await;
    let huge = [b"Q".as_slice(), &i32::MAX.to_be_bytes()].concat();
    let negative = [b"Q".as_slice(), &(-1i32).to_be_bytes()].concat();
    let bodies = [
        message(b'Z', b""),
        message(b'Q', b"no end"),
        message(b'P', b"x\0select 1\0\xff\xff"),
        message(b'B', b"\0\0\0\x01"),
        message(b'B', b"\0\0\0\0\xff\xff"),
        message(b'E', b"\0\0"),
        message(b'D', b"X\0"),
        message(b'S', b"too long"),
        message(b'F', b"\0\0\0\0"),
        huge,
        negative,
    ];
    for body in bodies {
        let answer = say(&server, &[startup(), body.clone()].concat()).await;
        assert!(has(&answer, "C08P01"), "{body:?}: {answer:?}");
    }
    assert_eq!(value(&server.connect().await, "SELECT 1").await, "1");
}

#[tokio::test]
async fn text_that_is_no_utf8_is_refused_and_the_session_lives() {
    let server = start(&[]).await;
    let bytes = [
        startup(),
        message(b'Q', b"SELECT '\xff'\0"),
        message(b'Q', b"SELECT 'alive'\0"),
        message(b'X', b""),
    ]
    .concat();
    let answer = say(&server, &bytes).await;
    assert!(
        has(&answer, "C22021") && has(&answer, "alive"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn after_an_error_everything_up_to_sync_is_skipped() {
    let server = start(&[]).await;
    let bytes = [
        startup(),
        message(b'P', b"\0SELEC\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
        message(b'P', b"\0SELECT 'after'\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
        message(b'X', b""),
    ]
    .concat();
    let answer = say(&server, &bytes).await;
    assert!(
        has(&answer, "C42601") && !has(&answer, "C34000") && !has(&answer, "C26000"),
        "{answer:?}"
    );
    assert!(has(&answer, "after"), "{answer:?}");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let server = start(&["-c", "authentication_timeout=1s", "-c", "max_connections=2"]).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(server.stream().await);
    }
    for mut stream in silent {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let _ = read.await.expect("the server must end the connection");
    }
    for _ in 0..500 {
        if server.try_connect("postgres", "", "postgres").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the places did not come free");
}

#[tokio::test]
async fn bytes_one_at_a_time_are_a_session_as_well() {
    let server = start(&[]).await;
    let mut stream = server.stream().await;
    for byte in [
        startup(),
        message(b'Q', b"SELECT 'slow'\0"),
        message(b'X', b""),
    ]
    .concat()
    {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(has(&answer, "slow"), "{answer:?}");
}

#[tokio::test]
async fn random_bytes_never_take_the_server_down() {
    let server = start(&[]).await;
    // A small generator of our own, so that a failure comes back.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..60 {
        let mut bytes = if round % 2 == 0 {
            startup()
        } else {
            Vec::new()
        };
        for _ in 0..next() % 200 {
            let kind = b"QPBCDEHSXpdcf"[(next() % 13) as usize];
            let body: Vec<u8> = (0..next() % 40).map(|_| next() as u8).collect();
            bytes.extend(message(kind, &body));
        }
        let mut stream = server.stream().await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        let _ = read.await.expect("the server must end the connection");
    }
    assert_eq!(value(&server.connect().await, "SELECT 1").await, "1");
}
