//! etcd on the wire: gRPC v3 (etcd's API reference) over a real Raft group with its log on the host's disk.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | etcd's flags and environment, read |
//! | [`command`] | what goes through the log, and the answer to it |
//! | [`refusal`] | what is not done, in etcd's words |
//! | [`lessor`] | when leases run out; only the leader knows |
//! | [`store`] | the replicated state machine: keys, revisions, leases; a pure function of the log |
//! | [`consensus`] | the group: log, peers, elections, members |
//! | `grpc` | the services on the wire |
//!
//! Deliberately absent: TLS, users and roles, the v2 API, the gRPC gateway, bbolt's file format.

pub mod command;
pub mod config;
pub mod consensus;
mod grpc;
pub mod lessor;
pub mod refusal;
pub mod store;

use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

pub use config::Config;

/// Reads flags and environment; see [`Config`].
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config::read(launch)?;
    let facts = Facts {
        listens: (config.listen_client.iter().chain(&config.listen_peer))
            .map(|address| (*address, None))
            .collect(),
        ..Facts::default()
    };
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Serves until a stop is asked for.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), consensus::Error> {
    let (_group, worker) = consensus::Group::start(&config, &host).await?;
    worker.run(shutdown).await
}
