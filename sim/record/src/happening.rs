//! What befell the system, and what its processes said.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// One thing of note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When, in microseconds since the run began.
    pub at_us: u64,
    /// To whom: a service, or `network`.
    pub host: Name,
    /// What, in a few words: `killed`, `Server pg/slave2 is DOWN …`.
    pub what: String,
    /// On whose account.
    pub kind: Kind,
    /// The fault that lasts from now on, by a number that no other fault of the run has. None for
    /// what is done at once, as a kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<u32>,
    /// The faults that have lasted and are over now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<u32>,
}

/// On whose account something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The scenario broke something.
    Fault,
    /// The scenario mended something.
    Repair,
    /// The control plane or a process did something by itself.
    Note,
}

/// One line of a process's standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, in microseconds since the run began.
    pub at_us: u64,
    /// Whose.
    pub host: Name,
    /// The line without its end.
    pub text: String,
}

/// The lines that were kept, and how many were not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// In order; the earliest, when there were too many.
    pub lines: Vec<Line>,
    /// How many came after them and were not kept.
    pub dropped: u64,
}
