//! Types, prepared statements and errors, with tokio-postgres over real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use futures::TryStreamExt as _;
use support::{code, rows, start, value};
use tokio_postgres::types::{ToSql, Type};

#[tokio::test]
async fn values_travel_in_binary_both_ways() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, s text, \
             v varchar(10), y bytea, ip inet, o oid, a int4[])",
        )
        .await
        .unwrap();
    let ip: std::net::IpAddr = "172.19.0.3".parse().unwrap();
    let array = vec![1i32, 2, 3];
    let values: [&(dyn ToSql + Sync); 12] = [
        &true,
        &-2i16,
        &7i32,
        &9_007_199_254_740_993i64,
        &1.5f32,
        &2.25f64,
        &"text",
        &"short",
        &vec![0u8, 255],
        &ip,
        &42u32,
        &array,
    ];
    let insert = "INSERT INTO t VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12) RETURNING *";
    let row = client.query_one(insert, &values).await.unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i16>(1), -2);
    assert_eq!(row.get::<_, i32>(2), 7);
    assert_eq!(row.get::<_, i64>(3), 9_007_199_254_740_993);
    assert_eq!(row.get::<_, f32>(4), 1.5);
    assert_eq!(row.get::<_, f64>(5), 2.25);
    assert_eq!(row.get::<_, &str>(6), "text");
    assert_eq!(row.get::<_, &str>(7), "short");
    assert_eq!(row.get::<_, Vec<u8>>(8), vec![0, 255]);
    assert_eq!(row.get::<_, std::net::IpAddr>(9), ip);
    assert_eq!(row.get::<_, u32>(10), 42);
    assert_eq!(row.get::<_, Vec<i32>>(11), array);
    let found = client
        .query("SELECT i4 FROM t WHERE i4 = ANY($1)", &[&array])
        .await
        .unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_statement_is_described_before_it_runs() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE u (id int8 PRIMARY KEY, name text, at timestamptz)")
        .await
        .unwrap();
    let sql = "SELECT id, name AS who, count(*) OVER () FROM u WHERE id > $1 AND name LIKE $2 AND at < $3 LIMIT $4";
    let statement = client.prepare(sql).await.unwrap();
    assert_eq!(
        statement.params(),
        [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ, Type::INT8]
    );
    let columns: Vec<(&str, &Type)> = statement
        .columns()
        .iter()
        .map(|c| (c.name(), c.type_()))
        .collect();
    assert_eq!(
        columns,
        [
            ("id", &Type::INT8),
            ("who", &Type::TEXT),
            ("count", &Type::INT8)
        ]
    );
    let insert = client
        .prepare("INSERT INTO u VALUES ($1, $2, $3)")
        .await
        .unwrap();
    assert_eq!(insert.params(), [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ]);
    let now = std::time::SystemTime::now();
    assert_eq!(
        client.execute(&insert, &[&1i64, &"x", &now]).await.unwrap(),
        1
    );
    assert_eq!(
        client
            .execute("UPDATE u SET name = $1::text WHERE id = $2", &[&"y", &1i64])
            .await
            .unwrap(),
        1
    );
    client
        .batch_execute("ALTER TABLE u ADD COLUMN extra int")
        .await
        .unwrap();
    // A plan from before is made anew.
    assert_eq!(
        client.execute(&insert, &[&2i64, &"z", &now]).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_portions() {
    let server = start(&[]).await;
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("SELECT * FROM generate_series(1, 5)", &[])
        .await
        .unwrap();
    let mut sizes = Vec::new();
    loop {
        let portion = transaction.query_portal(&portal, 2).await.unwrap();
        if portion.is_empty() {
            break;
        }
        sizes.push(portion.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn a_large_result_comes_whole() {
    let server = start(&[]).await;
    let client = server.connect().await;
    let parameters: Vec<i32> = Vec::new();
    let stream = client
        .query_raw(
            "SELECT repeat('x', 100) FROM generate_series(1, 20000)",
            parameters,
        )
        .await
        .unwrap();
    let all: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(all.len(), 20_000);
    assert_eq!(all[19_999].get::<_, &str>(0).len(), 100);
}

#[tokio::test]
async fn several_statements_are_one_transaction() {
    let server = start(&[]).await;
    let client = server.connect().await;
    let error = client
        .batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1); SELECT 1 / 0")
        .await
        .unwrap_err();
    assert_eq!(code(&error), "22012");
    let missing = client.batch_execute("SELECT * FROM t").await.unwrap_err();
    assert_eq!(code(&missing), "42P01");
    assert!(rows(&client, "").await.is_empty());
}

#[tokio::test]
async fn errors_have_postgresqls_sqlstates() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute(
            "CREATE TABLE p (id int PRIMARY KEY, name varchar(3) NOT NULL, n int CHECK (n > 0)); \
             CREATE TABLE c (id int REFERENCES p(id)); INSERT INTO p VALUES (1, 'one', 1)",
        )
        .await
        .unwrap();
    let cases = [
        ("SELEC 1", "42601"),
        ("SELECT * FROM nope", "42P01"),
        ("SELECT nope FROM p", "42703"),
        ("SELECT nope(1)", "42883"),
        ("SELECT 1 = 'x'::text", "42883"),
        ("INSERT INTO p VALUES (1, 'one', 1)", "23505"),
        ("INSERT INTO p VALUES (2, NULL, 1)", "23502"),
        ("INSERT INTO p VALUES (2, 'two', 0)", "23514"),
        ("INSERT INTO p VALUES (2, 'three', 1)", "22001"),
        ("INSERT INTO c VALUES (7)", "23503"),
        ("INSERT INTO p VALUES ('x', 'two', 1)", "22P02"),
        ("SELECT 2147483647 + 1", "22003"),
        ("SELECT 9223372036854775807 + 1", "22003"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT 1.0 / 0", "22012"),
        ("CREATE TABLE p (a int)", "42P07"),
        ("COPY p FROM stdin", "0A000"),
        ("SELECT DISTINCT ON (id) * FROM p", "0A000"),
        ("SET nonsense = 1", "42704"),
        ("SELECT 'x'::nonsense", "42704"),
        ("SELECT count(*) FROM p WHERE count(*) > 1", "42803"),
        ("EXECUTE nothing", "26000"),
        (
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
            "54000",
        ),
        ("SELECT repeat('x', 2000000000)", "54000"),
    ];
    for (sql, expected) in cases {
        let error = client.simple_query(sql).await.expect_err(sql);
        assert_eq!(code(&error), expected, "{sql}: {error:?}");
        if let Err(error) = client.query(sql, &[]).await {
            assert_eq!(code(&error), expected, "extended: {sql}");
        } else {
            panic!("extended: {sql}");
        }
    }
    assert_eq!(value(&client, "SELECT count(*) FROM p").await, "1");
}

#[tokio::test]
async fn literals_that_look_like_our_own_marks_stay_what_they_are() {
    let server = start(&[]).await;
    let client = server.connect().await;
    assert_eq!(
        value(&client, "SELECT replace('a{1}{2}', '{1}', '{0}')").await,
        "a{0}{2}"
    );
    let counted = "SELECT string_agg('\u{1}', '') FILTER (WHERE true)";
    assert_eq!(value(&client, counted).await, "\u{1}");
    assert_eq!(
        value(&client, "SELECT 'it''s \"so\" ?1 $1 -- /*'").await,
        "it's \"so\" ?1 $1 -- /*"
    );
    client.batch_execute("CREATE TABLE \"odd \"\"name\" (\"a \"\"b\" int); INSERT INTO \"odd \"\"name\" VALUES (1)").await.unwrap();
    assert_eq!(
        value(&client, "SELECT \"a \"\"b\" FROM \"odd \"\"name\"").await,
        "1"
    );
}

/// A statement of a megabyte is translated in a time that grows as it does.
#[tokio::test]
async fn a_long_insert_is_not_slow() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (a int, b text)")
        .await
        .unwrap();
    let rows: Vec<String> = (0..20_000).map(|i| format!("({i}, 'row {i}')")).collect();
    let insert = format!("INSERT INTO t VALUES {}", rows.join(", "));
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, client.batch_execute(&insert))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(value(&client, "SELECT sum(a) FROM t").await, "199990000");
}

#[tokio::test]
async fn drivers_find_types_and_tables_in_the_catalogs() {
    let server = start(&[]).await;
    let client = server.connect().await;
    client
        .batch_execute("CREATE TABLE t (id int, name text)")
        .await
        .unwrap();
    let row = client
        .query_one(
            "SELECT t.typname, t.typtype, t.typelem, r.rngsubtype, t.typbasetype, n.nspname, t.typrelid \
             FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid \
             INNER JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = $1",
            &[&1007u32],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "_int4");
    assert_eq!(row.get::<_, u32>(2), 23);
    assert_eq!(row.get::<_, &str>(5), "pg_catalog");
    let sql = "SELECT column_name FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position";
    assert_eq!(
        rows(&client, sql).await,
        [[Some("id".to_owned())], [Some("name".to_owned())]]
    );
    assert_eq!(
        value(
            &client,
            "SELECT setting FROM pg_settings WHERE name = 'max_connections'"
        )
        .await,
        "100"
    );
    assert_eq!(
        value(&client, "SELECT count(*) FROM pg_stat_activity").await,
        "1"
    );
}
