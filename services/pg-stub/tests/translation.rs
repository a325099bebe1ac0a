//! Translation is total: any text ends in an answer or an error with a SQLSTATE, never a panic.

#![allow(clippy::unwrap_used)]

mod support;

use support::{code, start, value};

/// Pieces of which statements are made; the tables `t` and `u` exist.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "t",
    "u",
    "a",
    "b",
    "c",
    "*",
    ",",
    "(",
    ")",
    "WHERE",
    "=",
    "<",
    "+",
    "-",
    "/",
    "||",
    "AND",
    "OR",
    "NOT",
    "1",
    "'x'",
    "'2020-01-01'",
    "NULL",
    "::int",
    "::text",
    "::timestamptz",
    "::numeric(5,2)",
    "count(*)",
    "sum(a)",
    "max(b)",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "INSERT INTO t",
    "VALUES",
    "UPDATE t SET",
    "DELETE FROM t",
    "RETURNING",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING",
    "AS",
    "x",
    "WITH",
    "UNION",
    "ALL",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "IN",
    "BETWEEN",
    "IS NULL",
    "LIKE",
    "EXISTS",
    "DISTINCT",
    "now()",
    "length(b)",
    "$1",
    "CREATE TABLE",
    "DROP TABLE",
    "PRIMARY KEY",
    "DEFAULT",
    "coalesce(a, 1)",
    "interval '1 day'",
    "ARRAY[1,2]",
    "ANY",
    "generate_series(1, 3)",
    "lower(b)",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    ";",
    "SET",
    "SHOW",
    "TO",
    "OVER ()",
    "HAVING",
    "ON CONFLICT DO NOTHING",
    "true",
    "1.5",
    "-1",
];

#[tokio::test]
async fn no_statement_takes_the_server_down() {
    let server = start(&[]).await;
    let client = server.connect().await;
    let tables = "CREATE TABLE t (a int, b text, c timestamptz); CREATE TABLE u (a int8, d numeric(6,2)); \
                  INSERT INTO t VALUES (1, 'x', now()); INSERT INTO u VALUES (1, 2.5)";
    client.batch_execute(tables).await.unwrap();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let mut answered = 0;
    for round in 0..3000 {
        let mut words = vec![
            [
                "SELECT",
                "SELECT * FROM t WHERE",
                "INSERT INTO t VALUES (",
                "UPDATE t SET a =",
            ][next(4)],
        ];
        for _ in 0..next(6) + 1 {
            words.push(WORDS[next(WORDS.len())]);
        }
        let sql = words.join(" ");
        match client.simple_query(&sql).await {
            Ok(_) => answered += 1,
            Err(error) => {
                let code = code(&error);
                assert!(
                    code.len() == 5 && code != "XX000",
                    "round {round}: {sql}: {error:?}"
                );
            }
        }
        if let Err(error) = client.prepare(&sql).await {
            assert_ne!(code(&error), "XX000", "round {round}: {sql}: {error:?}");
        }
        let _ = client.simple_query("ROLLBACK").await;
    }
    assert!(
        answered > 20,
        "only {answered} statements of 3000 meant anything"
    );
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

/// A test's thread has 2 MiB of stack and no optimisation: less than any server has.
#[tokio::test]
async fn what_is_as_deep_as_is_allowed_fits_the_stack() {
    let server = start(&[]).await;
    let client = server.connect().await;
    for (operator, operand) in [
        ("+", "1"),
        ("OR", "true"),
        ("||", "'x'"),
        ("UNION ALL", "SELECT 1"),
    ] {
        for count in [100, 200, 300, 390, 450] {
            let chain = vec![operand; count].join(&format!(" {operator} "));
            let sql = if operator == "UNION ALL" {
                chain
            } else {
                format!("SELECT {chain}")
            };
            if let Err(error) = client.simple_query(&sql).await {
                assert!(
                    ["54001", "54000"].contains(&code(&error).as_str()),
                    "{count} {operator}: {error:?}"
                );
            }
        }
    }
    for depth in [10, 40, 49, 60] {
        let nested = format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
        let subqueries = format!("{}1{}", "SELECT (".repeat(depth), ")".repeat(depth));
        for sql in [nested, subqueries] {
            if let Err(error) = client.simple_query(&sql).await {
                assert!(
                    ["54001", "54000"].contains(&code(&error).as_str()),
                    "{depth}: {error:?}"
                );
            }
        }
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
}
