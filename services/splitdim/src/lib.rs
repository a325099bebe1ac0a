//! SplitDim: who owes whom. A transfer moves one balance up and another down; `clear` says who pays whom
//! so that nobody owes anything. Balances are in this process or in a key-value store, and change in one
//! of four ways; two of them are the seed's and lose money, which is what they are for.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | flags and environment, read |
//! | `api`, `page` | the routes and their answers; the page for browsers |
//! | `metrics`, `log` | what is counted; what is told, in bounds |
//! | [`transfer`], [`accounts`], `settle` | a transfer as it is sent; balances; who pays whom |
//! | `ledger` | the four modes behind one face |
//! | `local` | mode `local`: balances in this process |
//! | `kvstore`, `resilient`, `set_balance` | the seed's two ways to change balances in the store |
//! | `transactional`, `queue`, `batch` | the way that is exact: one transaction for all that wait |
//! | `client`, `store`, `reads` | HTTP to the store; its calls; what every mode reads |
//!
//! Deliberately absent: users, logins, currencies, a history of transfers.

pub mod accounts;
mod api;
mod batch;
mod client;
pub mod config;
mod error;
mod kvstore;
mod ledger;
mod local;
mod log;
mod metrics;
mod page;
mod queue;
mod reads;
mod resilient;
mod set_balance;
mod settle;
mod store;
mod transactional;
pub mod transfer;

use std::sync::Arc;

use squall_host::net::ListenError;
use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use squall_resilient::{Deadline, Shed};
use tokio::task::JoinSet;

pub use config::Config;

use crate::ledger::Ledger;
use crate::metrics::Metrics;

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
    let metrics = Arc::new(Metrics::default());
    let shed = Shed::new(config.in_flight_max);
    let (ledger, worker) = Ledger::new(&config, &host, &metrics);
    let mut tasks = JoinSet::new(); // ends with this function
    if let Some(worker) = worker {
        tasks.spawn(worker.run());
    }
    let router = api::router(api::App {
        config,
        ledger,
        metrics,
        shed: shed.clone(),
        shutdown: shutdown.clone(),
    });
    let deadline = Deadline::from(limits.serve(listener, router, shutdown).await);
    // Transfers whose clients have left are in progress, too.
    let _ = deadline.bound(shed.emptied()).await;
    Ok(())
}
