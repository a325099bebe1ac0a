//! Events a second, with real axum, hyper and tokio-postgres on top; and the same work on turmoil's
//! own `Sim`.
//!
//!     cargo bench -p squall-engine
//!
//! The hosts come in threes: a client asks a backend twenty times a second, which opens a connection
//! to its database for each answer. `items/s` is events a second, its inverse the time for an event.
//! `idle` has no traffic at all.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use divan::Bencher;
use divan::counter::ItemsCount;
use hyper_util::rt::TokioIo;
use squall_engine::{Config, Control, HostSpec, Link, run};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

const REQUESTS: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(5);
const LATENCY: Duration = Duration::from_micros(500);

fn main() {
    divan::main();
}

/// The least that tokio-postgres calls a server: answers every simple query with 42.
async fn postgres(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut header = [0u8; 5];
    stream.read_exact(&mut header[1..]).await?;
    let mut body = vec![0; length(&header)];
    stream.read_exact(&mut body).await?;
    stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    loop {
        stream.read_exact(&mut header).await?;
        let mut body = vec![0; length(&header)];
        stream.read_exact(&mut body).await?;
        if header[0] == b'X' {
            return Ok(());
        }
        let mut reply =
            b"T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0".to_vec();
        reply.extend(b"D\0\0\0\x0c\0\x01\0\0\0\x0242C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I");
        stream.write_all(&reply).await?;
    }
}

fn length(header: &[u8; 5]) -> usize {
    u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4
}

async fn query(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
    let mut config = tokio_postgres::Config::new();
    let (client, connection) = config
        .user("u")
        .connect_raw(stream, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let rows = client
        .simple_query("SELECT count(*) FROM users")
        .await
        .unwrap();
    rows.iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap()
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/users")
        .header("host", "backend")
        .body(Body::empty())
        .unwrap();
    let response = timeout(TIMEOUT, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();
    assert!(response.status().is_success());
}

mod on_squall {
    use super::*;

    async fn backend(host: squall_host::Host, database: SocketAddr) -> io::Result<()> {
        let net = host.net.clone();
        let users = move || async move { query(net.connect(database).await.unwrap()).await };
        let listener = host.net.listen("0.0.0.0:80".parse().unwrap())?;
        axum::serve(listener, Router::new().route("/users", get(users))).await
    }

    async fn database(host: squall_host::Host) -> io::Result<()> {
        let mut listener = host.net.listen("0.0.0.0:80".parse().unwrap())?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(postgres(stream));
        }
    }

    /// Events that happened.
    pub(super) fn simulate(
        hosts: u16,
        requests: u32,
        idle: Duration,
        cpu: Option<squall_fault::cpu::Cpu>,
    ) -> u64 {
        let config = Config {
            link: Link {
                latency: LATENCY,
                ..Link::default()
            },
            ..Config::default()
        };
        let story = async move |control: Control| {
            let mut clients = Vec::new();
            let add = |number: u16, cpu| {
                let [high, low] = number.to_be_bytes();
                let address = IpAddr::V4(Ipv4Addr::new(10, 0, high, low));
                let spec = HostSpec {
                    name: format!("host{number}"),
                    addresses: vec![address],
                    nameservers: vec![],
                    cpu,
                    ..HostSpec::default()
                };
                (control.add_host(spec), SocketAddr::new(address, 80))
            };
            let groups = hosts / 3;
            for group in 0..groups {
                let (database_host, database_address) = add(3 * group + 1, cpu);
                let (backend_host, backend_address) = add(3 * group + 2, cpu);
                let (client, _) = add(3 * group + 3, None);
                control.start(database_host, |host, _| {
                    Box::pin(async { Ok(database(host).await?) })
                });
                control.start(backend_host, move |host, _| {
                    Box::pin(async move { Ok(backend(host, database_address).await?) })
                });
                control.start(client, move |host, _| {
                    Box::pin(async move {
                        sleep(Duration::from_millis(u64::from(group))).await;
                        for _ in 0..requests / u32::from(groups) {
                            ask(host.net.connect(backend_address).await?).await;
                            sleep(PAUSE).await;
                        }
                        Ok(())
                    })
                });
                clients.push(client);
            }
            for client in clients {
                control.exit(client).await;
            }
            sleep(idle).await;
        };
        run(config, story).unwrap().events
    }
}

mod on_turmoil {
    use super::*;
    use turmoil::net::{TcpListener, TcpStream};

    struct Listener(TcpListener);

    impl axum::serve::Listener for Listener {
        type Io = TcpStream;
        type Addr = SocketAddr;
        async fn accept(&mut self) -> (TcpStream, SocketAddr) {
            self.0.accept().await.unwrap()
        }
        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }
    }

    pub(super) fn simulate(hosts: u16, requests: u32, idle: Duration) {
        let mut sim = turmoil::Builder::new()
            .simulation_duration(Duration::from_secs(100_000))
            .min_message_latency(LATENCY)
            .max_message_latency(LATENCY)
            .build();
        let groups = hosts / 3;
        for group in 0..groups {
            sim.host(format!("database{group}"), || async {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    tokio::spawn(postgres(stream));
                }
            });
            let database = format!("database{group}:80");
            sim.host(format!("backend{group}"), move || {
                let database = database.clone();
                let users =
                    move || async move { query(TcpStream::connect(database).await.unwrap()).await };
                async move {
                    let listener = Listener(TcpListener::bind("0.0.0.0:80").await?);
                    Ok(axum::serve(listener, Router::new().route("/users", get(users))).await?)
                }
            });
            let backend = format!("backend{group}:80");
            sim.client(format!("client{group}"), async move {
                sleep(Duration::from_millis(u64::from(group))).await;
                for _ in 0..requests / u32::from(groups) {
                    ask(TcpStream::connect(&backend).await?).await;
                    sleep(PAUSE).await;
                }
                sleep(idle).await;
                Ok(())
            });
        }
        sim.run().unwrap();
    }
}

/// The same traffic on more hosts.
#[divan::bench(args = [9, 51, 201], sample_count = 5, sample_size = 1)]
fn squall(bencher: Bencher, hosts: u16) {
    let events = on_squall::simulate(hosts, REQUESTS, Duration::ZERO, None);
    bencher
        .counter(ItemsCount::new(events))
        .bench_local(|| on_squall::simulate(hosts, REQUESTS, Duration::ZERO, None));
}

/// The same with a processor under each server, as containers have it: more events, one at least for
/// each poll of a task.
#[divan::bench(args = [9, 51, 201], sample_count = 5, sample_size = 1)]
fn squall_cpu(bencher: Bencher, hosts: u16) {
    let cpu = Some(squall_fault::cpu::Cpu {
        cores: 2,
        limit: None,
        poll: Duration::from_micros(10),
    });
    let events = on_squall::simulate(hosts, REQUESTS, Duration::ZERO, cpu);
    bencher
        .counter(ItemsCount::new(events))
        .bench_local(|| on_squall::simulate(hosts, REQUESTS, Duration::ZERO, cpu));
}

#[divan::bench(args = [9, 51, 201], sample_count = 3, sample_size = 1)]
fn turmoil_sim(bencher: Bencher, hosts: u16) {
    bencher.bench_local(|| on_turmoil::simulate(hosts, REQUESTS, Duration::ZERO));
}

/// One idle virtual minute.
#[divan::bench(args = [9, 51], sample_count = 3, sample_size = 1)]
fn squall_idle(bencher: Bencher, hosts: u16) {
    bencher.bench_local(|| on_squall::simulate(hosts, 0, Duration::from_secs(60), None));
}

#[divan::bench(args = [9, 51], sample_count = 3, sample_size = 1)]
fn turmoil_sim_idle(bencher: Bencher, hosts: u16) {
    bencher.bench_local(|| on_turmoil::simulate(hosts, 0, Duration::from_secs(60)));
}
