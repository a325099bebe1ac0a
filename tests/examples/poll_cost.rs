//! What one poll of a task costs in our services on a real machine: the CPU time of a service's
//! thread, user and system, divided by the polls that its runtime counted.
//!
//!     cargo run --release -p squall-tests --example poll_cost > /dev/null
//!
//! The services write to standard output as they do in production; the figures go to standard error.
//! They are the reason for a scenario's default of `cpu: {poll: …}`; see docs/src/cpu.md.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // real threads, on purpose

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use squall_host::launch::{Files, Mounted};
use squall_host::net::TcpStream;
use squall_host::{Host, Launch, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, RuntimeMetrics};
use tokio::time::{Instant, sleep};

const LASTS: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 32;

const NGINX_CONF: &str = "
events {}
http {
    access_log off;
    keepalive_requests 100000000;
    upstream api { server 127.0.0.1:25000; keepalive 32; }
    server {
        listen 127.0.0.1:28080;
        location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ''; }
    }
}";

/// A service on a thread and a runtime of its own.
struct Service {
    name: &'static str,
    metrics: RuntimeMetrics,
    /// Of its thread: nanoseconds on a CPU, first.
    schedstat: PathBuf,
}

impl Service {
    fn start(name: &'static str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let conf = Mounted {
            shown_as: "nginx.conf".into(),
            content: NGINX_CONF.into(),
        };
        let launch = Launch {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            files: Files::mounted(BTreeMap::from([("/etc/nginx/nginx.conf".to_owned(), conf)])),
        };
        let program = (squall_node::programs()[name].load)(&launch).unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let thread = std::fs::read_link("/proc/thread-self").unwrap();
            sender.send((runtime.metrics(), thread)).unwrap();
            let (_running, shutdown) = Shutdown::new();
            runtime.block_on(async {
                // On a task, as in production, so that the main loop's polls are counted as well.
                let main = tokio::spawn(program.start(Host::real(), shutdown));
                main.await.unwrap().unwrap();
            });
        });
        let (metrics, thread) = receiver.recv().unwrap();
        Self {
            name,
            metrics,
            schedstat: PathBuf::from("/proc").join(thread).join("schedstat"),
        }
    }

    /// Polls, and nanoseconds of CPU time.
    fn used(&self) -> (u64, u64) {
        let stat = std::fs::read_to_string(&self.schedstat).unwrap();
        let cpu_ns = stat.split(' ').next().unwrap().parse().unwrap();
        (self.metrics.worker_poll_count(0), cpu_ns)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let password = ("POSTGRES_PASSWORD", "postgres");
    let services = [
        Service::start("pg-stub", &["-c", "port=25432"], &[password]),
        Service::start(
            "users-api",
            &[],
            &[("LISTEN", "127.0.0.1:25000"), ("DB_PORT", "25432")],
        ),
        Service::start("edge", &["-g", "daemon off;"], &[]),
    ];
    sleep(Duration::from_secs(1)).await;
    for path in ["/health", "/data"] {
        let before = services.each_ref().map(Service::used);
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::spawn(client(path)))
            .collect();
        let mut requests = 0_u64;
        for client in clients {
            requests += client.await.unwrap();
        }
        for (service, before) in services.iter().zip(before) {
            let after = service.used();
            let (polls, cpu_ns) = (after.0 - before.0, after.1 - before.1);
            if polls > requests / 2 {
                eprintln!(
                    "GET {path:8} {:10} {:6.2} us a poll, {:5.2} polls and {:6.1} us a request",
                    service.name,
                    cpu_ns as f64 / polls as f64 / 1e3,
                    polls as f64 / requests as f64,
                    cpu_ns as f64 / requests as f64 / 1e3,
                );
            }
        }
    }
}

/// Asks through edge, again and again; how many answers it got.
async fn client(path: &str) -> u64 {
    let edge = SocketAddr::from(([127, 0, 0, 1], 28080));
    let mut stream = Host::real().net.connect(edge).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: edge\r\n\r\n");
    let (begun, mut answers) = (Instant::now(), 0);
    while begun.elapsed() < LASTS {
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        answers += 1;
    }
    answers
}

async fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed");
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (_, length) = head.split_once("content-length: ").expect("a length");
            let length = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return;
            }
        }
    }
}
