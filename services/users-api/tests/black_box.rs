//! The service on a real socket, with pg-stub behind it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use squall_host::launch::Mounted;
use squall_host::{Files, Host, Launch, Shutdown, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn launch(env: &[(&str, &str)]) -> Launch {
    let env = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Launch {
        env,
        ..Launch::default()
    }
}

/// A port that was free a moment ago.
fn free_port(host: &Host) -> u16 {
    let any = "127.0.0.1:0".parse().unwrap();
    host.net.listen(any).unwrap().local_addr().unwrap().port()
}

/// A folder of its own for each database, as they keep what they have on the real disk.
fn data_folder() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("squall-users-api-{}-{n}", std::process::id());
    std::env::temp_dir()
        .join(name)
        .to_string_lossy()
        .into_owned()
}

async fn database(host: &Host) -> (SocketAddr, Trigger) {
    let launch = Launch {
        env: BTreeMap::from([
            ("POSTGRES_PASSWORD".to_owned(), "postgres".to_owned()),
            ("PGDATA".to_owned(), data_folder()),
        ]),
        files: Files::mounted(BTreeMap::from([(
            "/docker-entrypoint-initdb.d/users.sql".to_owned(),
            Mounted {
                shown_as: "users.sql".into(),
                content: "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL);".into(),
            },
        )])),
        ..Launch::default()
    };
    let (config, _) = squall_pg_stub::config::load(&launch).unwrap();
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::new();
    let run = squall_pg_stub::server::run_on(config, host.clone(), vec![listener], shutdown);
    tokio::spawn(run);
    until_ready(host, address).await;
    (address, stop)
}

/// A server that makes its data folder refuses everybody until it has.
async fn until_ready(host: &Host, address: SocketAddr) {
    let ready = async {
        loop {
            let stream = host.net.connect(address).await.unwrap();
            let mut login = tokio_postgres::Config::new();
            login.user("postgres").password("postgres");
            let asked = login.connect_raw(stream, tokio_postgres::NoTls).await;
            match asked {
                Ok(_) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let within = Duration::from_secs(30);
    tokio::time::timeout(within, ready).await.unwrap();
}

struct Service {
    address: SocketAddr,
    stop: Trigger,
    ended: JoinHandle<bool>,
}

async fn service(host: &Host, env: &[(&str, &str)]) -> Service {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(host)));
    let listen = address.to_string();
    let mut all = vec![
        ("LISTEN", listen.as_str()),
        ("BACKEND_ID", "backend1"),
        ("DB_HOST", "127.0.0.1"),
    ];
    all.extend(env);
    let loaded = squall_users_api::load(&launch(&all)).unwrap();
    assert_eq!(loaded.facts.listens[0].0, address);
    let (stop, shutdown) = Shutdown::new();
    let running = loaded.start(host.clone(), shutdown);
    let ended = tokio::spawn(async move { running.await.is_ok() });
    for _ in 0..500 {
        if host.net.connect(address).await.is_ok() {
            return Service {
                address,
                stop,
                ended,
            };
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the service does not listen");
}

/// One request on a connection of its own: status and body.
async fn ask(host: &Host, address: SocketAddr, request: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = host.net.connect(address).await.unwrap();
        // A body, if there is one, is in the request's second line.
        let (request, body) = request.split_once('\n').unwrap_or((request, ""));
        let head = format!(
            "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap()
}

#[tokio::test]
async fn data_says_who_when_and_where_in_the_originals_form() {
    let host = Host::real();
    let (database, _stop) = database(&host).await;
    let port = database.port().to_string();
    let service = service(&host, &[("DB_PORT", &port)]).await;
    let (status, body) = ask(&host, service.address, "GET /data").await;
    assert_eq!(status, 200, "{body}");
    let start = r#"{"backend_id":"backend1","postgres_ip":"127.0.0.1","timestamp":""#;
    let timestamp = body
        .strip_prefix(start)
        .unwrap()
        .strip_suffix("\"}")
        .unwrap();
    assert!(timestamp.ends_with("+00:00"), "{timestamp}");
    // Python leaves the fraction out in the one case that it is zero.
    assert!(
        timestamp.len() == "2025-09-10 01:33:07.822576+00:00".len() || !timestamp.contains('.')
    );
    assert_eq!(
        ask(&host, service.address, "GET /health").await,
        (200, "OK".to_owned())
    );
    assert_eq!(ask(&host, service.address, "GET /nothing").await.0, 404);
    assert_eq!(ask(&host, service.address, "POST /data").await.0, 405);
    service.stop.request();
    assert!(
        tokio::time::timeout(PATIENCE, service.ended)
            .await
            .unwrap()
            .unwrap()
    );
}

#[tokio::test]
async fn without_a_database_it_says_so_with_the_status_that_is_set() {
    let host = Host::real();
    let nobody = free_port(&host).to_string();
    let better = service(&host, &[("DB_PORT", &nobody)]).await;
    let (status, body) = ask(&host, better.address, "GET /data").await;
    assert_eq!(status, 503);
    assert!(
        body.starts_with(r#"{"error":"#) && body.contains("no connection"),
        "{body}"
    );
    let original = service(&host, &[("DB_PORT", &nobody), ("DB_ERROR_STATUS", "500")]).await;
    assert_eq!(ask(&host, original.address, "GET /data").await.0, 500);
}

#[tokio::test]
async fn a_database_that_never_answers_is_given_up() {
    let host = Host::real();
    let mut silent = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let service = service(
        &host,
        &[("DB_PORT", &port), ("DB_CONNECT_TIMEOUT_MS", "50")],
    )
    .await;
    let (status, body) = ask(&host, service.address, "GET /data").await;
    assert_eq!(status, 503);
    assert!(body.contains("within 50ms"), "{body}");
    holding.abort();
}

#[tokio::test]
async fn what_the_database_refuses_is_in_the_answer() {
    let host = Host::real();
    let (database, _stop) = database(&host).await;
    let port = database.port().to_string();
    let service = service(&host, &[("DB_PORT", &port), ("DB_NAME", "nowhere")]).await;
    let (status, body) = ask(&host, service.address, "GET /data").await;
    assert_eq!(status, 503);
    assert!(body.contains("3D000"), "{body}");
}

#[tokio::test]
async fn users_are_added_and_counted() {
    let host = Host::real();
    let (database, _stop) = database(&host).await;
    let port = database.port().to_string();
    let service = service(&host, &[("DB_PORT", &port)]).await;
    let count = async || ask(&host, service.address, "GET /users").await;
    let users = |n: u32| (200, format!(r#"{{"users":{n},"pod":"backend1"}}"#));
    assert_eq!(count().await, users(0));
    let added = ask(&host, service.address, "POST /users\nO'Brien").await;
    assert_eq!(added, (201, r#"{"id":1,"pod":"backend1"}"#.to_owned()));
    assert_eq!(count().await, users(1));
    // What would end the statement is a part of the name.
    let hostile = "POST /users\n'); DELETE FROM users; --";
    assert_eq!(ask(&host, service.address, hostile).await.0, 201);
    assert_eq!(count().await, users(2));
}

#[tokio::test]
async fn in_kubernetes_a_pod_says_its_name_and_a_failure_can_be_a_200() {
    let host = Host::real();
    let nobody = free_port(&host).to_string();
    let env = [
        ("DB_PORT", nobody.as_str()),
        ("DB_ERROR_STATUS", "200"),
        ("HEALTH_FORMAT", "json"),
    ];
    let service = service(&host, &env).await;
    let health = r#"{"status":"OK","pod":"backend1"}"#.to_owned();
    assert_eq!(
        ask(&host, service.address, "GET /health").await,
        (200, health)
    );
    let (status, body) = ask(&host, service.address, "GET /users").await;
    assert_eq!(status, 200);
    assert!(
        body.starts_with(r#"{"error":"no connection"#) && body.ends_with(r#","pod":"backend1"}"#),
        "{body}"
    );
    // A readiness is no answer to a user: it tells the truth in any case.
    assert_eq!(ask(&host, service.address, "GET /ready").await.0, 503);
}

#[tokio::test]
async fn writes_go_to_the_primary_and_reads_do_not() {
    let host = Host::real();
    let (replica, _stop) = database(&host).await;
    let (primary, _stop_too) = database(&host).await;
    let (read, write) = (replica.port().to_string(), primary.port().to_string());
    let env = [
        ("DB_PORT", read.as_str()),
        ("DB_WRITE_HOST", "127.0.0.1"),
        ("DB_WRITE_PORT", write.as_str()),
    ];
    let service = service(&host, &env).await;
    let added = ask(&host, service.address, "POST /users\nDora").await;
    assert_eq!(added, (201, r#"{"id":1,"pod":"backend1"}"#.to_owned()));
    let users = (200, r#"{"users":0,"pod":"backend1"}"#.to_owned());
    assert_eq!(ask(&host, service.address, "GET /users").await, users);
}

/// A database that never answers, and how many came.
fn silent_database(host: &Host) -> (String, Arc<AtomicUsize>) {
    let mut listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let came = Arc::new(AtomicUsize::new(0));
    let count = came.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    (port, came)
}

#[tokio::test]
async fn ready_is_who_reaches_a_database_within_the_deadline() {
    let host = Host::real();
    let (database, _stop) = database(&host).await;
    let port = database.port().to_string();
    let good = service(&host, &[("DB_PORT", &port)]).await;
    let ready = r#"{"ready":true,"pod":"backend1"}"#.to_owned();
    assert_eq!(ask(&host, good.address, "GET /ready").await, (200, ready));

    let (port, _) = silent_database(&host);
    let env = [("DB_PORT", port.as_str()), ("READY_TIMEOUT_MS", "50")];
    let bad = service(&host, &env).await;
    let (status, body) = ask(&host, bad.address, "GET /ready").await;
    assert_eq!(status, 503);
    assert!(body.contains("within 50ms"), "{body}");
}

#[tokio::test]
async fn probes_are_no_load_for_the_database() {
    let host = Host::real();
    let (port, came) = silent_database(&host);
    let env = [("DB_PORT", port.as_str()), ("READY_TIMEOUT_MS", "200")];
    let service = service(&host, &env).await;
    let probes: Vec<_> = (0..50)
        .map(|_| {
            let (host, address) = (host.clone(), service.address);
            tokio::spawn(async move { ask(&host, address, "GET /ready").await.0 })
        })
        .collect();
    for probe in probes {
        assert_eq!(probe.await.unwrap(), 503);
    }
    // More than one only where 50 probes take longer than an answer stands.
    let came = came.load(Ordering::SeqCst);
    assert!((1..10).contains(&came), "{came} connections for 50 probes");
}

#[tokio::test]
async fn who_is_told_to_stop_is_not_ready_and_serves_on_for_the_delay() {
    let host = Host::real();
    let (database, _stop) = database(&host).await;
    let port = database.port().to_string();
    let delay = ("SHUTDOWN_DELAY_MS", "3600000");
    let late = service(&host, &[("DB_PORT", &port), delay]).await;
    assert_eq!(ask(&host, late.address, "GET /ready").await.0, 200);
    late.stop.request();
    let (status, body) = ask(&host, late.address, "GET /ready").await;
    assert_eq!(status, 503);
    assert!(body.contains("about to stop"), "{body}");
    assert_eq!(ask(&host, late.address, "GET /users").await.0, 200);
    assert!(!late.ended.is_finished());
    late.ended.abort();

    // Once the delay is over, it ends.
    let soon = service(&host, &[("DB_PORT", &port), ("SHUTDOWN_DELAY_MS", "1")]).await;
    soon.stop.request();
    let ended = tokio::time::timeout(PATIENCE, soon.ended).await;
    assert!(ended.unwrap().unwrap());
    assert!(host.net.connect(soon.address).await.is_err());
}
