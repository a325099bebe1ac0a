//! A service started by the binary: it serves, stops on SIGTERM, and says what is wrong.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A real client and a real port, from outside of the service.
#[allow(clippy::disallowed_types)]
type TcpStream = std::net::TcpStream;
#[allow(clippy::disallowed_types)]
type TcpListener = std::net::TcpListener;

const WAIT: Duration = Duration::from_secs(20);

fn config(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the folder for tests is writable");
    path
}

fn edge(path: &PathBuf) -> Child {
    Command::new(env!("CARGO_BIN_EXE_squall-node"))
        .arg("edge")
        .arg("-c")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

fn end(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().expect("a child of ours").is_none() {
        if begin.elapsed() > WAIT {
            child.kill().expect("a child of ours");
        }
        pause();
    }
    child.wait_with_output().expect("a child of ours")
}

/// The test itself is not simulated.
#[allow(clippy::disallowed_methods)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket")
}

fn get(address: SocketAddr) -> String {
    let begin = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) if begin.elapsed() > WAIT => panic!("{address}: {error}"),
            Err(_) => pause(),
        }
    };
    stream.set_read_timeout(Some(WAIT)).expect("not zero");
    let request = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn it_serves_and_stops_gracefully() {
    let address = free_port();
    let text = format!(
        "events {{}}\nhttp {{\n  server {{\n    listen {address};\n    return 204;\n  }}\n}}\n"
    );
    let child = edge(&config("serve.conf", &text));
    let answer = get(address);
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let signalled = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .expect("kill(1) is everywhere");
    assert!(signalled.success());
    let output = end(child);
    let logs = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{logs}");
}

#[test]
fn bad_input_is_named_and_ends_with_254() {
    let path = config(
        "bad.conf",
        "events {}\nhttp {\n  no_such_directive on;\n}\n",
    );
    let output = end(edge(&path));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(254), "{text}");
    let place = format!("{}:3: ", path.display());
    assert!(
        text.contains(&place) && text.contains("no_such_directive"),
        "{text}"
    );
}

#[test]
fn a_port_that_is_taken_ends_with_1() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let text = format!("events {{}}\nhttp {{ server {{ listen {address}; return 204; }} }}\n");
    let output = end(edge(&config("taken.conf", &text)));
    let logs = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{logs}");
    assert!(logs.contains(&address.to_string()), "{logs}");
}

#[test]
fn pg_isready_sees_pg_stub_come_and_go() {
    let address = free_port();
    let is_ready = || {
        Command::new(env!("CARGO_BIN_EXE_squall-node"))
            .args(["exec", "pg_isready", "-h", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .status()
            .expect("the binary runs")
            .code()
    };
    assert_eq!(is_ready(), Some(2));
    let mut server = Command::new(env!("CARGO_BIN_EXE_squall-node"))
        .args(["pg-stub", "-c", "listen_addresses=127.0.0.1", "-c"])
        .arg(format!("port={}", address.port()))
        .env("POSTGRES_PASSWORD", "secret")
        .env(
            "PGDATA",
            env!("CARGO_TARGET_TMPDIR").to_owned() + "/pg-data",
        )
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let begin = Instant::now();
    while is_ready() != Some(0) {
        assert!(begin.elapsed() < WAIT, "never ready");
        pause();
    }
    server.kill().expect("a child of ours");
    server.wait().expect("a child of ours");
    assert_eq!(is_ready(), Some(2));
}
