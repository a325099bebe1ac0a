//! Which clients an invariant speaks of. Deliberately not what those clients send or keep: a scenario says
//! that, and its reader sees to it that an invariant finds what it needs.

use std::time::Duration;

use crate::SETTLE;

/// Who adds to a count, and who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The client whose requests each add one to a count that starts at 0.
    pub writes: String,
    /// The client whose answers carry the count as their `value`.
    pub reads: String,
}

/// Who moves money between accounts, and who reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// The client whose requests are transfers, and are kept.
    pub transfers: String,
    /// The client whose answers are lists of balances, and are kept.
    pub accounts: String,
    /// How long the service may go on with a transfer of which its client knows nothing.
    pub settle: Duration,
}

impl Default for Accounts {
    /// The names that scenarios give these clients.
    fn default() -> Self {
        Self {
            transfers: "transfers".to_owned(),
            accounts: "accounts".to_owned(),
            settle: SETTLE,
        }
    }
}

/// Who asks how to settle, and what the accounts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clear {
    /// The client whose answers are lists of payments, and are kept.
    pub clear: String,
    /// Who moves money, and who reads it.
    pub accounts: Accounts,
}

impl Default for Clear {
    /// The names that scenarios give these clients.
    fn default() -> Self {
        Self {
            clear: "clear".to_owned(),
            accounts: Accounts::default(),
        }
    }
}

/// Whose requests cause calls, and who counts those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The client that sends requests.
    pub requests: String,
    /// The clients that each read the counter of calls of one instance, as their `value`.
    pub calls: Vec<String>,
    /// How many calls there may be for each request.
    pub at_most: u32,
}

/// Who increments a counter, who reads it, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    /// The client whose requests each add one; the answer carries the count after that as its `value`.
    pub increments: String,
    /// The client whose answers carry the count as their `value`, if there is one.
    pub reads: Option<String>,
    /// What it counts before anything is done.
    pub from: Start,
}

/// What a counter counts before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// This.
    At(i64),
    /// What is read before the first increment is sent: of a system that ran before.
    FirstRead,
}

impl Default for Counting {
    /// The names that scenarios give these clients.
    fn default() -> Self {
        Self {
            increments: "increments".to_owned(),
            reads: Some("fetches".to_owned()),
            from: Start::At(0),
        }
    }
}
