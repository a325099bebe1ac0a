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
//! | `http` | health, version and metrics, on the same socket |
//! | [`snapshot`] | the store as a file |
//!
//! Deliberately absent: TLS, users and roles, the v2 API, the gRPC gateway, bbolt's file format.

pub mod command;
pub mod config;
pub mod consensus;
mod grpc;
mod http;
pub mod lessor;
pub mod refusal;
pub mod snapshot;
pub mod store;

use std::time::Duration;

use futures::future::join_all;
use squall_host::launch::chain;
use squall_host::serve::{Http, Http2};
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

pub use config::Config;
use grpc::Node;

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

/// The bounds of the client port; etcd's server has the same pings and no bound on streams. What is in
/// progress when a stop is asked for may take as long as a request.
fn limits(request_timeout: Duration) -> Http {
    Http {
        connections_max: 16_384,
        grace: request_timeout,
        http2: Some(Http2 {
            streams_max: 16_384,
            ping_after: Duration::from_secs(2 * 60 * 60),
            ping_timeout: Duration::from_secs(20),
        }),
        ..Http::default()
    }
}

/// Makes the data directory of a member of a new group out of a file that `etcdctl snapshot save` wrote. Of
/// `config` it takes the name, the data directory, the members and their token. The error says what is wrong.
pub async fn restore(config: &Config, host: &Host, file: &[u8]) -> Result<(), String> {
    let store = snapshot::read(file)?;
    let names = host.disk.list(&config.data_dir).await;
    if names.is_ok_and(|names| !names.is_empty()) {
        return Err(format!("data-dir \"{}\" exists", config.data_dir));
    }
    let restored = consensus::Group::restore(config, host, store).await;
    restored.map_err(|error| chain(&error))
}

/// Serves until a stop is asked for and the requests in progress are done, or until the member cannot go on.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), consensus::Error> {
    let listeners = (config.listen_client.iter())
        .map(|address| host.net.listen(*address))
        .collect::<Result<Vec<_>, _>>()?;
    let (group, worker) = consensus::Group::start(&config, &host).await?;
    let node = Node {
        group,
        election_timeout: config.election,
        request_bytes_max: config.max_request_bytes,
        shutdown: shutdown.clone(),
    };
    let limits = limits(config.request_timeout());
    let router = http::with_http(grpc::routes(node.clone()), node);
    let serving = listeners
        .into_iter()
        .map(|listener| limits.serve(listener, router.clone(), shutdown.clone()));
    // Its requests need the group to the last one.
    let (stop, stopped) = Shutdown::new();
    let working = worker.run(stopped);
    tokio::pin!(working);
    tokio::select! {
        biased;
        ended = &mut working => return ended,
        _ = join_all(serving) => {}
    }
    stop.request();
    working.await
}
