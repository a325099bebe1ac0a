//! The API of scenarios/splitdim/README.md, request by request: statuses, bodies, methods, and the original's ways.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::memory::Memory;
use common::{Service, ask, connected, start};
use squall_host::{Host, Launch, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

fn local(env: &[(&str, &str)]) -> Service {
    start(&Memory::default(), 8_080, "local", env)
}

async fn status(service: &Service, method: &str, path: &str, body: &str) -> u16 {
    let asked = ask(&service.host, service.port, method, path, body.as_bytes());
    asked.await.unwrap().status
}

#[tokio::test(start_paused = true)]
async fn the_seeds_example() {
    let service = local(&[]);
    assert_eq!(service.get("/api/accounts").await.body, "[]");
    assert_eq!(service.get("/api/clear").await.body, "[]");
    for (sender, receiver) in [("a", "b"), ("b", "c")] {
        let answer = service.transfer(sender, receiver, 1).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    let clear = service.get("/api/clear").await;
    assert_eq!(clear.body, r#"[{"sender":"c","receiver":"a","amount":1}]"#);
    assert!(clear.head.contains("content-type: application/json\r\n"));
    let accounts = service.get("/api/accounts").await;
    let expected =
        r#"[{"holder":"a","balance":1},{"holder":"b","balance":0},{"holder":"c","balance":-1}]"#;
    assert_eq!(accounts.body, expected);
    let reset = service.get("/api/reset").await;
    assert_eq!((reset.status, reset.body.as_str()), (200, ""));
    assert_eq!(service.get("/api/accounts").await.body, "[]");
}

#[tokio::test(start_paused = true)]
async fn a_bad_transfer_is_400_and_changes_nothing() {
    let service = local(&[]);
    for body in [
        "",
        "[]",
        "{",
        r#"{"sender":"a","receiver":"b","amount":1.5}"#,
        r#"{"sender":"a","receiver":"b","amount":"1"}"#,
        r#"{"sender":"a","receiver":"b","amount":9223372036854775808}"#,
        r#"{"sender":"a","receiver":"a","amount":1}"#,
        r#"{"sender":"","receiver":"a","amount":1}"#,
        r#"{"sender":"a","amount":1}"#,
    ] {
        assert_eq!(
            status(&service, "POST", "/api/transfer", body).await,
            400,
            "{body}"
        );
    }
    let same = service.transfer("a", "a", 1).await;
    assert!(
        same.body.starts_with("Transfer request failed: "),
        "{same:?}"
    );
    for amount in [0, -5] {
        assert_eq!(service.transfer("a", "b", amount).await.status, 200);
    }
    let huge = format!(r#"{{"sender":"{}","receiver":"b"}}"#, "a".repeat(70_000));
    assert_eq!(status(&service, "POST", "/api/transfer", &huge).await, 413);
    let expected = r#"[{"holder":"a","balance":-5},{"holder":"b","balance":5}]"#;
    assert_eq!(service.get("/api/accounts").await.body, expected);
}

#[tokio::test(start_paused = true)]
async fn methods_and_paths_are_exact() {
    let service = local(&[]);
    service.transfer("a", "b", 1).await;
    for path in ["/api/accounts", "/api/clear", "/api/reset"] {
        for method in ["POST", "PUT", "DELETE", "HEAD"] {
            assert_eq!(
                status(&service, method, path, "").await,
                405,
                "{method} {path}"
            );
        }
    }
    for method in ["GET", "PUT", "HEAD"] {
        assert_eq!(status(&service, method, "/api/transfer", "").await, 405);
    }
    for (path, expected) in [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/index.html", 404),
        ("/api/transfer/dummy", 404),
        ("/x", 404),
    ] {
        assert_eq!(service.get(path).await.status, expected, "{path}");
    }
    assert_eq!(service.get("/healthz").await.body, "ok");
    assert_ne!(
        service.get("/api/accounts").await.body,
        "[]",
        "something reset it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_original_answers_every_path_with_the_page() {
    let service = local(&[("UNKNOWN_PATHS", "page")]);
    let page = service.get("/").await;
    assert!(page.body.contains("SplitDim"));
    for path in ["/x", "/api/transfer/dummy"] {
        assert_eq!(service.get(path).await.body, page.body, "{path}");
    }
    assert_eq!(status(&service, "DELETE", "/", "").await, 200);
    let index = service.get("/index.html").await;
    assert_eq!(index.status, 301);
    assert!(index.head.contains("location: ./\r\n"));
    assert_eq!(status(&service, "GET", "/api/transfer", "").await, 405);
}

#[tokio::test(start_paused = true)]
async fn a_balance_beyond_64_bits_is_refused_or_wraps() {
    let service = local(&[]);
    assert_eq!(service.transfer("a", "b", i64::MAX).await.status, 200);
    let answer = service.transfer("a", "c", 1).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(!service.get("/api/accounts").await.body.contains("\"c\""));

    let service = local(&[("OVERFLOW", "wrap")]);
    service.transfer("a", "b", i64::MAX).await;
    assert_eq!(service.transfer("a", "c", 1).await.status, 200);
    let accounts = service.get("/api/accounts").await.body;
    assert!(accounts.contains(r#"{"holder":"a","balance":-9223372036854775808}"#));
}

#[tokio::test(start_paused = true)]
async fn the_original_accepts_empty_names_in_mode_local() {
    let service = local(&[("EMPTY_NAMES", "accept")]);
    assert_eq!(service.transfer("", "b", 1).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_requests_are_refused_at_once_and_health_is_not() {
    let service = local(&[("IN_FLIGHT_MAX", "1")]);
    // A client whose request never comes whole holds the one slot.
    let mut slow = connected(&service.host, service.port).await.unwrap();
    let head = b"POST /api/transfer HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n";
    slow.write_all(head).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    for path in ["/api/accounts", "/api/clear", "/api/reset"] {
        let answer = service.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
    }
    assert_eq!(service.transfer("a", "b", 1).await.status, 503);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    assert_eq!(service.metric("splitdim_shed_total").await, 4);
    // Nor does it hold it for ever.
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    assert_eq!(service.transfer("a", "b", 1).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_says_so_serves_on_and_ends() {
    let service = local(&[("SHUTDOWN_DELAY_MS", "5000")]);
    service.transfer("a", "b", 1).await;
    let told = Instant::now();
    service.stop.request();
    sleep(Duration::from_secs(1)).await;
    let ready = service.get("/readyz").await;
    assert_eq!(
        (ready.status, service.get("/healthz").await.status),
        (503, 200)
    );
    assert_eq!(service.transfer("a", "b", 1).await.status, 200);
    assert!(service.ended.await.unwrap());
    assert!(told.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn it_works_on_real_sockets() {
    let host = Host::real();
    let any = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let listen = any.local_addr().unwrap();
    drop(any);
    let launch = Launch {
        env: [("LISTEN".to_owned(), listen.to_string())].into(),
        ..Launch::default()
    };
    let loaded = squall_splitdim::load(&launch).unwrap();
    let (stop, shutdown) = Shutdown::new();
    let ended = tokio::spawn(loaded.start(host.clone(), shutdown));
    let body = br#"{"sender":"a","receiver":"b","amount":1}"#;
    let transfer = ask(&host, listen.port(), "POST", "/api/transfer", body).await;
    assert_eq!(transfer.unwrap().status, 200);
    let clear = ask(&host, listen.port(), "GET", "/api/clear", b"")
        .await
        .unwrap();
    assert_eq!(clear.body, r#"[{"sender":"b","receiver":"a","amount":1}]"#);
    assert!(clear.head.contains("\r\ndate: "));
    stop.request();
    assert!(ended.await.unwrap().is_ok());
}
