//! The services on the wire: etcd-client's own stubs over a [`Group`], and Lock and Election beside them.
//!
//! | module | idea |
//! |---|---|
//! | `guard` | what holds for every request: leader, learner, deadline, stop |
//! | `kv` | `KV` |
//! | `watch` | `Watch`: events are fetched as the client takes them |
//! | `lease` | `Lease` |
//! | `concurrency` | etcd's client package of that name: sessions, and waiting for one's turn |
//! | `lock`, `election` | `Lock` and `Election` on it |
//! | `cluster`, `maintenance`, `auth` | the services of those names |
//!
//! Deliberately absent: `tonic::transport::Server`, which would listen by itself; compression.

mod auth;
mod cluster;
mod concurrency;
mod election;
mod guard;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod watch;

use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use etcd_client::proto::{
    PbClusterServer, PbKvServer, PbLeaseServer, PbMaintenanceServer, PbResponseHeader,
    PbWatchServer,
};
use futures::Stream;
use squall_host::Shutdown;
use tonic::Status;
use tonic::service::Routes;

use crate::consensus::Group;
use electionpb::election_server::ElectionServer;
use lockpb::lock_server::LockServer;

#[allow(missing_docs, unreachable_pub, clippy::all)] // generated
mod lockpb {
    tonic::include_proto!("v3lockpb");
}

#[allow(missing_docs, unreachable_pub, clippy::all)] // generated
mod electionpb {
    tonic::include_proto!("v3electionpb");
}

/// The version that we say we are: Debian's, whose `etcdctl` and answers ours are held against.
pub(crate) const VERSION: &str = "3.4.23";
/// What a message may have beyond its request (etcd: `grpcOverheadBytes`).
const MESSAGE_OVERHEAD_BYTES: usize = 512 * 1_024;

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What every service stands on. Clones share the member.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) group: Group,
    /// `--election-timeout`.
    pub(crate) election_timeout: Duration,
    /// `--max-request-bytes`.
    pub(crate) request_bytes_max: usize,
    pub(crate) shutdown: Shutdown,
}

impl Node {
    /// What a message has at most.
    fn message_bytes_max(&self) -> usize {
        self.request_bytes_max + MESSAGE_OVERHEAD_BYTES
    }

    /// The header of an answer as of a revision of the store.
    fn header(&self, revision: i64) -> Option<PbResponseHeader> {
        let standing = self.group.standing();
        Some(PbResponseHeader {
            cluster_id: standing.cluster_id,
            member_id: standing.member_id,
            revision,
            raft_term: standing.term,
        })
    }

    /// The header of an answer as of now.
    fn header_now(&self) -> Option<PbResponseHeader> {
        self.header(self.group.look(|store| store.revision()))
    }
}

/// Every service.
pub(crate) fn routes(node: Node) -> Router {
    macro_rules! server {
        ($server:ident) => {
            $server::new(node.clone()).max_decoding_message_size(node.message_bytes_max())
        };
    }
    let mut routes = Routes::builder();
    routes
        .add_service(server!(PbKvServer))
        .add_service(server!(PbWatchServer))
        .add_service(server!(PbLeaseServer))
        .add_service(server!(PbClusterServer))
        .add_service(server!(PbMaintenanceServer))
        .add_service(server!(LockServer))
        .add_service(server!(ElectionServer));
    let router = routes.routes().into_axum_router();
    guard::guarded(auth::with_auth(router), node)
}
