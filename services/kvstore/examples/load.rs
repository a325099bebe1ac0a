//! A load of transactions: as many connections as the first argument says, for as many seconds as the
//! second, on the store at ADDRESS, or on one of its own in the folder DIR. Each transaction moves an
//! amount between two keys of its connection's own, with versions and an idempotency key.
//!
//!     cargo run --release -p squall-kvstore --example load -- 32 5 ADDRESS|DIR

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use squall_host::net::TcpStream;
use squall_host::{Host, Launch, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word =
        |index: usize, default: &'static str| args.get(index).map_or(default, String::as_str);
    let connections: usize = word(0, "32").parse()?;
    let time = Duration::from_secs(word(1, "5").parse()?);
    let host = Host::real();
    let address: SocketAddr = match word(2, "127.0.0.1:8081") {
        folder if folder.starts_with('/') => store(&host, folder).await?,
        address => address.parse()?,
    };
    let start = Instant::now();
    let mut clients = Vec::new();
    for n in 0..connections {
        let stream = host.net.connect(address).await?;
        clients.push(tokio::spawn(client(n, stream, start + time)));
    }
    let mut waits = Vec::new();
    for client in clients {
        waits.append(&mut client.await??);
    }
    waits.sort_unstable();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    println!(
        "{connections} connections: {:.0} transactions/s, p50 {:?}, p99 {:?}, longest {:?}",
        waits.len() as f64 / start.elapsed().as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    Ok(())
}

async fn client(n: usize, mut stream: TcpStream, end: Instant) -> std::io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    let mut answer = [0; 4096];
    let run = std::process::id();
    for version in 0.. {
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        let body = format!(
            r#"[{{"key":"{run}-{n}-a","value":"{version}","version":{version}}},{{"key":"{run}-{n}-b","value":"-{version}","version":{version}}}]"#
        );
        let request = format!(
            "POST /api/transaction HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {run}-{n}-{version}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let length = stream.read(&mut answer).await?;
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            let text = String::from_utf8_lossy(&answer[..length]).into_owned();
            return Err(std::io::Error::other(text));
        }
        waits.push(begun.elapsed());
    }
    Ok(waits)
}

/// A store in this process.
async fn store(host: &Host, folder: &str) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    let listener = host.net.listen(([127, 0, 0, 1], 0).into())?;
    let address = listener.local_addr()?;
    drop(listener);
    let env = [("LISTEN", &*address.to_string()), ("KVSTORE_DATA", folder)];
    let loaded = squall_kvstore::load(&Launch {
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Launch::default()
    })?;
    tokio::spawn(loaded.start(host.clone(), Shutdown::never()));
    while host.net.connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(address)
}
