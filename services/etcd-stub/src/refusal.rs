//! What is not done, in etcd's words and with its gRPC status (etcd: `api/v3rpc/rpctypes/error.go`).

use tonic::{Code, Status};

/// Why a request is not done. `Display` is etcd's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A revision that is compacted.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// A revision that is not there yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// No member leads, so that nothing was proposed.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// Proposed, and not known to be done in time; it may be done yet.
    #[error("etcdserver: request timed out")]
    TimedOut,
    /// The same, and the leader was lost meanwhile.
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimedOutLeaderLost,
    /// The member is stopping.
    #[error("etcdserver: server stopped")]
    Stopped,
}

impl Refusal {
    /// The status on the wire.
    pub fn status(self) -> Status {
        Status::new(self.code(), self.to_string())
    }

    fn code(self) -> Code {
        match self {
            Self::Compacted | Self::FutureRevision => Code::OutOfRange,
            Self::NoLeader | Self::TimedOut | Self::TimedOutLeaderLost | Self::Stopped => {
                Code::Unavailable
            }
        }
    }
}
