//! Why and when a session ended: the two letters `%ts` of a log line (configuration.txt 8.5).

use std::fmt;

/// Who or what ended it; the first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The client went away.
    ClientAbort,
    /// The client was silent for too long.
    ClientTimeout,
    /// The server refused or went away.
    ServerAbort,
    /// The server was silent for too long.
    ServerTimeout,
    /// The proxy refused, because of what the client said.
    Proxy,
    /// The proxy answered by itself.
    Local,
    /// The server was marked down.
    Down,
    /// An active server came up, and this one was a backup.
    Up,
}

/// What was going on; the second letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The request was awaited.
    Request,
    /// In a queue.
    Queue,
    /// The connection was being made.
    Connect,
    /// Bytes were flowing.
    Data,
}

/// Both; nothing when the session ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Termination {
    pub(crate) cause: Option<Cause>,
    pub(crate) phase: Option<Phase>,
}

impl Termination {
    pub(crate) const fn new(cause: Cause, phase: Phase) -> Self {
        Self {
            cause: Some(cause),
            phase: Some(phase),
        }
    }

    /// Whether the session ended well.
    pub(crate) fn is_normal(self) -> bool {
        self.cause.is_none()
    }

    /// The first cause stands.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_normal() { other } else { self }
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause {
            None => '-',
            Some(Cause::ClientAbort) => 'C',
            Some(Cause::ClientTimeout) => 'c',
            Some(Cause::ServerAbort) => 'S',
            Some(Cause::ServerTimeout) => 's',
            Some(Cause::Proxy) => 'P',
            Some(Cause::Local) => 'L',
            Some(Cause::Down) => 'D',
            Some(Cause::Up) => 'U',
        };
        let phase = match self.phase {
            None => '-',
            Some(Phase::Request) => 'R',
            Some(Phase::Queue) => 'Q',
            Some(Phase::Connect) => 'C',
            Some(Phase::Data) => 'D',
        };
        write!(f, "{cause}{phase}")
    }
}
