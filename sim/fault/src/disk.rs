//! How fast a disk is, and what fails on it.

use std::time::Duration;

/// A disk when nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Any operation but a sync.
    pub operation: Duration,
    /// Making what was written durable (`fdatasync`).
    pub sync: Duration,
    /// What passes over time, read and written; `None` for as much as there is.
    pub bytes_per_second: Option<u64>,
    /// What fits; more is ENOSPC.
    pub capacity_bytes: u64,
}

/// What can be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Write at the end.
    Append,
    /// Make durable.
    Sync,
    /// Read the whole.
    Read,
    /// Give another name.
    Rename,
    /// Remove.
    Remove,
    /// List a folder.
    List,
    /// Cut off the end.
    Truncate,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Append,
        Self::Sync,
        Self::Read,
        Self::Rename,
        Self::Remove,
        Self::List,
        Self::Truncate,
    ];

    /// As a scenario writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::Truncate => "truncate",
        }
    }
}

/// Something that is wrong with a disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Files that are concerned, a pattern as [`crate::pattern::path`] reads it; `None` for all.
    pub path: Option<String>,
    /// Operations that are concerned; empty for all.
    pub operations: Vec<Operation>,
    /// How many of these, from 0 to 1.
    pub probability: f64,
    /// What becomes of them.
    pub effect: Effect,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reaches the disk this much later; others do not wait for it.
    Delay(Duration),
    /// It fails with this error number, and nothing is done; but what a sync that fails should have
    /// written counts as written from then on, as Linux does it.
    Errno(i32),
    /// Bytes that are read or appended are replaced; other operations are not concerned.
    Mistake {
        /// By what.
        filling: Filling,
        /// At most at so many places.
        occurrences_max: u32,
        /// Each at most so long.
        length_max: u32,
    },
}

/// What stands where bytes were replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// Zeros.
    Zero,
    /// Noise.
    Random,
}
