//! One request of a client, and what became of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Which client sent it.
    pub client: Name,
    /// When, in microseconds since the run began.
    pub sent_us: u64,
    /// From sending to the end of the answer, or to the failure.
    pub latency_us: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Who answered, as the answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Name>,
    /// Which database was behind it, as the answer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Name>,
    /// The number that the client reads from its answers, for invariants that compare what was
    /// written with what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// What was sent as the body; of clients that draw what they send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Name>,
    /// The beginning of the answer, or what stood in its place; of clients that ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Name>,
}

impl Sample {
    /// When the answer, or the failure, was there.
    pub fn ended_us(&self) -> u64 {
        self.sent_us.saturating_add(self.latency_us)
    }

    /// Whether it was answered with a status of success (200 to 299).
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Status(200..=299))
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Answered with this HTTP status.
    Status(u16),
    /// Not answered.
    Failure(Failure),
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No answer within the client's timeout.
    Timeout,
    /// The host's name has no address.
    NoSuchName,
    /// ECONNREFUSED.
    Refused,
    /// ECONNRESET.
    Reset,
    /// EHOSTUNREACH, ENETUNREACH.
    Unreachable,
    /// The kernel gave up connecting or sending (ETIMEDOUT).
    GaveUp,
    /// The connection was closed before the answer was complete.
    Closed,
    /// What came back is not HTTP, or more than the client reads.
    Malformed,
    /// Not sent: too many requests of this client were in flight.
    Overload,
    /// Anything else that the socket reports.
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Timeout => "timeout",
            Self::NoSuchName => "no such name",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::GaveUp => "gave up",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Overload => "overload",
            Self::Other => "error",
        })
    }
}

impl fmt::Display for Outcome {
    /// The key under which reports count it: `200`, `timeout`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => f.pad(&status.to_string()),
            Self::Failure(failure) => failure.fmt(f),
        }
    }
}
