//! What a failed call tells: not done, refused, or unknown.

use etcd_client::Error as ClientError;
use tonic::{Code, Status};

use crate::member::NotSent;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Certainly not done, and never will be: no member took it. Later it may go well.
    #[error("not done: {0}")]
    NotDone(String),
    /// etcd's answer is no: certainly not done, and asking again does not help.
    #[error("refused: {0}")]
    Refused(ClientError),
    /// The events that a watch waits for are gone: what it watches must be read anew.
    #[error("the history before revision {0} is compacted")]
    Compacted(i64),
    /// It was sent, and nobody said what became of it. It may also be done later.
    #[error("unknown whether it was done: {0}")]
    Unknown(String),
}

impl Error {
    /// What etcd said, if it refused.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(ClientError::GRpcStatus(status)) => Some(status.message()),
            _ => None,
        }
    }
}

/// What a failed try says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    NotDone,
    Refused,
    Unknown,
}

/// Statuses with which etcd answers before anything is proposed to the group; another member, or this one
/// later, may do it (etcd 3.4: `api/v3rpc/interceptor.go`, `server.go::processInternalRaftRequestOnce`).
/// `request timed out` and `server stopped` are not among them: those come after.
const BEFORE: [&str; 5] = [
    "etcdserver: no leader",
    "etcdserver: not capable",
    "etcdserver: too many requests",
    "etcdserver: rpc not supported for learner",
    "raft proposal dropped",
];

/// See [`Fate`].
pub(crate) fn fate(error: &ClientError) -> Fate {
    match error {
        ClientError::GRpcStatus(status) => fate_of(status),
        ClientError::InvalidArgs(_) | ClientError::LeaseKeepAliveError(_) => Fate::Refused,
        _ => Fate::Unknown,
    }
}

fn fate_of(status: &Status) -> Fate {
    if was_not_sent(status) || BEFORE.contains(&status.message()) {
        return Fate::NotDone;
    }
    // Without etcd's own words it is some layer between, which may have failed on the way back.
    let says_etcd = status.message().starts_with("etcdserver: ");
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::ResourceExhausted
        | Code::Unauthenticated
            if says_etcd =>
        {
            Fate::Refused
        }
        Code::Unimplemented => Fate::Refused,
        _ => Fate::Unknown,
    }
}

fn was_not_sent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        if cause.is::<NotSent>() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_before_a_proposal_is_certain() {
        let fate = |code, message: &str| fate(&ClientError::GRpcStatus(Status::new(code, message)));
        let unavailable = Code::Unavailable;
        assert_eq!(fate(unavailable, "etcdserver: no leader"), Fate::NotDone);
        for after in [
            "etcdserver: request timed out",
            "etcdserver: request timed out, possibly due to previous leader failure",
            "etcdserver: leader changed",
            "etcdserver: server stopped",
            "tcp connect error",
        ] {
            assert_eq!(fate(unavailable, after), Fate::Unknown, "{after}");
        }
        let lost = "etcdserver: requested lease not found";
        assert_eq!(fate(Code::NotFound, lost), Fate::Refused);
        assert_eq!(fate(Code::NotFound, "no such route"), Fate::Unknown);
        assert_eq!(fate(Code::Internal, "h2 protocol error"), Fate::Unknown);
        let not_sent = Status::from_error(Box::new(NotSent("gone".to_owned())));
        assert_eq!(super::fate(&not_sent.into()), Fate::NotDone);
    }
}
