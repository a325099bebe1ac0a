//! Frontends at run time: listeners, how many sessions they may have, and what serves them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_host::Shutdown;
use squall_host::net::{Net, TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::config::{Mode, ProxyConfig};
use crate::counters::Counters;
use crate::log::Logger;
use crate::relay::Pool;
use crate::stats::Page;
use crate::{session, stats};

/// How long accepting rests after an error such as EMFILE, which would otherwise come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What all sessions share.
pub(crate) struct Process {
    pub(crate) net: Net,
    pub(crate) host_name: String,
    pub(crate) gate: Arc<Gate>,
    pub(crate) pool: Arc<Pool>,
    numbers: AtomicU64,
}

impl Process {
    pub(crate) fn new(net: Net, host_name: &str, maxconn: u32, bufsize: usize) -> Arc<Self> {
        Arc::new(Self {
            net,
            host_name: host_name.to_owned(),
            gate: Gate::new(maxconn),
            pool: Pool::new(bufsize),
            numbers: AtomicU64::new(0),
        })
    }

    /// Numbers sessions from 0.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Counts sessions, and holds accepting back when there are as many as may be. Several listeners
/// that share one may exceed it by their number.
pub(crate) struct Gate {
    count: AtomicU32,
    max: u32,
    freed: Notify,
}

impl Gate {
    pub(crate) fn new(max: u32) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicU32::new(0),
            max,
            freed: Notify::new(),
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// Returns when there is room. Cancel safe.
    async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            if self.count() < self.max {
                return;
            }
            freed.await;
        }
    }

    fn pass(self: &Arc<Self>) -> Passed {
        self.count.fetch_add(1, Ordering::Relaxed);
        Passed(self.clone())
    }
}

/// One session of a gate.
pub(crate) struct Passed(Arc<Gate>);

impl Drop for Passed {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_waiters();
    }
}

/// One frontend.
pub(crate) struct Frontend {
    pub(crate) config: Arc<ProxyConfig>,
    pub(crate) log: Logger,
    pub(crate) backend: Option<Arc<Backend>>,
    pub(crate) gate: Arc<Gate>,
    counters: Mutex<Counters>,
}

impl Frontend {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        log: Logger,
        backend: Option<Arc<Backend>>,
        maxconn: u32,
    ) -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(config.maxconn.unwrap_or(maxconn)),
            config,
            log,
            backend,
            counters: Mutex::new(Counters::default()),
        })
    }

    /// Its numbers; never held across an await.
    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts on one address until the stop is asked for, then waits for the sessions to end.
pub(crate) async fn listen(
    process: Arc<Process>,
    frontend: Arc<Frontend>,
    page: Arc<Page>,
    mut listener: TcpListener,
    gate: Option<Arc<Gate>>,
    shutdown: Shutdown,
) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            Some(_) = sessions.join_next() => continue,
            accepted = accept(&process, &frontend, gate.as_ref(), &mut listener) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(%error, frontend = %frontend.config.name, "accept failed");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let passed = (
            process.gate.pass(),
            frontend.gate.pass(),
            gate.as_ref().map(Gate::pass),
        );
        {
            let mut counters = frontend.counters();
            counters.sessions = frontend.gate.count();
            counters.sessions_max = counters.sessions_max.max(counters.sessions);
            counters.sessions_total += 1;
            counters.rate.add(Instant::now());
        }
        let (process, frontend, page) = (process.clone(), frontend.clone(), page.clone());
        sessions.spawn(async move {
            serve(process, frontend, page, stream, peer).await;
            drop(passed);
        });
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn accept(
    process: &Process,
    frontend: &Frontend,
    gate: Option<&Arc<Gate>>,
    listener: &mut TcpListener,
) -> std::io::Result<(TcpStream, SocketAddr)> {
    process.gate.room().await;
    frontend.gate.room().await;
    if let Some(gate) = gate {
        gate.room().await;
    }
    listener.accept().await
}

async fn serve(
    process: Arc<Process>,
    frontend: Arc<Frontend>,
    page: Arc<Page>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    match frontend.config.mode {
        Mode::Tcp => session::serve(process, frontend, stream, peer).await,
        Mode::Http => stats::serve(process, frontend, page, stream, peer).await,
    }
}
