//! The key-value store of SplitDim: versioned values over HTTP, transactions, and a log that is
//! written and synced before anybody is told.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | the environment, read |
//! | `wire` | what clients send, read as the original reads it |
//! | `api` | the routes and their answers |
//! | `store` | the state machine |
//! | `log` | the log: frames, batches, the writer, recovery |
//! | `snapshot` | the state after a batch as a file |
//! | `tool` | `log dump`, `log verify`, `log replay` |
//! | `figures` | what is counted |
//! | [`error`] | why it ended |
//!
//! Deliberately absent: replication, and a lock on the folder. Two stores on one folder spoil each
//! other's log; the next start finds it.

mod api;
pub mod config;
pub mod error;
mod figures;
mod log;
mod snapshot;
mod store;
mod tool;
mod wire;

use std::sync::Arc;

use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

pub use config::Config;
pub use error::Error;

use config::Task;
use figures::Figures;
use log::commit::Commit;
use log::recovery::{Recovered, recover};
use log::writer::Writer;

/// Reads arguments and environment; see [`Config`].
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    match Task::read(launch)? {
        Task::Serve(config) => {
            let facts = Facts {
                listens: vec![(config.listen, None)],
                ..Facts::default()
            };
            Ok(Loaded::new(facts, move |host, shutdown| {
                run((*config).clone(), host, shutdown)
            }))
        }
        Task::Log(command) => Ok(Loaded::new(Facts::default(), move |host, _| {
            tool::run(command.clone(), host)
        })),
    }
}

/// Recovers the store and serves it until a stop is asked for, the requests in flight are done and
/// the log is synced; or until the disk fails.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    let recovered = recover(&host.disk, &config.folder, config.keys_max, None).await?;
    let (seq, snapshot_bytes) = (
        recovered.seq,
        renew(&config.folder, &host, &recovered).await?,
    );
    // Whoever comes before is refused, and knows that nothing was changed.
    let listener = host.net.listen(config.listen)?;
    let figures = Arc::new(Figures::default());
    let commit = Arc::new(Commit::new(recovered.store, seq, config.batch_bytes_max));
    let writer = Writer {
        disk: host.disk,
        folder: config.folder,
        commit: commit.clone(),
        figures: figures.clone(),
        compact_bytes: config.compact_bytes,
        snapshot_bytes,
    };
    let router = api::router(commit.clone(), figures, config.limits, config.equal_value);
    let limits = Http {
        connections_max: config.connections_max,
        ..Http::default()
    };
    let serving = async {
        limits.serve(listener, router, shutdown).await;
        commit.close();
        std::future::pending().await
    };
    // The writer ends when all is written, or when the disk fails: then those who wait are cut off
    // with the rest, and are told nothing.
    tokio::select! {
        ended = writer.run(seq + 1) => ended,
        never = serving => never,
    }
}

/// Writes what was recovered anew. A process before this one may have seen a sync fail, or have been
/// killed before it: what was read now need not be there after a power loss (docs/src/disk.md).
async fn renew(folder: &str, host: &Host, recovered: &Recovered) -> Result<u64, Error> {
    if recovered.is_new {
        return Ok(0);
    }
    if let Some(torn) = &recovered.torn {
        host.out.line(&format!(
            "kvstore: {}: cut off {} bytes at byte {}, a batch that was never acknowledged",
            torn.path, torn.bytes, torn.at
        ));
    }
    let image = recovered.store.image();
    let length = snapshot::write(&host.disk, folder, recovered.seq, &image, u64::MAX).await?;
    host.out.line(&format!(
        "kvstore: {folder}: {} keys as of sequence {}",
        recovered.store.len(),
        recovered.seq
    ));
    Ok(length)
}
