//! Listening, accepting, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_host::net::{ListenError, TcpListener, TcpStream};
use squall_host::{Host, Shutdown};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::App;
use crate::config::{Config, Inner};
use crate::connection;
use crate::error::Error;
use crate::request::Client;

/// Requests in flight may take this long once edge is asked to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long accepting rests after an error such as EMFILE (nginx's `accept_mutex_delay`).
const ACCEPT_REST: Duration = Duration::from_millis(500);

/// Runs edge until it is asked to stop and the requests in flight are done.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    let app = Arc::new(App::new(config.0.clone(), host).await?);
    let mut keepers = JoinSet::new();
    let mut acceptors = JoinSet::new();
    for address in bound_addresses(&config.0) {
        let listener = app.host.net.listen(address);
        let listener =
            listener.map_err(|ListenError { address, source }| Error::Bind { address, source })?;
        tracing::info!("listening on {address}");
        acceptors.spawn(accept(app.clone(), listener, shutdown.clone()));
    }
    for (at, conf) in config.0.upstreams.iter().enumerate() {
        for (place, _) in conf
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| server.resolve)
        {
            keepers.spawn(app.clone().keep_resolved(at, place));
        }
        if let Some(pool) = &app.upstreams[at].pool {
            keepers.spawn(pool.clone().watch());
        }
    }
    shutdown.requested().await;
    tracing::info!("gracefully shutting down");
    let deadline = Instant::now() + STOP_TIMEOUT;
    let done = async { while acceptors.join_next().await.is_some() {} };
    if tokio::time::timeout_at(deadline, done).await.is_err() {
        tracing::warn!("requests are still in flight after {STOP_TIMEOUT:?}, they are cut off");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Every address but those that one of all addresses covers.
fn bound_addresses(config: &Inner) -> Vec<SocketAddr> {
    let all = config.listens.iter().map(|listen| listen.address);
    let covered = |address: &SocketAddr| {
        !address.ip().is_unspecified()
            && all
                .clone()
                .any(|other| other.ip().is_unspecified() && other.port() == address.port())
    };
    all.clone().filter(|address| !covered(address)).collect()
}

/// Accepts until the stop, then waits for what it has accepted.
async fn accept(app: Arc<App>, mut listener: TcpListener, shutdown: Shutdown) {
    let serial = AtomicU64::new(0);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("accept() failed ({})", crate::errno::words(&error));
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let number = serial.fetch_add(1, Ordering::Relaxed) + 1;
        admit(&app, &mut connections, stream, peer, number, &shutdown);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn admit(
    app: &Arc<App>,
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    peer: SocketAddr,
    serial: u64,
    shutdown: &Shutdown,
) {
    let counters = &app.counters;
    counters.accepted.fetch_add(1, Ordering::Relaxed);
    let open = counters.active.load(Ordering::Relaxed) + counters.upstream.load(Ordering::Relaxed);
    if open >= app.config.worker_connections {
        let limit = app.config.worker_connections;
        tracing::warn!("{limit} worker_connections are not enough");
        return;
    }
    // A client that is gone already has no address.
    let Ok(local) = stream.local_addr() else {
        return;
    };
    counters.handled.fetch_add(1, Ordering::Relaxed);
    let open = Open::new(app.clone());
    let client = Client {
        peer,
        local,
        serial,
        opened: Instant::now(),
        requests: AtomicU64::new(0),
    };
    let (app, shutdown) = (app.clone(), shutdown.clone());
    connections.spawn(async move {
        let _open = open;
        connection::serve(app, stream, client, shutdown).await;
    });
}

/// One client connection, counted.
struct Open(Arc<App>);

impl Open {
    fn new(app: Arc<App>) -> Self {
        app.counters.active.fetch_add(1, Ordering::Relaxed);
        Self(app)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.active.fetch_sub(1, Ordering::Relaxed);
    }
}
