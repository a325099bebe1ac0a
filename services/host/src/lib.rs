//! What an operating system gives a service, and nothing more.
//!
//! A service is a library with one entry point, `run(config, host, shutdown)`. Everything that it
//! needs from the machine comes through [`Host`]; the simulator hands out a `Host` of its own, and
//! the service cannot tell. Time needs no handle: `tokio::time` is virtual under simulation.
//!
//! | module | idea |
//! |---|---|
//! | [`net`] | TCP, UDP and name look-up: concrete types over a driver |
//! | [`disk`] | append, sync, read, rename, list: what a log needs |
//! | [`output`] | lines to standard output, a container's log |
//! | [`launch`] | what a process is started with: arguments, environment, files; and what a program makes of it |
//! | [`environment`] | environment variables, read into values |
//! | [`diagnostic`] | a complaint about a user's file, with file and line |
//! | [`shutdown`] | the request to stop gracefully |
//! | [`dns`] | one question to one name server, for programs that resolve by themselves |
//! | [`serve`], [`connect`] | the glue for axum and hyper-util |
//! | [`planted`] | defects on purpose, for the tests that show that they are found |
//! | [`meter`] | a TCP stream that counts |
//! | [`real`] | the arm for production: tokio's network and the real disk |
//!
//! Deliberately absent: anything that knows the simulator; a clock; entropy; a task spawner
//! (`tokio::spawn` is right in both worlds); configuration formats.

pub mod connect;
pub mod diagnostic;
pub mod disk;
pub mod dns;
pub mod environment;
pub mod launch;
pub mod meter;
pub mod net;
pub mod output;
pub mod planted;
pub mod real;
pub mod serve;
pub mod shutdown;

use std::sync::Arc;

pub use diagnostic::{Diagnostic, Diagnostics, Origin};
pub use environment::Environment;
pub use launch::{Facts, Files, Launch, Loaded};
pub use shutdown::{Shutdown, Trigger};

/// A cheap handle on one machine, as a process on it sees it. Clones share the machine.
#[derive(Clone)]
pub struct Host {
    name: Arc<str>,
    /// The network of this machine.
    pub net: net::Net,
    /// The disk of this machine.
    pub disk: disk::Disk,
    /// Standard output of this process.
    pub out: output::Output,
    /// The defects of this process: none in production.
    pub planted: planted::Planted,
}

impl Host {
    /// The machine that this process really runs on.
    pub fn real() -> Self {
        real::host()
    }

    /// A machine made of the given parts; for the simulator and for tests.
    pub fn new(name: &str, net: net::Net, disk: disk::Disk, out: output::Output) -> Self {
        Self {
            name: name.into(),
            net,
            disk,
            out,
            planted: planted::Planted::default(),
        }
    }

    /// The machine as a process sees it that was launched like this: with the defects that its
    /// environment names, in a build that has them. For the simulator.
    #[must_use]
    pub fn launched(mut self, launch: &Launch) -> Self {
        self.planted = planted::Planted::of(launch);
        self
    }

    /// The host name, as `gethostname(2)` gives it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
