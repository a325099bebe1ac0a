//! edge on a real socket, its output caught, and upstreams that do one scripted thing.
#![allow(
    dead_code,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::launch::Mounted;
use squall_host::output::{Output, OutputDriver};
use squall_host::{Diagnostics, Files, Host, Launch, Loaded, Shutdown, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer than anything here takes on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

pub(crate) fn launch(conf: &str) -> Launch {
    let file = Mounted {
        shown_as: "nginx.conf".into(),
        content: conf.into(),
    };
    Launch {
        args: vec!["-g".to_owned(), "daemon off;".to_owned()],
        files: Files::mounted(BTreeMap::from([("/etc/nginx/nginx.conf".to_owned(), file)])),
        ..Launch::default()
    }
}

pub(crate) fn load(conf: &str) -> Result<Loaded, Diagnostics> {
    squall_edge::load(&launch(conf))
}

/// A port that nothing listens on.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) trigger: Trigger,
    pub(crate) ended: JoinHandle<Result<(), String>>,
    lines: Lines,
}

impl Edge {
    /// Starts edge with an `http` block in which PORT stands for its own port.
    pub(crate) async fn start(http: &str) -> Self {
        let port = free_port().await;
        let http = http.replace("PORT", &format!("127.0.0.1:{port}"));
        let loaded = load(&format!("events {{}} http {{ {http} }}")).unwrap();
        let lines = Lines::default();
        let real = Host::real();
        let host = Host::new("edge", real.net, real.disk, Output::new(lines.clone()));
        let (trigger, shutdown) = Shutdown::new();
        let running = loaded.start(host, shutdown);
        let ended = tokio::spawn(async move { running.await.map_err(|error| error.to_string()) });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begun = std::time::Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(
                begun.elapsed() < LONG && !ended.is_finished(),
                "edge does not start"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self {
            address,
            trigger,
            ended,
            lines,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `raw` and reads until the other side closes.
    pub(crate) async fn exchange(&self, raw: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The other side may refuse to read all of it.
        let _ = stream.write_all(raw.as_ref()).await;
        read_all(&mut stream).await
    }

    /// One GET on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        Reply::parse(&self.exchange(raw).await)
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        let length = body.len();
        let raw = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Reply::parse(&self.exchange(raw).await)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }

    /// The access log, once it has `count` lines.
    pub(crate) async fn log(&self, count: usize) -> Vec<String> {
        let begun = std::time::Instant::now();
        loop {
            let lines = self.lines.0.lock().unwrap().clone();
            if lines.len() >= count {
                return lines;
            }
            assert!(begun.elapsed() < LONG, "only {lines:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = stream.read_to_end(&mut all);
    // A reset after the reply is the end of it, too.
    let _ = tokio::time::timeout(LONG, reading)
        .await
        .expect("the connection is closed");
    String::from_utf8_lossy(&all).into_owned()
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no reply: {text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What an upstream does with one request.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Answers 200 with this body and keeps the connection.
    Answer(&'static str),
    /// Answers exactly this.
    Raw(&'static str),
    HangUp,
    NeverAnswer,
    /// Answers with the request as it came.
    Echo,
}

pub(crate) struct Upstream {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn start(does: Does) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), does).await
    }

    pub(crate) async fn start_on(address: SocketAddr, does: Does) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (seen, count) = (requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *count.lock().unwrap() += 1;
                tokio::spawn(serve(stream, does, seen.clone()));
            }
        });
        Self {
            port,
            requests,
            connections,
            task,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn serve(mut stream: TcpStream, does: Does, seen: Arc<Mutex<Vec<String>>>) {
    let mut data = Vec::new();
    loop {
        let end = loop {
            let text = String::from_utf8_lossy(&data);
            if let Some(head) = text.find("\r\n\r\n") {
                let length = text.lines().find_map(|line| {
                    let lower = line.to_ascii_lowercase();
                    lower
                        .strip_prefix("content-length: ")?
                        .parse::<usize>()
                        .ok()
                });
                let end = head + 4 + length.unwrap_or(0);
                if data.len() >= end {
                    break end;
                }
            }
            let mut buffer = [0; 16384];
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => data.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        };
        let request: Vec<u8> = data.drain(..end).collect();
        let request = String::from_utf8_lossy(&request).into_owned();
        seen.lock().unwrap().push(request.clone());
        let reply = match does {
            Does::Answer(body) => whole(body),
            Does::Echo => whole(&request),
            Does::Raw(raw) => raw.to_owned(),
            Does::HangUp => return,
            Does::NeverAnswer => {
                tokio::time::sleep(LONG * 3).await;
                return;
            }
        };
        let _ = stream.write_all(reply.as_bytes()).await;
        if matches!(does, Does::Raw(_)) {
            return;
        }
    }
}

fn whole(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
