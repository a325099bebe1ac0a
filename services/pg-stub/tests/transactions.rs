//! What two sessions see of each other.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{code, rows, start, value};

const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 10), (2, 20)";

#[tokio::test]
async fn nobody_sees_what_is_not_committed() {
    let server = start(&[]).await;
    let (one, two) = (server.connect().await, server.connect().await);
    one.batch_execute(TABLE).await.unwrap();
    one.batch_execute("BEGIN; UPDATE t SET n = 11 WHERE id = 1; INSERT INTO t VALUES (3, 30); DELETE FROM t WHERE id = 2").await.unwrap();
    let all = "SELECT string_agg(id || ':' || n, ' ' ORDER BY id) FROM t";
    assert_eq!(value(&one, all).await, "1:11 3:30");
    assert_eq!(value(&two, all).await, "1:10 2:20");
    // A reader in a block sees each commit as it comes: READ COMMITTED.
    two.batch_execute("BEGIN").await.unwrap();
    assert_eq!(value(&two, all).await, "1:10 2:20");
    one.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value(&two, all).await, "1:11 3:30");
    two.batch_execute("COMMIT").await.unwrap();
    one.batch_execute("BEGIN; DELETE FROM t; ROLLBACK")
        .await
        .unwrap();
    assert_eq!(value(&two, all).await, "1:11 3:30");
}

#[tokio::test]
async fn the_committed_side_holds_after_every_kind_of_change() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (id serial PRIMARY KEY, v text UNIQUE)")
        .await
        .unwrap();
    client
        .batch_execute("INSERT INTO t (v) VALUES ('a'), ('b'), ('c')")
        .await
        .unwrap();
    // Values that change places collide on the way, and not in the end.
    client
        .batch_execute("BEGIN; UPDATE t SET v = 'x' WHERE v = 'a'; UPDATE t SET v = 'a' WHERE v = 'b'; UPDATE t SET v = 'b' WHERE v = 'x'; COMMIT")
        .await
        .unwrap();
    let all = "SELECT string_agg(id || v, ' ' ORDER BY id) FROM t";
    assert_eq!(value(&client, all).await, "1b 2a 3c");
    client
        .batch_execute("BEGIN; ALTER TABLE t ADD COLUMN n int DEFAULT 5; UPDATE t SET n = 6 WHERE id = 1; SAVEPOINT s; DROP TABLE t; ROLLBACK TO s; DELETE FROM t WHERE id = 3; COMMIT")
        .await
        .unwrap();
    assert_eq!(
        rows(&client, "SELECT id, n FROM t ORDER BY id").await.len(),
        2
    );
    assert_eq!(value(&client, "SELECT sum(n) FROM t").await, "11");
    client.batch_execute("DELETE FROM t").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
    client
        .batch_execute("INSERT INTO t (v) VALUES ('z')")
        .await
        .unwrap();
    // A sequence does not go back.
    assert_eq!(value(&client, "SELECT id FROM t").await, "4");
    client
        .batch_execute("TRUNCATE t RESTART IDENTITY; INSERT INTO t (v) VALUES ('z')")
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT id FROM t").await, "1");
    let error = client
        .batch_execute("BEGIN; DROP TABLE t; SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "22012");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn a_failed_block_only_ends() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client.batch_execute(TABLE).await.unwrap();
    client
        .batch_execute("BEGIN; INSERT INTO t VALUES (3, 30)")
        .await
        .unwrap();
    let error = client.batch_execute("SELECT 1/0").await.unwrap_err();
    assert_eq!(code(&error), "22012");
    let error = client.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(code(&error), "25P02");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "2");
    client
        .batch_execute("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (4, 40)")
        .await
        .unwrap();
    client.batch_execute("SELECT 1/0").await.unwrap_err();
    client
        .batch_execute("ROLLBACK TO a; INSERT INTO t VALUES (5, 50); COMMIT")
        .await
        .unwrap();
    assert_eq!(value(&client, "SELECT max(id) FROM t").await, "5");
}

#[tokio::test]
async fn a_second_writer_waits_for_the_first() {
    let server = start(&[]).await;
    let (one, two) = (server.connect().await, server.connect().await);
    one.batch_execute(TABLE).await.unwrap();
    one.batch_execute("BEGIN; UPDATE t SET n = n + 1 WHERE id = 1")
        .await
        .unwrap();
    two.batch_execute("SET lock_timeout = 30").await.unwrap();
    let error = two
        .batch_execute("UPDATE t SET n = n + 1 WHERE id = 1")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "55P03");
    two.batch_execute("SET lock_timeout = 0").await.unwrap();
    let (updated, ()) = tokio::join!(
        two.execute("UPDATE t SET n = n + 1 WHERE id = 1", &[]),
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            one.batch_execute("COMMIT").await.unwrap();
        }
    );
    assert_eq!(updated.unwrap(), 1);
    assert_eq!(value(&one, "SELECT n FROM t WHERE id = 1").await, "12");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let server = start(&[]).await;
    let (one, two) = (server.connect().await, server.connect().await);
    one.batch_execute(TABLE).await.unwrap();
    one.batch_execute("BEGIN; DELETE FROM t").await.unwrap();
    drop(one);
    two.execute("UPDATE t SET n = 0 WHERE id = 1", &[])
        .await
        .unwrap();
    assert_eq!(value(&two, "SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn a_read_only_transaction_does_not_write() {
    let server = start(&[]).await;
    let mut client = server.connect().await;
    client.batch_execute(TABLE).await.unwrap();
    let transaction = client
        .build_transaction()
        .read_only(true)
        .start()
        .await
        .unwrap();
    let error = transaction.execute("DELETE FROM t", &[]).await.unwrap_err();
    assert_eq!(code(&error), "25006");
    drop(transaction);
    client
        .batch_execute("SET default_transaction_read_only = on")
        .await
        .unwrap();
    let error = client
        .batch_execute("CREATE TABLE x (a int)")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "25006");
}

#[tokio::test]
async fn a_serializable_transaction_sees_one_state() {
    let server = start(&[]).await;
    let (one, two) = (server.connect().await, server.connect().await);
    one.batch_execute(TABLE).await.unwrap();
    one.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        .await
        .unwrap();
    assert_eq!(value(&one, "SELECT n FROM t WHERE id = 1").await, "10");
    let (updated, seen) = tokio::join!(
        two.execute("UPDATE t SET n = 99 WHERE id = 1", &[]),
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let seen = value(&one, "SELECT n FROM t WHERE id = 1").await;
            one.batch_execute("COMMIT").await.unwrap();
            seen
        }
    );
    assert_eq!((updated.unwrap(), seen.as_str()), (1, "10"));
}
