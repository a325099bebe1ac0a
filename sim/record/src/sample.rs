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
    /// What was sent as the body, or in its absence the path; of clients that draw what they send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Name>,
    /// The whole answer, if it is not longer than 64 KiB; of clients that ask for it.
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

    /// What its client can know of its effect.
    pub fn fate(&self) -> Fate {
        self.outcome.fate()
    }
}

/// What the client of a request can know of its effect, seeing nothing but the outcome.
///
/// Whoever judges a history must not assume more: what is [`Unknown`](Self::Unknown) may have happened,
/// may happen later, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was done: a status of success.
    Acknowledged,
    /// It was not done and will not be: the server says so, or never got the request.
    Refused,
    /// Nobody told.
    Unknown,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        })
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

impl Outcome {
    /// What a client that sees this can know of the effect of its request.
    ///
    /// The statuses of a client's mistake (400 to 499) and 503 promise that nothing was done; a server that
    /// answers them after an effect breaks its promise, which is for an invariant to find. Of the others 500
    /// and 504 are the servers' own "I do not know", and 502 is a proxy's; a redirect was not followed.
    /// Failures before anything was sent are as certain as a refusal.
    pub fn fate(self) -> Fate {
        match self {
            Self::Status(200..=299) => Fate::Acknowledged,
            Self::Status(400..=499 | 503) => Fate::Refused,
            Self::Status(_) => Fate::Unknown,
            Self::Failure(failure) if failure.is_before_sending() => Fate::Refused,
            Self::Failure(_) => Fate::Unknown,
        }
    }
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

impl Failure {
    /// Whether the server cannot have seen anything of the request.
    fn is_before_sending(self) -> bool {
        match self {
            Self::NoSuchName | Self::Refused | Self::Unreachable | Self::Overload => true,
            // The kernel gives up connecting as it does sending, and the record does not tell which.
            Self::GaveUp
            | Self::Timeout
            | Self::Reset
            | Self::Closed
            | Self::Malformed
            | Self::Other => false,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_an_acknowledgement() {
        for status in 100..=599 {
            let is_success = (200..300).contains(&status);
            let fate = Outcome::Status(status).fate();
            assert_eq!(fate == Fate::Acknowledged, is_success, "{status}");
        }
    }

    #[test]
    fn what_a_server_turns_away_is_refused() {
        for status in [400, 404, 409, 428, 429, 499, 503] {
            assert_eq!(Outcome::Status(status).fate(), Fate::Refused, "{status}");
        }
    }

    #[test]
    fn a_server_that_failed_may_have_done_it() {
        for status in [101, 302, 500, 501, 502, 504, 599] {
            assert_eq!(Outcome::Status(status).fate(), Fate::Unknown, "{status}");
        }
    }

    #[test]
    fn a_failure_is_a_refusal_only_if_nothing_was_sent() {
        let fate = |failure| Outcome::Failure(failure).fate();
        for failure in [
            Failure::NoSuchName,
            Failure::Refused,
            Failure::Unreachable,
            Failure::Overload,
        ] {
            assert_eq!(fate(failure), Fate::Refused, "{failure}");
        }
        for failure in [
            Failure::Timeout,
            Failure::Reset,
            Failure::GaveUp,
            Failure::Closed,
            Failure::Malformed,
            Failure::Other,
        ] {
            assert_eq!(fate(failure), Fate::Unknown, "{failure}");
        }
    }
}
