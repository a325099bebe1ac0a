//! A proxy on real sockets and servers for it.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::disallowed_types, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_host::launch::{BoxError, Files, Mounted};
use squall_host::net::{Net, NetDriver, TcpListener, TcpStream as HostStream, UdpSocket};
use squall_host::output::{Output, OutputDriver};
use squall_host::shutdown::Trigger;
use squall_host::{Host, Launch, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// No wait of a test is longer.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn launch(text: &str) -> Launch {
    let file = Mounted {
        shown_as: "haproxy.cfg".into(),
        content: text.into(),
    };
    Launch {
        args: vec!["-f".into(), "/haproxy.cfg".into()],
        env: BTreeMap::new(),
        files: Files::mounted(BTreeMap::from([("/haproxy.cfg".to_owned(), file)])),
    }
}

/// What the proxy wrote, and where it listens.
#[derive(Clone, Default)]
pub struct Seen {
    lines: Arc<Mutex<Vec<String>>>,
    listens: Arc<Mutex<Vec<SocketAddr>>>,
}

impl OutputDriver for Seen {
    fn line(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }
}

/// The real network, noting the ports that listeners got.
struct Noting(Net, Seen);

impl NetDriver for Noting {
    fn listen(&self, address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
        let listener = self.0.listen_with_backlog(address, backlog)?;
        self.1.listens.lock().unwrap().push(listener.local_addr()?);
        Ok(listener)
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, std::io::Result<HostStream>> {
        let net = self.0.clone();
        Box::pin(async move { net.connect(address).await })
    }

    fn udp(&self, address: SocketAddr) -> std::io::Result<UdpSocket> {
        self.0.udp(address)
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
        let (net, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move { net.resolve(&name).await })
    }

    fn nameservers(&self) -> Vec<SocketAddr> {
        self.0.nameservers()
    }
}

pub fn host() -> (Host, Seen) {
    let real = Host::real();
    let seen = Seen::default();
    let net = Net::new(Noting(real.net.clone(), seen.clone()));
    let host = Host::new("proxy", net, real.disk.clone(), Output::new(seen.clone()));
    (host, seen)
}

pub struct Proxy {
    seen: Seen,
    trigger: Trigger,
    running: JoinHandle<Result<(), BoxError>>,
}

impl Proxy {
    /// Starts with short timeouts and a log; the first listener is the one that clients use.
    pub async fn start(text: &str) -> Self {
        let head = "global\n log stdout format raw local0\n\
            defaults\n mode tcp\n log global\n option tcplog\n timeout connect 5s\n \
            timeout client 30s\n timeout server 30s\n";
        let loaded = match squall_pg_proxy::load(&launch(&format!("{head}{text}"))) {
            Ok(loaded) => loaded,
            Err(diagnostics) => panic!("{diagnostics}"),
        };
        let (host, seen) = host();
        let (trigger, shutdown) = Shutdown::new();
        let running = tokio::spawn(loaded.start(host, shutdown));
        let wanted = loaded.facts.listens.len();
        for _ in 0..2_000 {
            if seen.listens.lock().unwrap().len() == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self {
            seen,
            trigger,
            running,
        }
    }

    fn listener(&self, index: usize) -> SocketAddr {
        self.seen.listens.lock().unwrap()[index]
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.listener(0)).await.unwrap()
    }

    /// Says `text`, and returns the answer; an end or a reset is none.
    pub async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(text.as_bytes()).await;
        read_some(&mut stream).await
    }

    /// Sends `text` to the second listener, and returns all that it answers.
    pub async fn http(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.listener(1)).await.unwrap();
        // It may be cut off before the end.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the answer has an end");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The first line of the log that contains `text`.
    pub async fn wait_line(&self, text: &str) -> String {
        for _ in 0..4_000 {
            let found = self.log().into_iter().find(|line| line.contains(text));
            if let Some(line) = found {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no line has {text:?}: {:#?}", self.log());
    }

    pub async fn wait_lines(&self, count: usize) -> Vec<String> {
        for _ in 0..4_000 {
            let lines = self.log();
            if lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("fewer than {count} lines: {:#?}", self.log());
    }

    fn log(&self) -> Vec<String> {
        let lines = self.seen.lines.lock().unwrap();
        lines
            .iter()
            .filter(|line| !line.starts_with('['))
            .cloned()
            .collect()
    }

    pub fn request_stop(&mut self) {
        self.trigger.request();
    }

    pub async fn stop(self) {
        self.trigger.request();
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        ended.expect("it stops").unwrap().unwrap();
    }
}

pub async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 100];
    match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await {
        Ok(Ok(length)) => String::from_utf8_lossy(&buffer[..length]).into_owned(),
        Ok(Err(_)) => String::new(),
        Err(_) => panic!("no answer within {PATIENCE:?}"),
    }
}

/// A server that says its name and what it was told, and speaks of its health.
pub struct Server {
    pub address: SocketAddr,
    healthy: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

#[derive(Clone, Copy)]
enum Kind {
    Echo,
    Postgres,
    Http,
}

impl Server {
    pub async fn echo(name: &'static str) -> Self {
        Self::start(Kind::Echo, name).await
    }

    pub async fn postgres(name: &'static str) -> Self {
        Self::start(Kind::Postgres, name).await
    }

    pub async fn http() -> Self {
        Self::start(Kind::Http, "").await
    }

    async fn start(kind: Kind, name: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let healthy = Arc::new(AtomicBool::new(true));
        let health = healthy.clone();
        let serving = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn(talk(stream, kind, name, health.clone()));
            }
        });
        Self {
            address,
            healthy,
            serving,
        }
    }

    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::SeqCst);
    }

    pub fn kill(&mut self) {
        self.serving.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn talk(mut stream: TcpStream, kind: Kind, name: &str, healthy: Arc<AtomicBool>) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let said = &buffer[..length];
        let well = healthy.load(Ordering::SeqCst);
        let answer: Vec<u8> = match (kind, well) {
            (Kind::Postgres, true) if said.starts_with(b"\0") => b"R\0\0\0\x08\0\0\0\0".to_vec(),
            (Kind::Postgres, false) if said.starts_with(b"\0") => {
                b"E\0\0\0\x2dSFATAL\0C57P03\0Mthe database system is starting up\0\0".to_vec()
            }
            (Kind::Http, true) => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
            (Kind::Http, false) => {
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
            }
            _ => [name.as_bytes(), said].concat(),
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A name server that gives every name the same addresses; NXDOMAIN when there are none.
pub struct Names {
    pub address: SocketAddr,
    addresses: Arc<Mutex<Vec<std::net::Ipv4Addr>>>,
    serving: JoinHandle<()>,
}

impl Names {
    pub async fn start() -> Self {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let addresses: Arc<Mutex<Vec<std::net::Ipv4Addr>>> = Arc::default();
        let known = addresses.clone();
        let serving = tokio::spawn(async move {
            let mut query = [0; 1_500];
            while let Ok((length, peer)) = socket.recv_from(&mut query).await {
                let known = known.lock().unwrap().clone();
                let code = if known.is_empty() { 3 } else { 0 };
                let mut reply = query[..2].to_vec();
                reply.extend([0x81, 0x80 | code, 0, 1, 0, known.len() as u8, 0, 0, 0, 0]);
                reply.extend(&query[12..length]);
                for address in known {
                    reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                    reply.extend(address.octets());
                }
                let _ = socket.send_to(&reply, peer).await;
            }
        });
        Self {
            address,
            addresses,
            serving,
        }
    }

    pub fn set(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        *self.addresses.lock().unwrap() = addresses.collect();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
