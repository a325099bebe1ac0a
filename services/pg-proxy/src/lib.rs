//! A TCP proxy that plays HAProxy and reads `haproxy.cfg`.
//!
//! Its words, its numbers, its times and its order of choice are those of HAProxy 2.6, so that the
//! same file means the same here and there; `differential/` holds the two against each other. What
//! it does not play it refuses by name. Deliberately absent: traffic in `mode http`, TLS, rules
//! with conditions, stick tables, the command socket, reloading.
//!
//! | module | idea |
//! |---|---|
//! | `launch` | command line to files to a program that is ready to start |
//! | [`syntax`], [`config`] | the language of `haproxy.cfg` |
//! | `run` | puts a configuration to work and stops it |
//! | `frontend`, `session` | listeners; one session from accept to log line |
//! | `connect` | from a session that wants a server to a connection: queues, retries, redispatch |
//! | `relay` | bytes both ways, ends and silences |
//! | `backend`, `server`, `health` | servers, their places and queues, their ups and downs |
//! | `balance` | which server is next |
//! | `check` | health checks |
//! | `resolve` | names of servers, at start and at run time |
//! | `stats` | the statistics page, HTML and CSV |
//! | `log`, `clock`, `termination`, `counters` | lines, dates, ends and numbers in HAProxy's form |

mod backend;
mod balance;
mod check;
mod clock;
pub mod config;
mod connect;
mod counters;
pub mod error;
mod frontend;
mod health;
mod launch;
mod log;
mod relay;
mod resolve;
mod run;
mod server;
mod session;
mod stats;
pub mod syntax;
mod termination;
#[cfg(test)]
mod testing;

use squall_host::diagnostic::Diagnostics;
use squall_host::{Host, Launch, Loaded, Shutdown};

pub use config::Config;
pub use error::Error;

/// Reads the command line of `haproxy` and its files; every complaint has its file and line.
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    launch::load(launch)
}

/// Runs until the stop is asked for and the sessions have ended, `hard-stop-after` at the latest.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    run::run(config, host, shutdown).await
}
