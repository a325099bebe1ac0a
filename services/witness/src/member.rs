//! One member of the group: a client of its own, a deadline for every call, and what a failure means.

use std::error::Error as _;
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, Error};
use squall_host::connect::Connector;
use squall_host::net::Net;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::config;

/// A silent connection is asked whether it lives; etcd cuts off who asks more often
/// (`--grpc-keepalive-min-time`, 5 s).
const PING_EVERY: Duration = Duration::from_secs(5);

/// For the answer to that.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A member.
pub(crate) struct Member {
    /// As it is called in the lines.
    pub(crate) name: String,
    /// For calls.
    pub(crate) client: Client,
    /// For streams, which a member without a leader is to end: its metadata has `hasleader`.
    pub(crate) streams: Client,
    timeout: Duration,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for is certainly not done.
    #[error("not done: {0}")]
    NotDone(String),
    /// It was done, or not, or will be.
    #[error("unknown: {0}")]
    Unknown(String),
}

impl Failure {
    /// As a line has it in `ok`.
    pub(crate) fn ok(&self) -> Option<bool> {
        match self {
            Self::NotDone(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }
}

impl Member {
    /// Connects with the first call.
    pub(crate) async fn new(
        net: &Net,
        endpoint: &config::Endpoint,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let connector = Connector::new(net.clone(), timeout);
        let channel = Endpoint::from_shared(endpoint.uri.clone())
            .map_err(Error::TransportError)?
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(connector);
        let with_leader = ConnectOptions::new().with_require_leader(true);
        Ok(Self {
            name: endpoint.name.clone(),
            client: Client::from_channel(Channel::Tonic(channel.clone()), None).await?,
            streams: Client::from_channel(Channel::Tonic(channel), Some(with_leader)).await?,
            timeout,
        })
    }

    /// What `call` gives within the time for a call.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        match timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(|error| meaning(&error)),
            Err(_) => Err(Failure::Unknown("no answer in time".to_owned())),
        }
    }
}

/// Whether what failed so is certainly not done.
///
/// A refusal by its code is one (etcd's `api/v3rpc/rpctypes/error.go`). Of `Unavailable` and `Unknown` only `no
/// leader` is, which a member says before it proposes, and a connection that never came to be.
/// `ResourceExhausted` is said of a full database and of too many requests, before a proposal or in its stead.
fn meaning(error: &Error) -> Failure {
    let Error::GRpcStatus(status) = error else {
        return Failure::Unknown(error.to_string());
    };
    let refused = match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => true,
        Code::ResourceExhausted => status.message().starts_with("etcdserver:"),
        Code::Unavailable => status.message() == "etcdserver: no leader",
        _ => false,
    };
    let text = format!("{:?}: {}", status.code(), status.message());
    match refused || never_connected(status) {
        true => Failure::NotDone(text),
        false => Failure::Unknown(text),
    }
}

fn never_connected(status: &tonic::Status) -> bool {
    let mut source = status.source();
    while let Some(cause) = source {
        if cause.is::<tonic::ConnectError>() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use squall_host::Host;
    use tonic::Status;

    /// What becomes of a write to a listener that is there but never answers, or is not there.
    async fn put(is_there: bool) -> Failure {
        let host = Host::real();
        let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let _kept = is_there.then_some(listener);
        let endpoint = config::Endpoint {
            name: "etcd0".to_owned(),
            uri: format!("http://{address}"),
        };
        let timeout = Duration::from_millis(200);
        let member = Member::new(&host.net, &endpoint, timeout).await.unwrap();
        let mut client = member.client.clone();
        member.call(client.put("k", "v", None)).await.unwrap_err()
    }

    #[tokio::test]
    async fn what_was_never_sent_is_not_done() {
        let failure = put(false).await;
        assert_eq!(failure.ok(), Some(false), "{failure}");
    }

    #[tokio::test]
    async fn what_is_never_answered_is_unknown() {
        let failure = put(true).await;
        assert_eq!(failure.ok(), None, "{failure}");
    }

    fn ok(code: Code, message: &str) -> Option<bool> {
        meaning(&Error::GRpcStatus(Status::new(code, message))).ok()
    }

    #[test]
    fn only_what_was_refused_is_not_done() {
        let refused = "etcdserver: mvcc: required revision has been compacted";
        assert_eq!(ok(Code::OutOfRange, refused), Some(false));
        assert_eq!(ok(Code::Unavailable, "etcdserver: no leader"), Some(false));
        let full = "etcdserver: mvcc: database space exceeded";
        assert_eq!(ok(Code::ResourceExhausted, full), Some(false));
        for unknown in [
            "etcdserver: request timed out",
            "etcdserver: leader changed",
        ] {
            assert_eq!(ok(Code::Unavailable, unknown), None);
        }
        assert_eq!(ok(Code::ResourceExhausted, "message too large"), None);
        assert_eq!(ok(Code::Unknown, "transport error"), None);
    }
}
