//! The work that the benchmarks share: threes of a client, a backend and a database, with real axum,
//! hyper and tokio-postgres. Deliberately absent: any measuring.
#![allow(dead_code)] // each benchmark takes what it needs

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use squall_engine::{Config, Control, HostSpec, Link, run};
use squall_fault::cpu::Cpu;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

pub(crate) const PAUSE: Duration = Duration::from_millis(50);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const LATENCY: Duration = Duration::from_micros(500);

/// As `squall` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is done, and on how many hosts.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) hosts: u16,
    pub(crate) requests: u32,
    /// Of each client, after each answer.
    pub(crate) pause: Duration,
    /// Afterwards.
    pub(crate) idle: Duration,
    /// Under each server.
    pub(crate) cpu: Option<Cpu>,
}

impl Work {
    pub(crate) fn new(hosts: u16, requests: u32) -> Self {
        Self {
            hosts,
            requests,
            pause: PAUSE,
            idle: Duration::ZERO,
            cpu: None,
        }
    }
}

/// The least that tokio-postgres calls a server: answers every simple query with 42.
pub(crate) async fn postgres(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
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

pub(crate) async fn query(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
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

pub(crate) async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
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

pub(crate) mod on_squall {
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
    pub(crate) fn simulate(work: Work) -> u64 {
        let Work {
            hosts,
            requests,
            pause,
            idle,
            cpu,
        } = work;
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
                        sleep(pause / u32::from(groups) * u32::from(group)).await;
                        for _ in 0..requests / u32::from(groups) {
                            ask(host.net.connect(backend_address).await?).await;
                            sleep(pause).await;
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
