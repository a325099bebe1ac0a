//! What is not done, in etcd's words and with its gRPC status (etcd: `api/v3rpc/rpctypes/error.go`).

use tonic::{Code, Status};

/// Why a request is not done. `Display` is etcd's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A request without a key.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// A put that keeps value or lease, of a key that is not there; or an operation of a txn that is none.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A put that keeps the value and has one.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A put that keeps the lease and has one.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// A txn with more operations than allowed.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// A txn that changes a key twice.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// A sort order or target that does not exist (since 3.5; 3.4 dies of it).
    #[error("etcdserver: invalid sort option")]
    InvalidSortOption,
    /// A request that is larger than `--max-request-bytes`.
    #[error("etcdserver: request is too large")]
    RequestTooLarge,
    /// More proposals are under way than a member takes.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// A revision that is compacted.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// A revision that is not there yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// The store has reached `--quota-backend-bytes`.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// A lease that is not there.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// A lease of a number that is taken.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// A TTL above 9,000,000,000 s.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// A member of a number that is taken.
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    /// A peer address that another member has.
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    /// A change of members that would leave too few that have started.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    MemberNotEnoughStarted,
    /// Peer addresses that are none.
    #[error("etcdserver: given member URLs are invalid")]
    MemberBadUrls,
    /// A member that is not there.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// A promotion of a member that has a vote.
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    /// A promotion of a learner that is too far behind.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// One learner more than allowed.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// What a learner does not serve.
    #[error("etcdserver: rpc not supported for learner")]
    NotSupportedForLearner,
    /// Nobody has a password here.
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    /// No member leads, so that nothing was proposed.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// What only the leader does.
    #[error("etcdserver: not leader")]
    NotLeader,
    /// The leader changed while the request waited.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    /// A member that cannot lead.
    #[error("etcdserver: bad leader transferee")]
    BadLeaderTransferee,
    /// Proposed, and not known to be done in time; it may be done yet.
    #[error("etcdserver: request timed out")]
    TimedOut,
    /// The same, and the leader was lost meanwhile.
    #[error("etcdserver: request timed out, possibly due to previous leader failure")]
    TimedOutLeaderLost,
    /// The same, and the connection to a peer was lost meanwhile.
    #[error("etcdserver: request timed out, possibly due to connection lost")]
    TimedOutConnectionLost,
    /// A change of members while too few are connected.
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
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
            Self::EmptyKey
            | Self::KeyNotFound
            | Self::ValueProvided
            | Self::LeaseProvided
            | Self::TooManyOps
            | Self::DuplicateKey
            | Self::InvalidSortOption
            | Self::RequestTooLarge
            | Self::MemberBadUrls => Code::InvalidArgument,
            Self::Compacted | Self::FutureRevision | Self::LeaseTtlTooLarge => Code::OutOfRange,
            Self::NoSpace | Self::TooManyRequests => Code::ResourceExhausted,
            Self::LeaseNotFound | Self::MemberNotFound => Code::NotFound,
            Self::LeaseExists
            | Self::MemberExists
            | Self::PeerUrlExists
            | Self::MemberNotEnoughStarted
            | Self::MemberNotLearner
            | Self::LearnerNotReady
            | Self::TooManyLearners
            | Self::NotLeader
            | Self::BadLeaderTransferee
            | Self::AuthNotEnabled => Code::FailedPrecondition,
            Self::NotSupportedForLearner
            | Self::NoLeader
            | Self::LeaderChanged
            | Self::TimedOut
            | Self::TimedOutLeaderLost
            | Self::TimedOutConnectionLost
            | Self::Unhealthy
            | Self::Stopped => Code::Unavailable,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.status()
    }
}
