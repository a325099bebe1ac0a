//! Start-up, authentication, limits, cancel and stop, with tokio-postgres over real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{code, start, start_with, value};
use tokio_postgres::NoTls;

const SCRAM: &[(&str, &str)] = &[("/hba", "host all all all scram-sha-256")];

#[tokio::test]
async fn a_session_knows_where_it_is() {
    let server = start(&[]).await;
    let client = server.connect().await;
    assert_eq!(
        value(&client, "SELECT inet_server_addr()").await,
        "127.0.0.1"
    );
    let port = server.address.port().to_string();
    assert_eq!(value(&client, "SELECT inet_server_port()").await, port);
    assert_eq!(value(&client, "SELECT pg_is_in_recovery()").await, "f");
    assert_eq!(value(&client, "SHOW server_version_num").await, "150014");
    let row = client
        .query_one("SELECT now(), inet_server_addr()", &[])
        .await
        .unwrap();
    let _: std::time::SystemTime = row.get(0);
    let address: std::net::IpAddr = row.get(1);
    assert!(address.is_loopback());
}

#[tokio::test]
async fn scram_lets_in_who_has_the_password() {
    let server = start_with(&["-c", "hba_file=/hba"], SCRAM).await;
    let client = server
        .try_connect("postgres", "secret", "postgres")
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT 1").await, "1");
    let wrong = server
        .try_connect("postgres", "wrong", "postgres")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&wrong), "28P01");
    let nobody = server
        .try_connect("nobody", "secret", "postgres")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&nobody), "28P01");
    client
        .batch_execute("CREATE USER app WITH PASSWORD 'pw'; CREATE ROLE quiet")
        .await
        .unwrap();
    assert!(server.try_connect("app", "pw", "postgres").await.is_ok());
    let app = server
        .try_connect("app", "secret", "postgres")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&app), "28P01");
}

#[tokio::test]
async fn who_may_not_come_in_is_told_why() {
    let rules =
        "host all nologin all trust\nhost secret all all reject\nhost postgres all all trust";
    let server = start_with(&["-c", "hba_file=/hba"], &[("/hba", rules)]).await;
    let refused =
        async |user, database| code(&server.try_connect(user, "", database).await.err().unwrap());
    assert_eq!(refused("postgres", "secret").await, "28000");
    assert_eq!(refused("postgres", "elsewhere").await, "28000");
    assert_eq!(refused("nobody", "postgres").await, "28000");
    let client = server.connect().await;
    client.batch_execute("CREATE ROLE nologin").await.unwrap();
    assert_eq!(refused("nologin", "postgres").await, "28000");
    let trusting = start(&[]).await;
    let error = trusting
        .try_connect("postgres", "", "nowhere")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&error), "3D000");
}

#[tokio::test]
async fn there_are_only_so_many_sessions() {
    let args = [
        "-c",
        "max_connections=3",
        "-c",
        "superuser_reserved_connections=1",
    ];
    let server = start(&args).await;
    let first = server.connect().await;
    first.batch_execute("CREATE USER app").await.unwrap();
    let second = server.try_connect("app", "", "postgres").await.unwrap();
    let reserved = server
        .try_connect("app", "", "postgres")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&reserved), "53300");
    let third = server.connect().await;
    let over = server
        .try_connect("postgres", "", "postgres")
        .await
        .err()
        .unwrap();
    assert_eq!(code(&over), "53300");
    drop((second, third));
    // The server learns of their end in its own time.
    for _ in 0..500 {
        if server.try_connect("postgres", "", "postgres").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no slot came free");
}

#[tokio::test]
async fn a_cancel_ends_a_sleep_and_not_the_session() {
    let server = start(&[]).await;
    let client = server.connect().await;
    let token = client.cancel_token();
    let sleeping = async { client.simple_query("SELECT pg_sleep(600)").await };
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        token
            .cancel_query_raw(server.stream().await, NoTls)
            .await
            .unwrap();
    };
    let (slept, ()) = tokio::join!(sleeping, cancelling);
    assert_eq!(code(&slept.unwrap_err()), "57014");
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn timeouts_end_statements_and_idle_blocks() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute("SET statement_timeout = '20ms'")
        .await
        .unwrap();
    let slept = client.simple_query("SELECT pg_sleep(600)").await;
    assert_eq!(code(&slept.unwrap_err()), "57014");
    client
        .batch_execute("SET idle_in_transaction_session_timeout = 20; BEGIN")
        .await
        .unwrap();
    for _ in 0..500 {
        if client.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the idle block was never ended");
}

#[tokio::test]
async fn a_stop_tells_every_session() {
    let server = start(&[]).await;
    let idle = server.connect().await;
    let busy = server.connect().await;
    let (slept, ()) = tokio::join!(busy.simple_query("SELECT pg_sleep(600)"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.stop.request();
    });
    assert_eq!(code(&slept.unwrap_err()), "57P01");
    server.ended.await.unwrap().unwrap();
    let late = idle.simple_query("SELECT 1").await.unwrap_err();
    assert!(late.is_closed() || code(&late) == "57P01", "{late}");
}

#[tokio::test]
async fn one_session_can_end_another() {
    let server = start(&[]).await;
    let (one, other) = (server.connect().await, server.connect().await);
    let pid = value(&other, "SELECT pg_backend_pid()").await;
    let (ended, said) = tokio::join!(other.simple_query("SELECT pg_sleep(600)"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        value(&one, &format!("SELECT pg_terminate_backend({pid})")).await
    });
    assert_eq!(code(&ended.unwrap_err()), "57P01");
    assert_eq!(said, "t");
}

#[tokio::test]
async fn init_scripts_run_before_the_first_session() {
    let script = "CREATE TABLE users (id serial PRIMARY KEY, name text);\n\
                  INSERT INTO users (name) VALUES ('Alice'), ('Bob');\n\
                  CREATE ROLE repl WITH REPLICATION LOGIN PASSWORD 'repl';";
    let server = start_with(&[], &[("/docker-entrypoint-initdb.d/001.sql", script)]).await;
    let client = server.connect().await;
    assert_eq!(value(&client, "SELECT count(*) FROM users").await, "2");
    let broken = "CREATE TABLE t (a int); INSERT INTO nope VALUES (1);";
    let server = start_with(&[], &[("/docker-entrypoint-initdb.d/001.sql", broken)]).await;
    let error = server.ended.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("001.sql"), "{error}");
    assert!(error.to_string().contains("42P01"), "{error}");
}
