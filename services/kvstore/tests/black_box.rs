//! The store on a real socket: what it answers, and what of that is durable.

#![allow(clippy::unwrap_used)]

mod support;

use squall_host::Host;
use support::disk::TestDisk;
use support::{command, start};

const OK: (u16, String) = (200, String::new());

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[tokio::test]
async fn values_are_put_read_and_listed_as_the_contract_says() {
    let service = start(&TestDisk::default(), &[]).await;
    let mut client = service.client().await;
    assert_eq!(client.ask("GET /api/list", "").await, ok("[]"));
    assert_eq!(
        client.ask("GET /api/get?id=a", "").await,
        ok(r#"{"value":"","version":0}"#)
    );
    // An absent key is version 1 whatever was sent; the method does not matter.
    let put = r#"{"key":"a b","value":"1","version":41}"#;
    assert_eq!(
        client
            .ask("PUT /api/put\nContent-Type: text/plain", put)
            .await,
        OK
    );
    let one = ok(r#"{"value":"1","version":1}"#);
    assert_eq!(client.ask("GET /api/get?id=a%20b", "").await, one);
    assert_eq!(client.ask("GET /api/get?x=1&id=a+b&id=c", "").await, one);
    assert_eq!(client.ask("POST /api/get", r#" "a b" and more"#).await, one);
    assert_eq!(client.ask("POST /api/put", put).await, (428, String::new()));
    let put = r#"{"KEY":"a b","value":"2","version":1,"more":[]} trailing"#;
    assert_eq!(client.ask("GET /api/put", put).await, OK);
    let list = ok(r#"[{"key":"a b","value":"2","version":2}]"#);
    assert_eq!(client.ask("DELETE /api/list", "").await, list);
    assert_eq!(client.ask("GET /api/reset", "").await, OK);
    assert_eq!(client.ask("GET /api/list", "").await, ok("[]"));
    assert_eq!(client.ask("GET /healthz", "").await, ok("OK"));
    let (status, metrics) = client.ask("GET /metrics", "").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("\nkvstore_requests_total 11\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nkvstore_conflicts_total 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn bad_requests_are_answered_and_change_nothing() {
    let env = [
        ("KVSTORE_KEY_BYTES_MAX", "8"),
        ("KVSTORE_PUTS_MAX", "2"),
        ("KVSTORE_BODY_BYTES_MAX", "200"),
    ];
    let service = start(&TestDisk::default(), &env).await;
    let missing = (
        400,
        "No transaction id supplied as query parameter".to_owned(),
    );
    assert_eq!(service.ask("GET /api/get", "").await, missing);
    assert_eq!(service.ask("GET /api/get?id=", "").await, missing);
    let empty = (400, String::new());
    assert_eq!(
        service.ask("POST /api/put", r#"{"value":"1"}"#).await,
        empty
    );
    assert_eq!(service.ask("POST /api/put", "null").await, empty);
    let id = |id: &str| format!("POST /api/transaction\nIdempotency-Key: {id}");
    let long_key = r#"{"key":"123456789","value":"1"}"#;
    let long_body = format!(r#"{{"key":"a","value":"{}"}}"#, "x".repeat(300));
    for (request, body, status) in [
        ("POST /api/get", "", 400),
        ("POST /api/get", "a", 400),
        ("POST /api/get", r#""""#, 400),
        ("DELETE /api/get", r#""a""#, 405),
        ("HEAD /api/get?id=a", "", 405),
        ("POST /api/put", "", 400),
        ("POST /api/put", "[]", 400),
        ("POST /api/put", r#"{"key":"a","version":"1"}"#, 400),
        ("POST /api/put", r#"{"key":"a","version":1.5}"#, 400),
        ("POST /api/put", r#"{"key":"a","value":"b""#, 400),
        ("POST /api/put", long_key, 400),
        ("POST /api/put", &long_body, 413),
        ("POST /api/transaction", "{}", 400),
        ("POST /api/transaction", "[{},{},{}]", 413),
        ("POST /api/transaction", &format!("[{long_key}]"), 400),
        (&id("a b"), "[]", 400),
        (&id("é"), "[]", 400),
        (&id(""), "[]", 400),
        (&id(&"x".repeat(65)), "[]", 400),
        (&format!("{}\nIdempotency-Key: y", id("x")), "[]", 400),
        ("GET /api/nothing", "", 404),
        ("GET /api/get/more?id=a", "", 404),
        ("GET /", "", 404),
    ] {
        let mut client = service.client().await;
        client.send(request, body.as_bytes()).await;
        let said = client.answer().await.map(|(status, _, _)| status);
        assert_eq!(said, Some(status), "{request} {body}");
    }
    assert_eq!(service.ask("GET /api/list", "").await, ok("[]"));
}

#[tokio::test]
async fn a_transaction_is_applied_once_and_wholly_or_not_at_all() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    let with = |id: &str| format!("POST /api/transaction\nIdempotency-Key: {id}");
    let first = r#"[{"key":"a","value":"1"},{"key":"b","value":"-1"}]"#;
    assert_eq!(service.ask(&with("one"), first).await, OK);
    assert_eq!(service.ask(&with("one"), first).await, OK);
    let reused = service.ask(&with("one"), "[]").await;
    assert_eq!(reused.0, 422);
    // The second does not fit: the first is not changed either, and only the second is told.
    let stale = r#"[{"key":"a","value":"2","version":1},{"key":"b","value":"-2","version":7},{"key":"c","value":"0"}]"#;
    let current = (428, r#"[{"key":"b","value":"-1","version":1}]"#.to_owned());
    assert_eq!(service.ask(&with("two"), stale).await, current);
    assert_eq!(service.ask("POST /api/transaction", stale).await, current);
    // What was not applied is not remembered.
    let fresh = stale.replace('7', "1");
    assert_eq!(service.ask(&with("two"), &fresh).await, OK);
    // The same key twice passes twice.
    let twice = r#"[{"key":"d","value":"1"},{"key":"d","value":"2"}]"#;
    assert_eq!(service.ask("POST /api/transaction", twice).await, OK);
    assert_eq!(service.ask("POST /api/transaction", "null").await, OK);
    assert_eq!(
        service.ask("GET /api/get?id=d", "").await,
        ok(r#"{"value":"2","version":2}"#)
    );
    // It is remembered over a kill, a power loss and a reset.
    service.kill().await;
    let service = start(&disk.after_power_loss(&mut 1), &[]).await;
    assert_eq!(service.ask("GET /api/reset", "").await, OK);
    assert_eq!(service.ask(&with("one"), first).await, OK);
    assert_eq!(service.ask("GET /api/list", "").await, ok("[]"));
    // Who remembers a version from before the reset does not bring its value back, unless without a key
    // for idempotency, as the contract has it.
    let old = r#"[{"key":"a","value":"9","version":1}]"#;
    let absent = (428, r#"[{"key":"a","value":"","version":0}]"#.to_owned());
    assert_eq!(service.ask(&with("three"), old).await, absent);
    assert_eq!(service.ask("POST /api/transaction", old).await, OK);
}

#[tokio::test]
async fn an_equal_value_is_enough_only_by_the_setting() {
    let put = r#"{"key":"a","value":"1","version":9}"#;
    for (set, status) in [("refuse", 428), ("accept", 200)] {
        let service = start(&TestDisk::default(), &[("KVSTORE_EQUAL_VALUE", set)]).await;
        assert_eq!(service.ask("POST /api/put", put).await.0, 200);
        assert_eq!(service.ask("POST /api/put", put).await.0, status);
        let list = format!("[{put}]");
        assert_eq!(service.ask("POST /api/transaction", &list).await.0, 428);
        let one = ok(r#"{"value":"1","version":1}"#);
        assert_eq!(service.ask("GET /api/get?id=a", "").await, one);
    }
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    assert_eq!(
        service
            .ask("POST /api/put", r#"{"key":"old","value":"1"}"#)
            .await,
        OK
    );
    disk.hold_syncs(true);
    let transaction = r#"[{"key":"new","value":"1"}]"#;
    let with_id = "POST /api/transaction\nIdempotency-Key: x";
    let mut clients = Vec::new();
    for (request, body) in [
        (with_id, transaction),
        (with_id, transaction),
        ("GET /api/get?id=new", ""),
        ("GET /api/list", ""),
        (
            "POST /api/transaction",
            r#"[{"key":"new","value":"2","version":7}]"#,
        ),
        ("POST /api/put", r#"{"key":"other","value":"1"}"#),
    ] {
        let mut client = service.client().await;
        client.send(request, body.as_bytes()).await;
        clients.push(client);
        // It has come once it is counted.
        let come = format!("kvstore_requests_total {}\n", clients.len() + 1);
        while !service.ask("GET /metrics", "").await.1.contains(&come) {}
    }
    // What rests on nothing new is answered meanwhile.
    assert_eq!(
        service.ask("GET /api/get?id=old", "").await,
        ok(r#"{"value":"1","version":1}"#)
    );
    for client in &mut clients {
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), client.answer());
        assert!(early.await.is_err());
    }
    disk.hold_syncs(false);
    let mut said = Vec::new();
    for client in &mut clients {
        said.push(client.answer().await.unwrap().0);
    }
    assert_eq!(said, [200, 200, 200, 200, 428, 200]);
}

#[tokio::test]
async fn too_much_that_waits_is_shed_and_a_late_log_is_unknown() {
    let disk = TestDisk::default();
    let env = [
        ("KVSTORE_BATCH_BYTES_MAX", "100"),
        ("KVSTORE_REQUEST_TIMEOUT_MS", "300"),
    ];
    let service = start(&disk, &env).await;
    disk.hold_syncs(true);
    let put = |n: usize| format!(r#"{{"key":"k{n}","value":"some value"}}"#);
    let mut said = Vec::new();
    let mut clients = Vec::new();
    for n in 0..6 {
        let mut client = service.client().await;
        client.send("POST /api/put", put(n).as_bytes()).await;
        clients.push(client);
    }
    for client in &mut clients {
        let (status, head, _) = client.answer().await.unwrap();
        assert_eq!(status == 503, head.contains("retry-after: 1"), "{head}");
        said.push(status);
    }
    said.sort_unstable();
    // One is being written, or none yet; two fill the batch.
    assert!(
        said.starts_with(&[503, 503, 503]) && said.ends_with(&[504, 504]),
        "{said:?}"
    );
    disk.hold_syncs(false);
    let shed = said.iter().filter(|status| **status == 503).count();
    let (_, list) = service.ask("GET /api/list", "").await;
    assert_eq!(list.matches("some value").count(), 6 - shed);
    let (_, metrics) = service.ask("GET /metrics", "").await;
    assert!(
        metrics.contains(&format!("\nkvstore_shed_total {shed}\n")),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_disk_that_fails_ends_the_store_and_nobody_is_told() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    assert_eq!(
        service
            .ask("POST /api/put", r#"{"key":"a","value":"1"}"#)
            .await,
        OK
    );
    disk.die_after(2);
    let mut client = service.client().await;
    client
        .send("POST /api/put", br#"{"key":"a","value":"2","version":1}"#)
        .await;
    assert_eq!(client.answer().await, None);
    let error = service.ended().await.unwrap_err();
    assert!(
        error.contains("cannot append to and sync /data/log-00000000000000000001"),
        "{error}"
    );
    // It comes back with what was acknowledged.
    for mut seed in 0..20 {
        let service = start(&disk.after_power_loss(&mut seed), &[]).await;
        let (status, body) = service.ask("GET /api/get?id=a", "").await;
        assert!(
            status == 200 && (body.contains(":1}") || body.contains(":2}")),
            "{body}"
        );
        service.kill().await;
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight_and_syncs_it() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    let mut idle = service.client().await;
    assert_eq!(idle.ask("GET /healthz", "").await, ok("OK"));
    disk.hold_syncs(true);
    let mut client = service.client().await;
    client
        .send("POST /api/put", br#"{"key":"a","value":"1"}"#)
        .await;
    // It has come once another one sees it.
    while service
        .ask("POST /api/put", r#"{"key":"a","value":"1","version":9}"#)
        .await
        .0
        != 428
    {}
    service.stop.request();
    assert_eq!(idle.answer().await, None);
    disk.hold_syncs(false);
    assert_eq!(client.answer().await.unwrap().0, 200);
    let address = service.address;
    assert_eq!(service.ended().await, Ok(()));
    assert!(Host::real().net.connect(address).await.is_err());
    let service = start(&disk.after_power_loss(&mut 3), &[]).await;
    assert_eq!(
        service.ask("GET /api/get?id=a", "").await,
        ok(r#"{"value":"1","version":1}"#)
    );
}

#[tokio::test]
async fn spaces_line_ends_and_long_values_survive_kills_and_compactions() {
    let disk = TestDisk::default();
    let long = "x y\\n\\u0000\\\"é".repeat(20_000);
    let mut version = 0;
    for round in 0..4 {
        let service = start(&disk, &[("KVSTORE_COMPACT_BYTES", "500000")]).await;
        let mut client = service.client().await;
        for _ in 0..6 {
            let put =
                format!(r#"{{"key":"a key\n","value":"{version}{long}","version":{version}}}"#);
            assert_eq!(client.ask("POST /api/put", &put).await, OK);
            version += 1;
        }
        let (_, value) = client.ask("POST /api/get", r#""a key\n""#).await;
        assert!(
            value.ends_with(&format!(r#""version":{version}}}"#)),
            "{round}"
        );
        service.kill().await;
    }
    // 24 values of 400 kB; a log of two, a snapshot of one, and one under way.
    let bytes: usize = disk.files().values().map(Vec::len).sum();
    assert!(bytes < 4_000_000, "{bytes}");
}

#[tokio::test]
async fn damage_is_refused_and_replayed_up_to_it() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    let mut client = service.client().await;
    for n in 0..5 {
        let put = format!(r#"{{"key":"a","value":"{n}{n}{n}","version":{n}}}"#);
        assert_eq!(client.ask("POST /api/put", &put).await, OK);
    }
    service.kill().await;
    let log = "/data/log-00000000000000000001";
    let (ended, text) = command(&disk, &["log", "verify", "/data"]).await;
    assert_eq!(ended, Ok(()));
    assert!(
        text.contains("1 keys") && text.contains("as of sequence 5"),
        "{text}"
    );
    let whole = disk.files()[log].clone();
    let spoiled = String::from_utf8(whole.clone())
        .unwrap()
        .replace("333", "334");
    disk.put(log, spoiled.as_bytes());
    let offset = whole.windows(3).position(|w| w == b"333").unwrap();
    let offset = whole[..offset]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    let place = format!("{log} is damaged at byte {offset}");
    let error = start(&disk, &[]).await.ended().await.unwrap_err();
    assert!(
        error.contains(&place) && error.contains("--until 3"),
        "{error}"
    );
    let verified = command(&disk, &["log", "verify", "/data"])
        .await
        .0
        .unwrap_err();
    assert!(verified.contains(&place), "{verified}");
    let (ended, text) = command(&disk, &["log", "dump", "/data"]).await;
    assert_eq!(ended, Ok(()));
    let bad = text.lines().find(|line| line.contains("BAD")).unwrap();
    assert!(
        bad.starts_with(&format!("{log}:{offset} ")) && bad.contains("334"),
        "{bad}"
    );
    assert_eq!(command(&disk, &["log", "dump", log]).await.1, text);
    // Not over what is there, not beyond what is there, and not without saying up to where.
    for (args, why) in [
        (
            ["log", "replay", "/data", "/data", "--until", "3"],
            "has a store already",
        ),
        (
            ["log", "replay", "/data", "/new", "--until", "4"],
            "is damaged",
        ),
        (["log", "replay", "/none", "/new", "--until", "0"], "no log"),
    ] {
        let error = command(&disk, &args).await.0.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert!(
        command(&disk, &["log", "replay", "/data", "/new"])
            .await
            .0
            .is_err()
    );
    assert!(command(&disk, &["log", "dump", "/none"]).await.0.is_err());
    let replay = ["log", "replay", "/data", "/new/", "--until", "3"];
    assert_eq!(command(&disk, &replay).await.0, Ok(()));
    let service = start(&disk, &[("KVSTORE_DATA", "/new")]).await;
    let two = ok(r#"{"value":"222","version":3}"#);
    assert_eq!(service.ask("GET /api/get?id=a", "").await, two);
    assert!(service.lines.text().contains("1 keys as of sequence 3"));
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_said() {
    let disk = TestDisk::default();
    let service = start(&disk, &[]).await;
    assert_eq!(
        service
            .ask("POST /api/put", r#"{"key":"a","value":"1"}"#)
            .await,
        OK
    );
    service.kill().await;
    let log = "/data/log-00000000000000000001";
    let mut bytes = disk.files()[log].clone();
    let length = bytes.len();
    bytes.extend(b"0123abcd {\"seq\":2,\"op");
    disk.put(log, &bytes);
    let said = command(&disk, &["log", "verify", "/data"]).await;
    assert!(
        said.0.is_ok() && said.1.contains("21 bytes of a batch"),
        "{said:?}"
    );
    let service = start(&disk, &[]).await;
    let line = format!("{log}: cut off 21 bytes at byte {length}");
    assert!(
        service.lines.text().contains(&line),
        "{}",
        service.lines.text()
    );
    assert_eq!(
        service
            .ask("POST /api/put", r#"{"key":"a","value":"2","version":1}"#)
            .await,
        OK
    );
    service.kill().await;
    let service = start(&disk, &[]).await;
    assert_eq!(
        service.ask("GET /api/get?id=a", "").await,
        ok(r#"{"value":"2","version":2}"#)
    );
}
