//! How a check ended, in HAProxy's words and codes (management.txt 9.1 `check_status`).

use std::time::Duration;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckStatus {
    /// None yet.
    Initial,
    /// Something on this side failed.
    SocketError,
    /// Connected.
    Layer4Ok,
    /// No connection in time.
    Layer4Timeout,
    /// No connection.
    Layer4Connection,
    /// The answer is right.
    Layer7Ok,
    /// No answer in time.
    Layer7Timeout,
    /// The answer is not understood.
    Layer7Response,
    /// The answer says that the server is not well.
    Layer7Status,
}

impl CheckStatus {
    /// The word of the statistics.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Initial => "INI",
            Self::SocketError => "SOCKERR",
            Self::Layer4Ok => "L4OK",
            Self::Layer4Timeout => "L4TOUT",
            Self::Layer4Connection => "L4CON",
            Self::Layer7Ok => "L7OK",
            Self::Layer7Timeout => "L7TOUT",
            Self::Layer7Response => "L7RSP",
            Self::Layer7Status => "L7STS",
        }
    }

    /// The words of a log line.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Initial => "Initializing",
            Self::SocketError => "Socket error",
            Self::Layer4Ok => "Layer4 check passed",
            Self::Layer4Timeout => "Layer4 timeout",
            Self::Layer4Connection => "Layer4 connection problem",
            Self::Layer7Ok => "Layer7 check passed",
            Self::Layer7Timeout => "Layer7 timeout",
            Self::Layer7Response => "Layer7 invalid response",
            Self::Layer7Status => "Layer7 wrong status",
        }
    }

    /// Whether the server is well.
    pub(crate) fn passed(self) -> bool {
        matches!(self, Self::Layer4Ok | Self::Layer7Ok)
    }

    /// Whether a status code of the protocol goes with it.
    pub(crate) fn has_code(self) -> bool {
        matches!(self, Self::Layer7Ok | Self::Layer7Status)
    }
}

/// A check that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: CheckStatus,
    /// The protocol's status code, as 200 or 503; 0 where it has none.
    pub(crate) code: u16,
    /// More words; may be empty.
    pub(crate) info: String,
    pub(crate) duration: Duration,
}
