//! A highly available counter: increments over HTTP, kept in etcd, in four modes.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | flags and environment, read |
//! | `api` | the routes and their answers |
//! | `increment` | the four modes behind one face |
//! | `store`, `value` | the key in etcd; a transaction on it that is applied once or never |
//! | `cas` | mode `cas`: each request compares and sets |
//! | `worker`, `queue` | modes `coalesced` and `lock`: one transaction at a time, for all that wait or for one |
//! | `lock`, `mutex` | etcd's mutex, held over the write |
//! | `early` | mode `lock-early-release`: the original's, which loses increments |
//! | `reads` | linearizable reads that are shared by all who wait |
//! | `metrics` | what is counted |
//!
//! Deliberately absent: more than one counter.

mod api;
mod cas;
pub mod config;
mod early;
mod error;
mod increment;
mod lock;
mod metrics;
mod mutex;
mod queue;
mod reads;
mod store;
mod value;
mod worker;

use std::sync::Arc;

use squall_etcd::Etcd;
use squall_host::net::ListenError;
use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use squall_resilient::{Deadline, Random, Shed};
use tokio::task::JoinSet;

pub use config::Config;

use crate::increment::Increments;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::Store;

/// Reads flags and environment; see [`Config`].
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config::read(launch)?;
    let facts = Facts {
        listens: vec![(config.listen, None)],
        ..Facts::default()
    };
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Serves until a stop is asked for and what is in progress is done, or the grace period is over.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), ListenError> {
    let listener = host.net.listen(config.listen)?;
    let limits = Http {
        connections_max: config.connections_max,
        delay: config.shutdown_delay,
        grace: config.shutdown_grace,
        ..Http::default()
    };
    let tidy_timeout = config.etcd_timeout;
    let metrics = Arc::new(Metrics::default());
    let shed = Shed::new(config.in_flight_max);
    let mut random = Random::from_os();
    let etcd = Etcd::new(host.net.clone(), &config.endpoints, config.etcd_limits());
    let name = format!("{}/{}", config.namespace, config.pod);
    let store = Store::new(
        etcd,
        config.etcd_timeout,
        &name,
        &mut random,
        metrics.clone(),
    );
    let store = Arc::new(store);
    let (increments, worker) = Increments::new(&config, &store, random, &host.out);
    let (stop, stopped) = Shutdown::new();
    let mut tasks = JoinSet::new(); // ends with this function
    if let Some(worker) = worker {
        tasks.spawn(worker.run(stopped));
    }
    let router = api::router(api::App {
        config,
        reads: Reads::new(store.clone()),
        store: store.clone(),
        increments,
        metrics,
        shed: shed.clone(),
    });
    let deadline = Deadline::from(limits.serve(listener, router, shutdown).await);
    // Increments whose clients have left are in progress, too.
    let _ = deadline.bound(shed.emptied()).await;
    stop.request();
    let last = Deadline::after(tidy_timeout);
    let _ = last.bound(tasks.join_next()).await;
    store.tidy(last).await;
    Ok(())
}
