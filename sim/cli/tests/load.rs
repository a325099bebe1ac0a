//! `squall load` as its users meet it: against a server on this machine, with a proxy's log beside.
#![allow(clippy::unwrap_used)]
// A server of the test's own, on the real network, in a thread of its own.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{command, err, folder, out, squall};

/// A record as `option tcplog` writes it, of a connection that was accepted `ago`.
fn record(server: &str, ago: Duration) -> String {
    let since = (SystemTime::now() - ago)
        .duration_since(UNIX_EPOCH)
        .unwrap();
    let (s, ms) = (since.as_secs(), since.subsec_millis());
    let date = format!(
        "{:02}:{:02}:{:02}.{ms:03}",
        s / 3600 % 24,
        s / 60 % 60,
        s % 60
    );
    format!(
        "10.42.2.9:41234 [21/Nov/2026:{date}] front pg_pool/{server} 1/0/4 1021 -- 1/1/0/0/0 0/0\n"
    )
}

fn append(log: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Answers with what `answer` makes of the number of a request, and does what it says afterwards.
fn serve(
    mut answer: impl FnMut(usize) -> (String, Box<dyn FnOnce()>) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let (text, then) = answer(number);
            stream.write_all(text.as_bytes()).unwrap();
            drop(stream);
            then();
        }
    });
    address
}

fn ok(number: usize) -> String {
    let body = "{\"users\":3,\n\"pod\":\"b\"}\n";
    format!(
        "HTTP/1.1 200 OK\r\nX-Upstream-Addr: 10.42.0.{}:8000\r\nContent-Length: {}\r\n\r\n{body}",
        number % 2 + 1,
        body.len()
    )
}

/// The line of a request without its time.
fn line(text: &str) -> String {
    let (number, rest) = text.split_once(' ').unwrap();
    let (time, rest) = rest.split_once(' ').unwrap();
    let digits = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_digit());
    assert!(
        time.split(':').all(digits) && time.split(':').count() == 3,
        "{text}"
    );
    format!("{number} {rest}")
}

fn log(name: &str) -> (PathBuf, PathBuf) {
    let folder = folder(name);
    let log = folder.join("haproxy.log");
    std::fs::write(&log, record("pg9", Duration::ZERO)).unwrap();
    (folder, log)
}

/// A server whose proxy logs each request some time after its answer, and that of another before.
fn server_with_late_records(log: &Path) -> SocketAddr {
    let log = log.to_owned();
    serve(move |number| {
        append(&log, &record("pg8", Duration::from_secs(20)));
        append(&log, "Server pg_pool/pg7 is DOWN, reason: Layer4 timeout\n");
        let (log, server) = (log.clone(), format!("pg{}", number % 2 + 1));
        let then = move || {
            std::thread::sleep(Duration::from_millis(150));
            // A line may come in pieces.
            let text = record(&server, Duration::ZERO);
            append(&log, &text[..40]);
            std::thread::sleep(Duration::from_millis(30));
            append(&log, &text[40..]);
        };
        (ok(number), Box::new(then))
    })
}

const ALTERNATING: [&str; 3] = [
    "[01] | backend=10.42.0.1:8000 | db=pg1 | body={\"users\":3, \"pod\":\"b\"}",
    "[02] | backend=10.42.0.2:8000 | db=pg2 | body={\"users\":3, \"pod\":\"b\"}",
    "[03] | backend=10.42.0.1:8000 | db=pg1 | body={\"users\":3, \"pod\":\"b\"}",
];

#[test]
fn the_database_is_that_of_the_proxy_s_record_of_this_request() {
    let (folder, log) = log("load-file");
    let url = format!("http://{}/users", server_with_late_records(&log));
    let args = [
        "load",
        &url,
        "--attempts",
        "3",
        "--delay",
        "0",
        "--proxy-log",
        "haproxy.log",
    ];
    let output = squall(&folder, &args);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let lines: Vec<String> = out(&output).lines().map(line).collect();
    assert_eq!(lines, ALTERNATING);
    let said = err(&output);
    assert!(said.contains("3 requests, 3 ok, 0 failed"), "{said}");
    assert!(said.contains("pg1: 2   pg2: 1"), "{said}");
    assert!(said.contains("3 records of the proxy were older"), "{said}");
}

#[test]
fn a_command_may_begin_with_the_past() {
    let (folder, log) = log("load-command");
    let url = format!("http://{}/users", server_with_late_records(&log));
    let follow = "tail -n 5 -f haproxy.log";
    let args = [
        "load",
        &url,
        "--attempts",
        "3",
        "--delay",
        "0",
        "--proxy-log-command",
        follow,
    ];
    let output = squall(&folder, &args);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let lines: Vec<String> = out(&output).lines().map(line).collect();
    assert_eq!(lines, ALTERNATING);
}

#[test]
fn a_failed_request_is_a_line_and_exit_status_1() {
    let folder = folder("load-failed");
    let address = serve(|number| {
        let text = match number {
            0 => ok(0),
            1 => "HTTP/1.1 502 Bad Gateway\r\nX-Upstream-Addr: backend_up\r\nContent-Length: 44\r\n\r\n<html>\r\n<h1>502 Bad Gateway</h1>\r\n</html>\r\n\r\n".to_owned(),
            _ => String::new(),
        };
        (text, Box::new(|| {}))
    });
    let url = format!("http://{address}/");
    let output = squall(
        &folder,
        &["load", &url, "--attempts", "3", "--delay", "10ms"],
    );
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<String> = out(&output).lines().map(line).collect();
    assert_eq!(
        lines[1],
        "[02] | backend=backend_up | db=unknown | body=<html> <h1>502 Bad Gateway</h1> </html>"
    );
    let wanted = "[03] | backend=unknown | db=unknown | body=error: ";
    assert!(lines[2].starts_with(wanted), "{}", lines[2]);
    let said = err(&output);
    assert_eq!(
        said.matches("the database cannot be known").count(),
        1,
        "{said}"
    );
    assert!(said.contains("200: 1   502: 1   no answer: 1"), "{said}");
}

#[test]
fn a_request_that_never_had_a_database_says_so() {
    let (folder, _) = log("load-none");
    let address = serve(|_| {
        let text = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_owned();
        (text, Box::new(|| {}))
    });
    let url = format!("http://{address}/");
    let args = [
        "load",
        &url,
        "--attempts",
        "1",
        "--proxy-log",
        "haproxy.log",
    ];
    let output = squall(&folder, &args);
    assert_eq!(
        line(out(&output).trim_end()),
        "[01] | backend=unknown | db=none | body="
    );
}

#[test]
fn an_interrupted_load_says_what_it_has() {
    let folder = folder("load-interrupted");
    let url = format!("http://{}/", serve(|number| (ok(number), Box::new(|| {}))));
    let mut child = command(&folder, &["load", &url, "--delay", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with("[01] "), "{first}");
    let id = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-INT", &id])
        .status()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = err(&output);
    assert!(
        said.contains("interrupted\n1 requests, 1 ok, 0 failed"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_sent_or_read_is_bad_input() {
    let folder = folder("load-bad");
    std::fs::write(folder.join("no.json"), "{}").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["load"], "<URL>"),
        (&["load", "https://x/"], "HTTPS is not supported"),
        (&["load", "x"], "`http://HOST:PORT/PATH`"),
        (
            &["load", "http://x/", "--record", "run.json"],
            "cannot be used with",
        ),
        (
            &["load", "http://127.0.0.1:1/", "--proxy-log", "absent"],
            "absent: No such file",
        ),
        (
            &["load", "--record", "no.json"],
            "no.json: no record of a run: missing field",
        ),
        (
            &["watch", "--record", "absent.json"],
            "absent.json: no record of a run: No such file",
        ),
    ];
    for (args, wanted) in cases {
        let output = squall(&folder, args);
        assert_eq!(output.status.code(), Some(254), "{args:?}");
        assert!(err(&output).contains(wanted), "{args:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{args:?}");
    }
}
