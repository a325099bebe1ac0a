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

use squall_host::serve::{Http, Http2};
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use tokio::task::JoinSet;

pub use config::Config;
use consensus::Group;
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

/// Requests in progress may take this long once a stop is asked for (etcd: the request timeout).
const GRACE: Duration = Duration::from_secs(7);

/// The bounds of the client port; etcd's server has the same pings and no bound on streams.
fn limits() -> Http {
    Http {
        connections_max: 16_384,
        grace: GRACE,
        http2: Some(Http2 {
            streams_max: 16_384,
            ping_after: Duration::from_secs(2 * 60 * 60),
            ping_timeout: Duration::from_secs(20),
        }),
        ..Http::default()
    }
}

/// Serves until a stop is asked for and the requests in progress are done, or until the member cannot go on:
/// its disk failed, or it was removed from the group.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), consensus::Error> {
    let (group, worker) = Group::start(&config, &host).await?;
    let node = Node {
        group,
        election_timeout: config.election,
        shutdown: shutdown.clone(),
    };
    let router = http::with_http(grpc::routes(node.clone()), node);
    let listen = |address| host.net.listen(address);
    let listeners = config.listen_client.iter().copied().map(listen);
    let mut serving = JoinSet::new(); // ends with this function
    for listener in listeners.collect::<Result<Vec<_>, _>>()? {
        serving.spawn(limits().serve(listener, router.clone(), shutdown.clone()));
    }
    // The last answers need the group.
    let (end, ended) = Shutdown::new();
    let served = async {
        while serving.join_next().await.is_some() {}
        end.request();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = worker.run(ended) => result,
        () = served => Ok(()),
    }
}
