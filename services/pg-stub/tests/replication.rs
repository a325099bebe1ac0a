//! Streaming replication between servers on this machine: copies, lag, reconnects, synchronous
//! commit, promotion.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use squall_host::Shutdown;
use support::disk::MemoryDisk;
use support::{Server, code, rows, start, start_on, start_with, value};
use tokio_postgres::{Client, NoTls};

const COUNT: &str = "SELECT count(*) FROM users";
const HBA: &[(&str, &str)] = &[(
    "/hba",
    "host replication repl all scram-sha-256\nhost all all all trust\n",
)];
const SCHEMA: &str = "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL);
    INSERT INTO users (name) VALUES ('Alice'), ('Bob'), ('Carol');
    CREATE ROLE repl REPLICATION LOGIN PASSWORD 'repl'";

/// A primary as the seed has it, with settings.
async fn primary(settings: &[&str]) -> Server {
    let mut args = vec!["-c", "hba_file=/hba"];
    args.extend(settings.iter().flat_map(|setting| ["-c", setting]));
    let server = start_with(&args, HBA).await;
    let client = server.connect().await;
    // No standby is there yet that could be waited for.
    let sql = format!("SET synchronous_commit = local; {SCHEMA}");
    client.batch_execute(&sql).await.unwrap();
    server
}

/// A replica by its image's steps, on a port that is free.
async fn replica(disk: &MemoryDisk, of: SocketAddr, settings: &[&str]) -> Server {
    let (host, log) = support::machine(disk);
    let free = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let port = format!("port={}", address.port());
    let mut args = vec!["-c", "listen_addresses=127.0.0.1", "-c", &port];
    args.extend(["-c", "wal_retrieve_retry_interval=50ms"]);
    args.extend(settings.iter().flat_map(|setting| ["-c", setting]));
    let primary_port = of.port().to_string();
    let env = [
        ("PRIMARY_HOST", "127.0.0.1"),
        ("PRIMARY_PORT", primary_port.as_str()),
        ("REPL_USER", "repl"),
        ("REPLICATION_PASSWORD", "repl"),
    ];
    let config = support::load(&args, &env, &[]);
    let (stop, shutdown) = Shutdown::new();
    let ended = tokio::spawn(squall_pg_stub::run(config, host.clone(), shutdown));
    Server {
        address,
        host,
        disk: disk.clone(),
        log,
        stop,
        ended,
    }
}

/// A replica that takes reads and follows.
async fn following(of: SocketAddr, settings: &[&str]) -> Server {
    let server = replica(&MemoryDisk::default(), of, settings).await;
    server.until(|s| s.log.has("started streaming")).await;
    server
}

async fn until(client: &Client, sql: &str, expected: &str) {
    for _ in 0..3000 {
        if value(client, sql).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{sql}: {} and not {expected}", value(client, sql).await);
}

#[tokio::test]
async fn rows_arrive_and_cannot_be_written_there() {
    let primary = primary(&[]).await;
    let replica = following(primary.address, &[]).await;
    for line in [
        "waiting for DNS",
        "accepting connections",
        "pg_basebackup",
        "(100%), 1/1 tablespace",
        "entering standby mode",
        "consistent recovery state reached at",
        "ready to accept read-only connections",
    ] {
        assert!(replica.log.has(line), "{line}\n{}", replica.log.all());
    }
    let (writer, reader) = (primary.connect().await, replica.connect().await);
    until(&reader, COUNT, "3").await;
    writer.batch_execute("INSERT INTO users (name) VALUES ('Dave'); CREATE TABLE t (a int); CREATE ROLE app LOGIN").await.unwrap();
    writer.batch_execute("CREATE DATABASE later").await.unwrap();
    until(&reader, COUNT, "4").await;
    until(
        &reader,
        "SELECT count(*) FROM pg_database WHERE datname = 'later'",
        "1",
    )
    .await;
    assert_eq!(value(&reader, "SELECT count(*) FROM t").await, "0");
    assert!(replica.try_connect("app", "", "later").await.is_ok());
    for (sql, said) in [
        (
            "INSERT INTO users (name) VALUES ('x')",
            "cannot execute INSERT in a read-only transaction",
        ),
        (
            "CREATE TABLE x (a int)",
            "cannot execute CREATE TABLE in a read-only transaction",
        ),
        (
            "CREATE ROLE x",
            "cannot execute CREATE ROLE in a read-only transaction",
        ),
        (
            "SELECT nextval('users_id_seq')",
            "cannot execute nextval() in a read-only transaction",
        ),
    ] {
        let error = reader.batch_execute(sql).await.unwrap_err();
        assert_eq!(
            (
                code(&error).as_str(),
                error.as_db_error().unwrap().message()
            ),
            ("25006", said)
        );
    }
    let facts = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')";
    assert_eq!(rows(&reader, facts).await[0][0].as_deref(), Some("t"));
    assert_eq!(value(&reader, "SHOW in_hot_standby").await, "on");
    let error = reader
        .batch_execute("SELECT pg_current_wal_lsn()")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "55000");
}

#[tokio::test]
async fn views_and_places_tell_the_lag() {
    let primary = primary(&[]).await;
    let replica = following(primary.address, &["cluster_name=pg1"]).await;
    let (writer, reader) = (primary.connect().await, replica.connect().await);
    let state = "SELECT state FROM pg_stat_replication";
    until(&writer, state, "streaming").await;
    let row = rows(&writer, "SELECT usename, application_name, client_addr, sync_state, sync_priority FROM pg_stat_replication").await;
    let row: Vec<&str> = row[0].iter().map(|cell| cell.as_deref().unwrap()).collect();
    assert_eq!(row, ["repl", "pg1", "127.0.0.1", "async", "0"]);
    assert_eq!(
        value(&reader, "SELECT status FROM pg_stat_wal_receiver").await,
        "streaming"
    );
    reader
        .batch_execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    writer
        .batch_execute("INSERT INTO users (name) VALUES ('Dave')")
        .await
        .unwrap();
    let lag = "SELECT pg_wal_lsn_diff(flush_lsn, replay_lsn) > 0 AND pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) = 0 FROM pg_stat_replication";
    until(&writer, lag, "t").await;
    assert_eq!(value(&reader, COUNT).await, "3");
    assert_eq!(
        value(&reader, "SELECT pg_is_wal_replay_paused()").await,
        "t"
    );
    reader
        .batch_execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();
    until(&reader, COUNT, "4").await;
    until(
        &reader,
        "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()",
        "t",
    )
    .await;
    assert_eq!(
        value(&reader, "SELECT pg_last_xact_replay_timestamp() IS NULL").await,
        "f"
    );
    let now = value(&writer, "SELECT pg_current_wal_lsn()").await;
    assert_eq!(value(&reader, "SELECT pg_last_wal_replay_lsn()").await, now);
}

#[tokio::test]
async fn a_delay_holds_commits_back() {
    let primary = primary(&[]).await;
    let replica = following(primary.address, &["recovery_min_apply_delay=1h"]).await;
    let (writer, reader) = (primary.connect().await, replica.connect().await);
    writer
        .batch_execute("INSERT INTO users (name) VALUES ('Dave')")
        .await
        .unwrap();
    let end = value(&writer, "SELECT pg_current_wal_lsn()").await;
    until(&reader, "SELECT pg_last_wal_receive_lsn()", &end).await;
    assert_eq!(value(&reader, COUNT).await, "3");
}

#[tokio::test]
async fn a_standby_comes_back_after_either_side_was_away() {
    let primary = primary(&[]).await;
    let replica = following(primary.address, &[]).await;
    primary
        .connect()
        .await
        .batch_execute("INSERT INTO users (name) VALUES ('Dave')")
        .await
        .unwrap();
    until(&replica.connect().await, COUNT, "4").await;
    // The standby is killed; it does not copy again.
    let disk = replica.kill().await;
    primary
        .connect()
        .await
        .batch_execute("INSERT INTO users (name) VALUES ('Eve')")
        .await
        .unwrap();
    let again = self::replica(&disk, primary.address, &[]).await;
    again.until(|s| s.log.has("started streaming")).await;
    assert!(
        !again.log.has("running pg_basebackup"),
        "{}",
        again.log.all()
    );
    until(&again.connect().await, COUNT, "5").await;
    // The primary stops and comes back at the same address.
    let (address, host) = (primary.address, primary.host.clone());
    let disk = primary.shut_down().await;
    again
        .until(|s| s.log.has("replication terminated by primary server"))
        .await;
    again
        .until(|s| {
            s.log
                .has("could not connect to the primary server: connection to server at")
        })
        .await;
    let config = support::load(&["-c", "hba_file=/hba"], &[], HBA);
    let listener = loop {
        match host.net.listen(address) {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let (_stop, shutdown) = Shutdown::new();
    let (host, _) = support::machine(&disk);
    tokio::spawn(squall_pg_stub::server::run_on(
        config,
        host.clone(),
        vec![listener],
        shutdown,
    ));
    let back = loop {
        let stream = host.net.connect(address).await.unwrap();
        let config = tokio_postgres::Config::new()
            .user("postgres")
            .dbname("postgres")
            .clone();
        if let Ok((client, connection)) = config.connect_raw(stream, NoTls).await {
            tokio::spawn(connection);
            break client;
        }
    };
    back.batch_execute("INSERT INTO users (name) VALUES ('Frank')")
        .await
        .unwrap();
    until(&again.connect().await, COUNT, "6").await;
}

#[tokio::test]
async fn a_synchronous_commit_waits_for_its_standby() {
    let primary = primary(&["synchronous_standby_names=pg1"]).await;
    let (writer, reader) = (primary.connect().await, primary.connect().await);
    let insert = "INSERT INTO users (name) VALUES ('Dave')";
    // Nobody is there: a cancel ends the wait, and the row stays.
    let token = writer.cancel_token();
    let writing = writer.batch_execute(insert);
    tokio::pin!(writing);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut writing)
            .await
            .is_err()
    );
    assert_eq!(value(&reader, COUNT).await, "3");
    token
        .cancel_query_raw(primary.stream().await, NoTls)
        .await
        .unwrap();
    writing.await.unwrap();
    let said = "WARNING:  canceling wait for synchronous replication due to user request";
    assert!(primary.log.has(said), "{}", primary.log.all());
    assert_eq!(value(&reader, COUNT).await, "4");
    // `local` does not wait.
    reader
        .batch_execute(&format!("SET synchronous_commit = local; {insert}"))
        .await
        .unwrap();
    // One of another name does not count.
    let other = following(primary.address, &["cluster_name=pg2"]).await;
    let writing = writer.batch_execute(insert);
    tokio::pin!(writing);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut writing)
            .await
            .is_err()
    );
    let replica = following(primary.address, &["cluster_name=pg1"]).await;
    writing.await.unwrap();
    let order = "SELECT application_name || ' ' || sync_state FROM pg_stat_replication WHERE application_name = ";
    until(&reader, &format!("{order}'pg1'"), "pg1 sync").await;
    until(&reader, &format!("{order}'pg2'"), "pg2 async").await;
    // What is acknowledged with remote_apply can be read there at once.
    writer
        .batch_execute(&format!("SET synchronous_commit = remote_apply; {insert}"))
        .await
        .unwrap();
    assert_eq!(value(&replica.connect().await, COUNT).await, "7");
    drop(other);
}

#[tokio::test]
async fn a_promoted_standby_writes_and_others_follow_it() {
    let primary = primary(&[]).await;
    let one = following(primary.address, &[]).await;
    let old = primary.kill().await;
    // A standby of the standby follows it over the change.
    let cascade = following_of(&one, &[]).await;
    let client = one.connect().await;
    assert_eq!(value(&client, "SELECT pg_promote()").await, "t");
    assert_eq!(value(&client, "SELECT pg_is_in_recovery()").await, "f");
    assert!(
        one.log.has("selected new timeline ID: 2"),
        "{}",
        one.log.all()
    );
    client
        .batch_execute("INSERT INTO users (name) VALUES ('new')")
        .await
        .unwrap();
    until(&cascade.connect().await, COUNT, "4").await;
    assert!(
        cascade.log.has("new target timeline is 2"),
        "{}",
        cascade.log.all()
    );
    assert_eq!(
        code(
            &client
                .batch_execute("SELECT pg_promote()")
                .await
                .unwrap_err()
        ),
        "55000"
    );
    // The old primary has gone on alone, and is refused.
    let alone = start_on(&old, &["-c", "hba_file=/hba"], HBA).await;
    alone
        .connect()
        .await
        .batch_execute("INSERT INTO users (name) VALUES ('lost')")
        .await
        .unwrap();
    let old = alone.kill().await;
    old.with(|files| {
        let data = "/var/lib/postgresql/data";
        files.insert(format!("{data}/standby.signal"), Vec::new());
    });
    let conninfo = format!(
        "primary_conninfo=host=127.0.0.1 port={} user=repl password=repl",
        one.address.port()
    );
    let args = ["-c", &conninfo, "-c", "wal_retrieve_retry_interval=50ms"];
    let refused = start_on(&old, &args, &[]).await;
    refused.until(|s| s.log.has("new timeline 2 forked off current database system timeline 1 before current recovery point")).await;
    // After a kill the new primary is still one, on its timeline.
    let again = start_on(&one.kill().await, &[], &[]).await;
    let client = again.connect().await;
    assert_eq!(value(&client, COUNT).await, "4");
    assert_eq!(value(&client, "SELECT pg_is_in_recovery()").await, "f");
    client
        .batch_execute("INSERT INTO users (name) VALUES ('newer')")
        .await
        .unwrap();
}

/// A standby of a server whose own rules let `repl` in from this machine.
async fn following_of(of: &Server, settings: &[&str]) -> Server {
    following(of.address, settings).await
}

#[tokio::test]
async fn a_file_asks_for_a_promotion() {
    let primary = primary(&[]).await;
    let replica = following(primary.address, &[]).await;
    replica.disk.with(|files| {
        files.insert(
            "/var/lib/postgresql/data/promote.signal".to_owned(),
            Vec::new(),
        )
    });
    replica
        .until(|s| s.log.has("archive recovery complete"))
        .await;
    replica
        .until(|s| {
            s.log
                .has("LOG:  database system is ready to accept connections")
        })
        .await;
    replica
        .connect()
        .await
        .batch_execute("INSERT INTO users (name) VALUES ('x')")
        .await
        .unwrap();
}

#[tokio::test]
async fn only_who_may_follows_and_what_is_not_played_is_refused() {
    let server = start(&["-c", "max_wal_senders=0"]).await;
    let refused = async |server: &Server, user: &str| {
        let stream = server.host.net.connect(server.address).await.unwrap();
        let mut stream = stream;
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        body.extend(format!("user\0{user}\0replication\0true\0\0").bytes());
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend(body);
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        stream.write_all(&packet).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(
        refused(&server, "postgres")
            .await
            .contains("exceeds max_wal_senders (currently 0)")
    );
    server
        .connect()
        .await
        .batch_execute("CREATE ROLE app LOGIN")
        .await
        .unwrap();
    assert!(
        refused(&server, "app")
            .await
            .contains("must be superuser or replication role to start walsender")
    );
    let strict = primary(&[]).await;
    assert!(
        refused(&strict, "postgres")
            .await
            .contains("no pg_hba.conf entry for replication connection")
    );
}
