//! The application of two systems. The Compose system's `GET /data` says which instance answered, which
//! database it reached and what time it is there. The Kubernetes system's `GET /users` counts the rows
//! of the table `users`, and `POST` adds one where writes go. `GET /health` says that the process lives,
//! `GET /ready` that it would serve a request. Both systems' routes are always there; what differs
//! otherwise has a setting of its own.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | the environment, read |
//! | `app` | the routes and their answers |
//! | `database` | statements for the database, on a connection of their own |
//! | `readiness` | whether the instance would serve a request |
//!
//! Deliberately absent: a pool. The original opens a connection for each request, and the lab is
//! about what happens to those.

mod app;
pub mod config;
mod database;
mod readiness;

use std::time::Duration;

use squall_host::net::ListenError;
use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

pub use config::Config;

/// Reads the environment; see [`Config`].
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config::read(launch)?;
    let facts = Facts {
        listens: vec![(config.listen, None)],
        ..Facts::default()
    };
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Serves until a stop is asked for, its delay is over, and the requests in flight are done.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), ListenError> {
    let listener = host.net.listen(config.listen)?;
    let mut limits = Http {
        connections_max: config.connections_max,
        delay: config.shutdown_delay,
        ..Http::default()
    };
    if host.planted.has("users-api/cuts-off-at-stop") {
        limits.grace = Duration::ZERO;
    }
    let router = app::router(config, host, shutdown.clone());
    limits.serve(listener, router, shutdown).await;
    Ok(())
}
