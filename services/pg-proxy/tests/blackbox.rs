//! The proxy over real sockets: what clients see, what the log says, what the statistics say.
#![allow(clippy::disallowed_types)]

mod common;

use std::time::Duration;

use common::{Proxy, Server, read_some};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn sessions_alternate_and_are_logged_in_tcplog() {
    let (a, b) = (Server::echo("a").await, Server::echo("b").await);
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n server a {} \n server b {}\n",
        a.address, b.address
    ))
    .await;
    for expected in ["a", "b", "a", "b"] {
        assert_eq!(proxy.ask("x").await, format!("{expected}x"));
    }
    let pattern = regex::Regex::new(
        r"^127\.0\.0\.1:\d+ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] db db/[ab] \d+/\d+/\d+ 2 -- \d+/\d+/\d+/\d+/0 0/0$",
    )
    .unwrap();
    let lines = proxy.wait_lines(4).await;
    for line in &lines {
        assert!(pattern.is_match(line), "{line}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_dead_server_costs_a_redispatch_and_no_client() {
    let (mut a, b) = (Server::echo("a").await, Server::echo("b").await);
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n option redispatch\n server a {} \n server b {}\n",
        a.address, b.address
    ))
    .await;
    a.kill();
    for _ in 0..4 {
        assert_eq!(proxy.ask("x").await, "bx");
    }
    let lines = proxy.wait_lines(4).await;
    assert!(
        lines.iter().any(|line| line.ends_with("/+1 0/0")),
        "{lines:?}"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn a_database_that_is_starting_up_is_down_and_its_sessions_end() {
    let (a, b) = (Server::postgres("a").await, Server::postgres("b").await);
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n option pgsql-check user postgres\n \
         default-server check inter 50ms on-marked-down shutdown-sessions\n \
         server a {} \n server b {}\n",
        a.address, b.address
    ))
    .await;
    let mut held = proxy.connect().await;
    held.write_all(b"x").await.unwrap();
    assert_eq!(read_some(&mut held).await, "ax");
    a.set_healthy(false);
    // The session ends with its server.
    let end = tokio::time::timeout(Duration::from_secs(10), held.read(&mut [0; 8])).await;
    assert_eq!(end.unwrap().unwrap(), 0);
    for _ in 0..3 {
        assert_eq!(proxy.ask("x").await, "bx");
    }
    let line = proxy.wait_line("is DOWN").await;
    assert!(
        line.starts_with("Server db/a is DOWN, reason: Layer7 invalid response, info: \"FATAL\", check duration: "),
        "{line}"
    );
    assert!(
        line.contains("1 active and 0 backup servers left. 1 sessions active"),
        "{line}"
    );
    proxy.wait_line(" D- ").await;
    a.set_healthy(true);
    let line = proxy.wait_line("is UP").await;
    assert!(
        line.contains("Layer7 check passed, code: 0, info: \"PostgreSQL server is ok\""),
        "{line}"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn an_http_check_follows_the_status() {
    let a = Server::http().await;
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n option httpchk OPTIONS /primary\n \
         http-check expect status 200\n server a {} check inter 50ms fall 1 rise 1\n",
        a.address
    ))
    .await;
    a.set_healthy(false);
    let line = proxy.wait_line("is DOWN").await;
    assert!(
        line.contains("Layer7 wrong status, code: 503, info: \"Service Unavailable\""),
        "{line}"
    );
    proxy.wait_line("proxy db has no server available!").await;
    assert_eq!(proxy.ask("x").await, "");
    proxy.wait_line("db/<NOSRV> -1/-1/").await;
    proxy.stop().await;
}

#[tokio::test]
async fn sessions_beyond_maxconn_wait_and_time_out() {
    let a = Server::echo("a").await;
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n timeout queue 300ms\n server a {} maxconn 1\n",
        a.address
    ))
    .await;
    let mut held = proxy.connect().await;
    held.write_all(b"x").await.unwrap();
    assert_eq!(read_some(&mut held).await, "ax");
    // Nobody gives up a place: this one waits in vain.
    assert_eq!(proxy.ask("y").await, "");
    proxy.wait_line(" sQ ").await;
    let waiting = proxy.ask("z");
    let releasing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(waiting, releasing);
    assert_eq!(answer, "az");
    proxy.stop().await;
}

#[tokio::test]
async fn statistics_come_as_csv_and_html() {
    let a = Server::echo("a").await;
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n server a {} check inter 50ms\n\
         listen stats\n mode http\n bind 127.0.0.1:0\n stats enable\n stats uri /stats\n \
         stats refresh 5s\n stats show-legends\n",
        a.address
    ))
    .await;
    assert_eq!(proxy.ask("x").await, "ax");
    proxy.wait_line(" db db/a ").await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let csv = proxy
        .http("GET /stats;csv HTTP/1.1\r\nhost: h\r\n\r\n")
        .await;
    let body = csv.split_once("\r\n\r\n").unwrap().1;
    let mut lines = body.lines();
    let header = lines.next().unwrap();
    assert!(header.starts_with("# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,"));
    assert!(header.ends_with(",h1_spliced_bytes_in,h1_spliced_bytes_out,"));
    let columns: Vec<&str> = header[2..].split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let get = |server: &str, column: &str| {
        let row = rows
            .iter()
            .find(|row| row[0] == "db" && row[1] == server)
            .unwrap();
        assert_eq!(row.len(), columns.len());
        row[columns.iter().position(|name| *name == column).unwrap()]
    };
    assert_eq!(
        (get("FRONTEND", "status"), get("FRONTEND", "stot")),
        ("OPEN", "1")
    );
    assert_eq!(
        (get("a", "status"), get("a", "check_status")),
        ("UP", "L4OK")
    );
    assert_eq!(
        (get("a", "bin"), get("a", "bout"), get("a", "lbtot")),
        ("1", "2", "1")
    );
    assert_eq!(
        (get("BACKEND", "status"), get("BACKEND", "act")),
        ("UP", "1")
    );

    let html = proxy.http("GET /stats HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(html.starts_with("HTTP/1.1 200 OK\r\n"), "{html}");
    assert!(html.contains("refresh: 5\r\n"));
    assert!(html.contains("Statistics Report for HAProxy"));
    assert!(html.contains("<tr class=\"active_up\">"), "{html}");
    let other = proxy.http("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(
        other.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{other}"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn garbage_at_the_statistics_is_answered_and_forgotten() {
    let proxy = Proxy::start(
        "listen db\n bind 127.0.0.1:0\n\
         listen stats\n mode http\n bind 127.0.0.1:0\n timeout http-request 300ms\n stats enable\n",
    )
    .await;
    for garbage in [
        "\0\u{1}\u{2}\r\n\r\n".to_owned(),
        "GARBAGE\r\n\r\n".to_owned(),
    ] {
        let answer = proxy.http(&garbage).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let headers = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let answer = proxy.http(&headers).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    // One that says nothing, and one that never comes to the end.
    for slow in ["", "GET / HTTP/1.1\r\nx: y"] {
        let answer = tokio::time::timeout(Duration::from_secs(10), proxy.http(slow)).await;
        assert!(answer.is_ok(), "{slow:?} is waited for without end");
    }
    let answer = proxy.http("GET /haproxy?stats;csv HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.0 200 "),
        "{answer}"
    );
    proxy.stop().await;
}

#[tokio::test]
async fn random_bytes_pass_unharmed() {
    let a = Server::echo("").await;
    let proxy = Proxy::start(&format!(
        "listen db\n bind 127.0.0.1:0\n server a {}\n",
        a.address
    ))
    .await;
    let mut bytes = Vec::new();
    let mut state = 7_u32;
    for _ in 0..300_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((state >> 24) as u8);
    }
    let stream = proxy.connect().await;
    let (mut read, mut write) = stream.into_split();
    let sent = bytes.clone();
    let sending = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    sending.await.unwrap();
    assert_eq!(received.len(), bytes.len());
    assert!(received == bytes);
    proxy.stop().await;
}

#[tokio::test]
async fn slots_follow_the_names_answers() {
    let a = Server::echo("a").await;
    let names = common::Names::start().await;
    let proxy = Proxy::start(&format!(
        "resolvers r\n nameserver ns {}\n timeout resolve 50ms\n timeout retry 200ms\n \
         hold nx 100ms\nlisten db\n bind 127.0.0.1:0\n \
         server-template s 2 pool.test:{} resolvers r init-addr none\n",
        names.address,
        a.address.port()
    ))
    .await;
    assert_eq!(proxy.ask("x").await, "");
    names.set(&["127.0.0.1"]);
    proxy
        .wait_line("db/s1 changed its IP from (none) to 127.0.0.1 by r/ns.")
        .await;
    proxy
        .wait_line("Server db/s1 ('pool.test') is UP/READY (resolves again).")
        .await;
    assert_eq!(proxy.ask("x").await, "ax");
    names.set(&["127.0.0.1", "127.0.0.2"]);
    proxy
        .wait_line("db/s2 changed its IP from (none) to 127.0.0.2")
        .await;
    names.set(&["127.0.0.2"]);
    proxy
        .wait_line("Server db/s1 is going DOWN for maintenance (No IP for server )")
        .await;
    names.set(&[]);
    proxy
        .wait_line("Server db/s2 is going DOWN for maintenance (DNS NX status)")
        .await;
    proxy.wait_line("proxy db has no server available!").await;
    proxy.stop().await;
}

#[tokio::test]
async fn a_stop_lets_sessions_end_but_not_for_ever() {
    let a = Server::echo("a").await;
    let mut proxy = Proxy::start(&format!(
        "global\n hard-stop-after 500ms\nlisten db\n bind 127.0.0.1:0\n server a {}\n",
        a.address
    ))
    .await;
    let mut held = proxy.connect().await;
    held.write_all(b"x").await.unwrap();
    assert_eq!(read_some(&mut held).await, "ax");
    proxy.request_stop();
    proxy
        .wait_line("Proxy db stopped (cumulated conns: FE: 1, BE: 1).")
        .await;
    held.write_all(b"y").await.unwrap();
    assert_eq!(read_some(&mut held).await, "ay");
    proxy.stop().await;
    let end = held.read(&mut [0; 8]).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_at_start() {
    let text = "listen db\n bind 127.0.0.1:0\n server a no-such-name.invalid:1\n";
    let loaded = squall_pg_proxy::load(&common::launch(text)).unwrap();
    assert_eq!(loaded.facts.names_required[0].0, "no-such-name.invalid");
    let (host, _) = common::host();
    let error = loaded
        .start(host, squall_host::Shutdown::never())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("could not resolve address 'no-such-name.invalid'"),
        "{error}"
    );
}
