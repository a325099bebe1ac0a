//! What a `Host` costs on real sockets, beside bare tokio in the same run.
//!
//!     cargo bench -p squall-host
//!
//! A round trip of 64 bytes, a transfer of 16 MiB, and a connection made and closed, all on
//! loopback, on one thread.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

use std::net::SocketAddr;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use squall_host::Host;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Runtime;

const ROUND_TRIPS: usize = 1_000;
const TRANSFER: usize = 16 << 20;
const CONNECTIONS: usize = 200;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buf = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..length]).await.is_err() {
            return;
        }
    }
}

async fn round_trips(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buf = [7; 64];
    for _ in 0..ROUND_TRIPS {
        stream.write_all(&buf).await.unwrap();
        stream.read_exact(&mut buf).await.unwrap();
    }
}

async fn transfer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sender = tokio::spawn(async move {
        let block = vec![7; 64 * 1024];
        for _ in 0..TRANSFER / block.len() {
            writer.write_all(&block).await.unwrap();
        }
        writer
    });
    let mut buf = vec![0; 64 * 1024];
    let mut left = TRANSFER;
    while left > 0 {
        left -= reader.read(&mut buf).await.unwrap();
    }
    sender.await.unwrap();
}

async fn host_server(host: &Host) -> SocketAddr {
    let mut listener = host.net.listen(any()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

async fn tokio_server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(any()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(echo(stream));
        }
    });
    address
}

async fn tokio_connect(address: SocketAddr) -> tokio::net::TcpStream {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[divan::bench(sample_count = 30)]
fn round_trip_host(bencher: Bencher) {
    let (runtime, host) = (runtime(), Host::real());
    let address = runtime.block_on(host_server(&host));
    bencher
        .counter(ItemsCount::new(ROUND_TRIPS))
        .bench_local(|| {
            runtime.block_on(async { round_trips(host.net.connect(address).await.unwrap()).await });
        });
}

#[divan::bench(sample_count = 30)]
fn round_trip_tokio(bencher: Bencher) {
    let runtime = runtime();
    let address = runtime.block_on(tokio_server());
    bencher
        .counter(ItemsCount::new(ROUND_TRIPS))
        .bench_local(|| {
            runtime.block_on(async { round_trips(tokio_connect(address).await).await });
        });
}

#[divan::bench(sample_count = 30)]
fn transfer_host(bencher: Bencher) {
    let (runtime, host) = (runtime(), Host::real());
    let address = runtime.block_on(host_server(&host));
    bencher.counter(BytesCount::new(TRANSFER)).bench_local(|| {
        runtime.block_on(async { transfer(host.net.connect(address).await.unwrap()).await });
    });
}

#[divan::bench(sample_count = 30)]
fn transfer_tokio(bencher: Bencher) {
    let runtime = runtime();
    let address = runtime.block_on(tokio_server());
    bencher.counter(BytesCount::new(TRANSFER)).bench_local(|| {
        runtime.block_on(async { transfer(tokio_connect(address).await).await });
    });
}

#[divan::bench(sample_count = 30)]
fn connect_host(bencher: Bencher) {
    let (runtime, host) = (runtime(), Host::real());
    let address = runtime.block_on(host_server(&host));
    bencher
        .counter(ItemsCount::new(CONNECTIONS))
        .bench_local(|| {
            runtime.block_on(async {
                for _ in 0..CONNECTIONS {
                    drop(host.net.connect(address).await.unwrap());
                }
            });
        });
}

#[divan::bench(sample_count = 30)]
fn connect_tokio(bencher: Bencher) {
    let runtime = runtime();
    let address = runtime.block_on(tokio_server());
    bencher
        .counter(ItemsCount::new(CONNECTIONS))
        .bench_local(|| {
            runtime.block_on(async {
                for _ in 0..CONNECTIONS {
                    drop(tokio_connect(address).await);
                }
            });
        });
}
