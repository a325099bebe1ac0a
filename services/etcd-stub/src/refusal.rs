//! What is not done, in etcd's words and with its gRPC status (etcd: `api/v3rpc/rpctypes/error.go`).

use tonic::{Code, Status};

/// Why a request is not done. `Display` is etcd's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No key was given, or none in an operation of a transaction.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// `ignore_value` or `ignore_lease` of a key that is not there, or an operation that is none.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A value beside `ignore_value`.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A lease beside `ignore_lease`.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// More operations than `--max-txn-ops`.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// Two operations of a transaction change the same key.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// A revision that is compacted.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// A revision that is not there yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision,
    /// No such lease.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// A lease by a number that is taken.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// A lease of more than 9,000,000,000 s.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// A request of more than `--max-request-bytes`.
    #[error("etcdserver: request is too large")]
    TooLarge,
    /// More is waiting for the log than may.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// A member by a number that is taken.
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    /// Peer addresses that another member has.
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlExists,
    /// Peer addresses that are none.
    #[error("etcdserver: given member URLs are invalid")]
    MemberBadUrls,
    /// No such member.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// A member that has a vote cannot be given one.
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    /// A learner that is too far behind.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// One learner at a time.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// What a learner does not answer.
    #[error("etcdserver: rpc not supported for learner")]
    NotSupportedForLearner,
    /// The change would leave the group without a quorum of members that have started.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    NotEnoughStarted,
    /// A member that cannot lead.
    #[error("etcdserver: bad leader transferee")]
    BadTransferee,
    /// Only the leader does this.
    #[error("etcdserver: not leader")]
    NotLeader,
    /// Nobody has a password here.
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    /// The leader changed, so that what was asked for was given up before it was proposed.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
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
            Self::EmptyKey
            | Self::KeyNotFound
            | Self::ValueProvided
            | Self::LeaseProvided
            | Self::TooManyOps
            | Self::DuplicateKey
            | Self::TooLarge
            | Self::MemberBadUrls => Code::InvalidArgument,
            Self::Compacted | Self::FutureRevision | Self::LeaseTtlTooLarge => Code::OutOfRange,
            Self::LeaseNotFound | Self::MemberNotFound => Code::NotFound,
            Self::LeaseExists
            | Self::MemberExists
            | Self::PeerUrlExists
            | Self::MemberNotLearner
            | Self::LearnerNotReady
            | Self::TooManyLearners
            | Self::NotEnoughStarted
            | Self::BadTransferee
            | Self::NotLeader
            | Self::AuthNotEnabled => Code::FailedPrecondition,
            Self::TooManyRequests => Code::ResourceExhausted,
            Self::LeaderChanged
            | Self::NoLeader
            | Self::NotSupportedForLearner
            | Self::TimedOut
            | Self::TimedOutLeaderLost
            | Self::Stopped => Code::Unavailable,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.status()
    }
}
