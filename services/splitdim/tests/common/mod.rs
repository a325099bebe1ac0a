//! What the tests share: a network in memory, on which time is virtual; a key-value store that fails on
//! demand; a client.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod memory;
pub(crate) mod store;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::output::{Output, OutputDriver};
use squall_host::{Host, Launch, Shutdown, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// What a process printed.
#[derive(Clone, Default)]
pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// A machine on a network in memory, and what is printed on it.
pub(crate) fn host(net: &memory::Memory) -> (Host, Lines) {
    let lines = Lines::default();
    let (net, out) = (net.net(), Output::new(lines.clone()));
    (Host::new("test", net, Host::real().disk, out), lines)
}

/// A running instance.
pub(crate) struct Service {
    pub(crate) host: Host,
    pub(crate) lines: Lines,
    pub(crate) port: u16,
    pub(crate) stop: Trigger,
    pub(crate) ended: JoinHandle<bool>,
}

/// Starts an instance on a port, in a mode.
pub(crate) fn start(net: &memory::Memory, port: u16, mode: &str, env: &[(&str, &str)]) -> Service {
    let (host, lines) = host(net);
    let listen = format!("127.0.0.1:{port}");
    let mut all = vec![
        ("LISTEN", listen.as_str()),
        ("KVSTORE_ADDR", "kvstore:8081"),
    ];
    all.extend(env);
    let launch = Launch {
        args: vec![format!("-mode={mode}")],
        env: all
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Launch::default()
    };
    let loaded = squall_splitdim::load(&launch).unwrap();
    let (stop, shutdown) = Shutdown::new();
    let running = loaded.start(host.clone(), shutdown);
    let ended = tokio::spawn(async move { running.await.is_ok() });
    Service {
        host,
        lines,
        port,
        stop,
        ended,
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One request on a connection of its own; `None` when there is no whole answer.
pub(crate) async fn ask(
    host: &Host,
    port: u16,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Answer> {
    let mut stream = connected(host, port).await?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: splitdim\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.get(9..12)?.parse().ok()?,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

/// A connection, once the service listens.
pub(crate) async fn connected(host: &Host, port: u16) -> Option<squall_host::net::TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..100 {
        if let Ok(stream) = host.net.connect(address).await {
            return Some(stream);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

impl Service {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(&self.host, self.port, "GET", path, b"").await.unwrap()
    }

    pub(crate) async fn transfer(&self, sender: &str, receiver: &str, amount: i64) -> Answer {
        let body = serde_json::json!({"sender": sender, "receiver": receiver, "amount": amount});
        let body = body.to_string();
        let asked = ask(
            &self.host,
            self.port,
            "POST",
            "/api/transfer",
            body.as_bytes(),
        );
        asked.await.unwrap()
    }

    /// One of its counters.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }
}
