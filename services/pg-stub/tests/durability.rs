//! What is left after a kill, a stop, a torn write and a spoiled disk.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::disk::MemoryDisk;
use support::{code, start, start_on, start_with, value};

const COUNT: &str = "SELECT count(*) FROM t";

async fn with_rows() -> support::Server {
    let server = start(&[]).await;
    let client = server.connect().await;
    let sql = "CREATE TABLE t (id serial PRIMARY KEY, v text, n numeric, b bytea, f float8);
        INSERT INTO t (v, n, b, f) VALUES ('a', 1.50, '\\x00ff', 0.1), (NULL, NULL, NULL, NULL);
        CREATE ROLE app LOGIN PASSWORD 'pw';
        CREATE VIEW big AS SELECT * FROM t WHERE id > 1";
    client.batch_execute(sql).await.unwrap();
    client.batch_execute("CREATE DATABASE other").await.unwrap();
    server
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let server = with_rows().await;
    let client = server.connect().await;
    client
        .batch_execute("BEGIN; INSERT INTO t (v) VALUES ('open')")
        .await
        .unwrap();
    let disk = server.kill().await;
    let server = start_on(&disk, &[], &[]).await;
    assert!(
        server.log.has("automatic recovery in progress"),
        "{}",
        server.log.all()
    );
    let client = server.connect().await;
    assert_eq!(value(&client, COUNT).await, "2");
    let row = "SELECT v || n || encode(b, 'hex') || f FROM t WHERE id = 1";
    assert_eq!(value(&client, row).await, "a1.5000ff0.1");
    assert_eq!(value(&client, "SELECT count(*) FROM big").await, "1");
    // Serials go on behind what was given out, with PostgreSQL's gap of at most 32.
    client
        .batch_execute("INSERT INTO t (v) VALUES ('b')")
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT max(id) FROM t").await, "34");
    assert!(server.try_connect("app", "pw", "other").await.is_ok());
}

#[tokio::test]
async fn a_stop_makes_a_checkpoint_and_leaves_no_gap() {
    let disk = with_rows().await.shut_down().await;
    let server = start_on(&disk, &[], &[]).await;
    assert!(
        server.log.has("database system was shut down at"),
        "{}",
        server.log.all()
    );
    assert!(!server.log.has("recovery"), "{}", server.log.all());
    let client = server.connect().await;
    client
        .batch_execute("INSERT INTO t (v) VALUES ('b')")
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT max(id) FROM t").await, "3");
}

#[tokio::test]
async fn scripts_run_at_the_first_start_only() {
    let files = [(
        "/docker-entrypoint-initdb.d/1.sql",
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
    )];
    let disk = start_with(&[], &files).await.kill().await;
    let server = start_on(&disk, &[], &files).await;
    assert!(
        server.log.has("Skipping initialization"),
        "{}",
        server.log.all()
    );
    assert_eq!(value(&server.connect().await, COUNT).await, "1");
}

#[tokio::test]
async fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let server = with_rows().await;
    let client = server.connect().await;
    let whole = {
        let path = server.disk.wal().pop().unwrap();
        server.disk.with(|files| files[&path].len())
    };
    client
        .batch_execute("INSERT INTO t (v) VALUES ('last')")
        .await
        .unwrap();
    let disk = server.kill().await;
    let path = disk.wal().pop().unwrap();
    let full = disk.with(|files| files.clone());
    let length = full[&path].len();
    assert!(length > whole);
    for cut in (whole..=length).step_by(13).chain([length]) {
        let torn = MemoryDisk::default();
        torn.with(|files| {
            *files = full.clone();
            files.get_mut(&path).unwrap().truncate(cut);
            // The file's length can reach the disk before its content.
            files.get_mut(&path).unwrap().extend([0; 40]);
        });
        let server = start_on(&torn, &[], &[]).await;
        let client = server.connect().await;
        // Zeros where a record ends in zeros make it whole again.
        let is_whole = full[&path][cut..].iter().all(|byte| *byte == 0);
        let expected = if is_whole { "3" } else { "2" };
        assert_eq!(value(&client, COUNT).await, expected, "cut at {cut}");
        client
            .batch_execute("INSERT INTO t (v) VALUES ('after')")
            .await
            .unwrap();
        let server = start_on(&server.kill().await, &[], &[]).await;
        let again = value(&server.connect().await, COUNT).await;
        assert_eq!(
            again.parse::<i32>().unwrap(),
            expected.parse::<i32>().unwrap() + 1
        );
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_refused_with_its_place() {
    let server = with_rows().await;
    let client = server.connect().await;
    for _ in 0..3 {
        client
            .batch_execute("INSERT INTO t (v) VALUES ('x')")
            .await
            .unwrap();
    }
    let disk = server.kill().await;
    let path = disk.wal().pop().unwrap();
    disk.with(|files| files.get_mut(&path).unwrap()[100] ^= 1);
    let server = start_on(&disk, &[], &[]).await;
    assert!(server.ended.is_finished(), "{}", server.log.all());
    let error = server.ended.await.unwrap().unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("byte 0"), "{error}");
    assert!(
        error.contains("incorrect resource manager data checksum"),
        "{error}"
    );
}

#[tokio::test]
async fn a_commit_is_answered_after_its_sync_and_one_sync_serves_many() {
    let server = with_rows().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let client = server.connect().await;
        client
            .batch_execute("CREATE DATABASE x")
            .await
            .unwrap_or(());
        clients.push(client);
    }
    server.disk.hold_syncs(true);
    let before = server.disk.syncs();
    let roles = clients.iter().enumerate().map(|(i, client)| async move {
        client
            .batch_execute(&format!("CREATE ROLE r{i}"))
            .await
            .unwrap();
    });
    let all = futures::future::join_all(roles);
    tokio::pin!(all);
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut all).await;
    assert!(waited.is_err(), "answered before the sync");
    let off = server.connect().await;
    off.batch_execute("SET synchronous_commit = off; CREATE ROLE quick")
        .await
        .unwrap();
    server.disk.hold_syncs(false);
    all.await;
    assert!(
        server.disk.syncs() - before <= 3,
        "{}",
        server.disk.syncs() - before
    );
    // What nobody waits for is synced all the same.
    let path = server.disk.wal().pop().unwrap();
    server
        .until(|s| {
            s.disk
                .with(|files| files[&path].windows(5).any(|w| w == b"quick"))
        })
        .await;
}

#[tokio::test]
async fn a_row_is_seen_by_others_only_when_it_is_durable() {
    let server = with_rows().await;
    let (writer, reader) = (server.connect().await, server.connect().await);
    server.disk.hold_syncs(true);
    let writing = writer.batch_execute("INSERT INTO t (v) VALUES ('x')");
    tokio::pin!(writing);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut writing)
            .await
            .is_err()
    );
    assert_eq!(value(&reader, COUNT).await, "2");
    server.disk.hold_syncs(false);
    writing.await.unwrap();
    assert_eq!(value(&reader, COUNT).await, "3");
}

#[tokio::test]
async fn a_failed_sync_ends_the_server() {
    let server = with_rows().await;
    let client = server.connect().await;
    server.disk.fail_syncs();
    let failed = client
        .batch_execute("INSERT INTO t (v) VALUES ('x')")
        .await
        .unwrap_err();
    assert!(failed.as_db_error().is_none(), "{failed}");
    server.until(|s| s.ended.is_finished()).await;
    let error = server.ended.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("could not fsync file"), "{error}");
    assert!(
        server.log.has("PANIC:  could not fsync file"),
        "{}",
        server.log.all()
    );
}

#[tokio::test]
async fn a_checkpoint_drops_the_log_before_it() {
    let server = start(&["-c", "max_wal_size=64kB"]).await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (v text)")
        .await
        .unwrap();
    for _ in 0..60 {
        client
            .batch_execute("INSERT INTO t VALUES (repeat('x', 3000))")
            .await
            .unwrap();
    }
    server.until(|s| s.log.has("checkpoint complete")).await;
    let disk = server.kill().await;
    let left: usize = disk
        .wal()
        .iter()
        .map(|p| disk.with(|files| files[p].len()))
        .sum();
    assert!(left < 120_000, "{left} bytes of log are left of 180 kB");
    let server = start_on(&disk, &[], &[]).await;
    assert_eq!(value(&server.connect().await, COUNT).await, "60");
}

#[tokio::test]
async fn nobody_comes_in_before_recovery_is_done() {
    let disk = with_rows().await.kill().await;
    disk.hold_syncs(true);
    let config = support::load(&[], &[], &[]);
    let (host, _) = support::machine(&disk);
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let run = squall_pg_stub::server::run_on(
        config,
        host.clone(),
        vec![listener],
        squall_host::Shutdown::never(),
    );
    let running = tokio::spawn(run);
    let connect = async || {
        let stream = host.net.connect(address).await.unwrap();
        let config = tokio_postgres::Config::new()
            .user("postgres")
            .dbname("postgres")
            .clone();
        config.connect_raw(stream, tokio_postgres::NoTls).await
    };
    assert_eq!(code(&connect().await.err().unwrap()), "57P03");
    disk.hold_syncs(false);
    for _ in 0..500 {
        if connect().await.is_ok() {
            running.abort();
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never open");
}
