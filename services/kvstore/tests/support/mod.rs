//! A store on a real socket, and a client that keeps its connection.

#![allow(dead_code)]

pub(crate) mod disk;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::disk::Disk;
use squall_host::launch::chain;
use squall_host::net::TcpStream;
use squall_host::output::{Output, OutputDriver};
use squall_host::{Host, Launch, Shutdown, Trigger};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

use disk::TestDisk;

/// The longest that anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What was printed.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// The real network with a disk of the test's.
pub(crate) fn host(disk: &TestDisk) -> (Host, Lines) {
    let lines = Lines::default();
    let mut host = Host::real();
    host.disk = Disk::new(disk.clone());
    host.out = Output::new(lines.clone());
    (host, lines)
}

fn launch(args: &[&str], env: &[(&str, &str)]) -> Launch {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Launch {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: env.iter().map(pair).collect(),
        ..Launch::default()
    }
}

/// A command, and what it said and printed.
pub(crate) async fn command(disk: &TestDisk, args: &[&str]) -> (Result<(), String>, String) {
    let (host, lines) = host(disk);
    let loaded = squall_kvstore::load(&launch(args, &[])).unwrap();
    let ended = loaded.start(host, Shutdown::never()).await;
    (ended.map_err(|error| chain(&*error)), lines.text())
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Trigger,
    pub(crate) lines: Lines,
    ended: JoinHandle<Result<(), String>>,
}

/// A store in `/data`; waits until it listens or has ended.
pub(crate) async fn start(disk: &TestDisk, env: &[(&str, &str)]) -> Service {
    let (host, lines) = host(disk);
    let any = "127.0.0.1:0".parse().unwrap();
    // A port that was free a moment ago.
    let address = host.net.listen(any).unwrap().local_addr().unwrap();
    let listen = address.to_string();
    let mut all = vec![("LISTEN", &*listen), ("KVSTORE_DATA", "/data/")];
    all.extend(env);
    let loaded = squall_kvstore::load(&launch(&[], &all)).unwrap();
    let (stop, shutdown) = Shutdown::new();
    let running = loaded.start(host.clone(), shutdown);
    let ended = tokio::spawn(async move { running.await.map_err(|error| chain(&*error)) });
    let up = async {
        while host.net.connect(address).await.is_err() && !ended.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, up).await.unwrap();
    Service {
        address,
        stop,
        lines,
        ended,
    }
}

impl Service {
    /// How it ended.
    pub(crate) async fn ended(self) -> Result<(), String> {
        tokio::time::timeout(PATIENCE, self.ended)
            .await
            .unwrap()
            .unwrap()
    }

    /// Dies as by SIGKILL, but for the sockets.
    pub(crate) async fn kill(self) {
        self.ended.abort();
        assert!(self.ended.await.is_err());
    }

    pub(crate) async fn client(&self) -> Client {
        let stream = Host::real().net.connect(self.address).await.unwrap();
        Client(BufReader::new(stream))
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str, body: &str) -> (u16, String) {
        self.client().await.ask(request, body).await
    }
}

pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    /// `request` is the method, the path, and further headers, a line each.
    pub(crate) async fn send(&mut self, request: &str, body: &[u8]) {
        let (first, headers) = request.split_once('\n').unwrap_or((request, ""));
        let headers: String = headers
            .lines()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let length = body.len();
        let head =
            format!("{first} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
        self.0
            .write_all(&[head.as_bytes(), body].concat())
            .await
            .unwrap();
    }

    /// Status, head and body; `None` when the connection ends instead.
    pub(crate) async fn answer(&mut self) -> Option<(u16, String, String)> {
        let exchange = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if !matches!(self.0.read_line(&mut head).await, Ok(1..)) {
                    return None;
                }
            }
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.ok()?;
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Some((status, head, String::from_utf8(body).unwrap()))
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    pub(crate) async fn ask(&mut self, request: &str, body: &str) -> (u16, String) {
        self.send(request, body.as_bytes()).await;
        let (status, _, body) = self.answer().await.unwrap();
        (status, body)
    }
}
