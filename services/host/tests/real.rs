//! The arm for production: an HTTP server within bounds, the hyper-util connector, UDP, the disk.
#![allow(clippy::unwrap_used)]

mod conformance;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use squall_host::connect::Connector;
use squall_host::serve::Http;
use squall_host::{Host, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A server that answers `hello`, with these bounds.
fn serve(host: &Host, limits: Http) -> (SocketAddr, squall_host::Trigger) {
    let listener = host.net.listen(any()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let app = Router::new().route("/", get(async || "hello"));
    tokio::spawn(limits.serve(listener, app, shutdown));
    (address, trigger)
}

#[tokio::test]
async fn a_hyper_util_client_gets_its_connections_from_the_host() {
    let host = Host::real();
    let (address, _trigger) = serve(&host, Http::default());
    let connector = Connector::new(host.net.clone(), Duration::from_secs(10));
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let url = format!("http://localhost:{}/", address.port());
    let answer = client.get(url.parse().unwrap()).await.unwrap();
    let body = axum::body::to_bytes(Body::new(answer.into_body()), 100)
        .await
        .unwrap();
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn a_slow_client_and_one_too_many_are_shut_out() {
    let host = Host::real();
    let limits = Http {
        connections_max: 1,
        head_timeout: Duration::from_millis(300),
        ..Http::default()
    };
    let (address, _trigger) = serve(&host, limits);
    let mut slow = host.net.connect(address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let mut second = host.net.connect(address).await.unwrap();
    assert_eq!(
        second.read(&mut [0; 16]).await.unwrap(),
        0,
        "there is room for one"
    );
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the head did not come in time");
}

#[tokio::test]
async fn a_datagram_arrives() {
    let host = Host::real();
    let (one, other) = (host.net.udp(any()).unwrap(), host.net.udp(any()).unwrap());
    one.send_to(b"hello", other.local_addr().unwrap())
        .await
        .unwrap();
    let mut buf = [0; 16];
    let (length, from) = other.recv_from(&mut buf).await.unwrap();
    assert_eq!(
        (&buf[..length], from),
        (&b"hello"[..], one.local_addr().unwrap())
    );
}

#[tokio::test]
async fn the_disk_does_what_every_disk_does() {
    let folder = std::env::temp_dir().join(format!("squall-host-{}", std::process::id()));
    conformance::disk(&Host::real().disk, folder.to_str().unwrap()).await;
    std::fs::remove_dir_all(&folder).unwrap();
}
