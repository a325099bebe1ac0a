//! How a run is asked for, and how it can fail to show anything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_host::Host;

/// Runs a command beside a process, with the environment of its container; its exit status.
pub type Exec = fn(Host, BTreeMap<String, String>, Vec<String>) -> BoxFuture<'static, i32>;

/// What the command line adds to a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Decides everything that the scenario leaves open.
    pub seed: u64,
    /// Where the trace of all events is written, one line for each.
    pub trace: Option<PathBuf>,
}

/// Why a run has no record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The testbed itself broke, so the run shows nothing about the system. Exit status 255.
    #[error("broken testbed: {host} at {:.6} s: {what}", at.as_secs_f64())]
    Broken {
        /// The machine that did it.
        host: String,
        /// When, in virtual time since the run began.
        at: Duration,
        /// What it did.
        what: String,
    },
    /// The file for the trace cannot be made: an error of whoever named it.
    #[error("{}: cannot write the trace", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
