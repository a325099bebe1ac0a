//! Work in a forked child process: a fresh copy of this one, which may hang, abort or eat memory
//! without harm to its parent.
//!
//! A child starts from what its parent has loaded, so a fork costs milliseconds, and
//! process-wide state that one piece of work leaves behind never meets another. [`run`] waits for
//! one child; a [`Pool`] drives several.
//!
//! The parent must have one thread only: a fork copies the thread that asks for it and no other,
//! and a lock that another one holds is held for ever in the child. This is checked at each fork.
//! The work itself may start threads, as the engine does. Under libtest that means
//! `--test-threads=1`, or `harness = false`.
//!
//! Children die with their parent, however it dies. They do not react to SIGINT, SIGTERM and SIGHUP,
//! which a terminal sends to a whole group: the parent decides what becomes of its children.
//!
//! Deliberately absent: what the work is, and in which order it is done.

mod pool;
mod sys;

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use pool::{Pool, Waited};

/// What a child may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Real time from its start to its result. The engine's own watchdog sees a host that blocks;
    /// this sees everything else, such as a run that is busy without an end.
    pub real_time: Duration,
    /// Memory that it may write to (RLIMIT_DATA, see `setrlimit(2)`), with what the parent has.
    pub memory_bytes: u64,
}

impl Default for Limits {
    /// Two minutes and two gigabytes.
    fn default() -> Self {
        Self {
            real_time: Duration::from_secs(120),
            memory_bytes: 2 << 30,
        }
    }
}

/// How a child ended. `said` is the end of what it wrote to standard output and standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// With a result.
    Value(T),
    /// It had none within its time and was killed.
    Hung {
        /// The limit.
        after: Duration,
        /// What it wrote.
        said: String,
    },
    /// It could not get the memory that it asked for.
    TooMuchMemory {
        /// The limit.
        limit_bytes: u64,
        /// What it wrote.
        said: String,
    },
    /// A signal killed it: SIGABRT for a panic that cannot unwind or a stack that overflowed,
    /// SIGKILL (which is not ours) for a machine that ran out of memory.
    Aborted {
        /// The signal's number.
        signal: i32,
        /// What it wrote.
        said: String,
    },
    /// It exited without a result: 101 after a panic, 102 if the result cannot be passed on.
    Exited {
        /// The exit status.
        status: i32,
        /// What it wrote.
        said: String,
    },
}

impl<T> Ended<T> {
    /// With another result, if there is one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Ended<U> {
        match self {
            Self::Value(value) => Ended::Value(change(value)),
            Self::Hung { after, said } => Ended::Hung { after, said },
            Self::TooMuchMemory { limit_bytes, said } => Ended::TooMuchMemory { limit_bytes, said },
            Self::Aborted { signal, said } => Ended::Aborted { signal, said },
            Self::Exited { status, said } => Ended::Exited { status, said },
        }
    }
}

/// Why work could not be given to a child.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This process has other threads.
    #[error(
        "cannot fork: this process has {count} threads, and a fork copies only one (in tests: --test-threads=1)"
    )]
    Threads {
        /// How many there are.
        count: usize,
    },
    /// The operating system refuses.
    #[error("cannot {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Does the work in a child and waits for it.
///
/// # Errors
///
/// [`Error`] if there can be no child. Whatever the child does is an [`Ended`].
pub fn run<T>(limits: &Limits, work: impl FnOnce() -> T) -> Result<Ended<T>, Error>
where
    T: Serialize + DeserializeOwned,
{
    let mut pool = Pool::new(*limits);
    pool.start((), work)?;
    loop {
        if let Waited::Ended((), ended) = pool.wait(None, None)? {
            return Ok(ended);
        }
    }
}
