//! The server and the clients, on whatever host they are given: they cannot tell the worlds apart.

use std::io;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use squall_host::net::TcpStream;
use squall_host::{Host, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::plan::{Effort, SERVER, What};

const REQUEST: [u8; 50] = [b'x'; 50];
/// Clients start one after another, so that their timers are not in step.
const STAGGER: Duration = Duration::from_micros(7_301);
/// Between two measurements of one client.
const REST: Duration = Duration::from_micros(1_713);
/// Attempts to open the connection that requests are measured on, until loss is switched on.
const PREPARE: Duration = Duration::from_secs(10);

/// Answers everything with itself until it is told to stop.
pub async fn serve(host: Host, shutdown: Shutdown) -> io::Result<()> {
    let mut listener = host.net.listen(SERVER)?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = shutdown.requested() => return Ok(()),
        };
        tokio::spawn(echo(stream));
    }
}

/// A client that is gone is not the server's business.
async fn echo(mut stream: TcpStream) {
    let mut buf = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..length]).await.is_err() {
            return;
        }
    }
}

/// Measures, in milliseconds, in no particular order. `ready` is called when every connection is
/// open, before anything is measured.
pub async fn run(
    host: Host,
    what: What,
    effort: Effort,
    ready: impl AsyncFnOnce() -> io::Result<()>,
) -> io::Result<Vec<f64>> {
    let clients = effort.clients.min(effort.count).max(1);
    let mut streams = Vec::new();
    for _ in 0..clients {
        let stream = match what {
            What::Connect => None,
            What::Request => Some(open(&host).await?),
        };
        streams.push(stream);
    }
    ready().await?;
    let share = |index| effort.count / clients + usize::from(index < effort.count % clients);
    let tasks = streams.into_iter().enumerate().map(|(index, stream)| {
        let (host, count) = (host.clone(), share(index));
        tokio::spawn(async move {
            sleep(STAGGER * index as u32).await;
            client(host, stream, count, effort.limit).await
        })
    });
    let mut tasks: FuturesUnordered<_> = tasks.collect();
    let mut all = Vec::new();
    while let Some(measured) = tasks.next().await {
        all.extend(measured.map_err(io::Error::other)??);
    }
    Ok(all)
}

async fn open(host: &Host) -> io::Result<TcpStream> {
    let mut stream = timeout(PREPARE, host.net.connect(SERVER)).await??;
    // The connection has seen a round trip, as one from a pool has.
    ask(&mut stream).await?;
    Ok(stream)
}

async fn client(
    host: Host,
    stream: Option<TcpStream>,
    count: usize,
    limit: Duration,
) -> io::Result<Vec<f64>> {
    let mut measured = Vec::with_capacity(count);
    let mut stream = stream;
    for _ in 0..count {
        let start = Instant::now();
        let in_time = match &mut stream {
            Some(stream) => match timeout(limit, ask(stream)).await {
                Ok(result) => result.map(|()| true)?,
                Err(_) => false,
            },
            None => match timeout(limit, host.net.connect(SERVER)).await {
                // Gone at once, so that nothing of it disturbs the next.
                Ok(connected) => {
                    let took = start.elapsed();
                    connected?.reset();
                    measured.push(took.as_secs_f64() * 1e3);
                    sleep(REST).await;
                    continue;
                }
                Err(_) => false,
            },
        };
        let took = if in_time { start.elapsed() } else { limit };
        measured.push(took.as_secs_f64() * 1e3);
        if !in_time && stream.is_some() {
            break; // the answer is still under way, and would pass for the next one
        }
        sleep(REST).await;
    }
    Ok(measured)
}

async fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&REQUEST).await?;
    let mut answer = [0; REQUEST.len()];
    stream.read_exact(&mut answer).await?;
    Ok(())
}
