//! A highly available counter: increments over HTTP, kept in etcd, in four modes.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | flags and environment, read |
//!
//! Deliberately absent: more than one counter.

pub mod config;

use squall_host::net::ListenError;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

pub use config::Config;

/// Reads flags and environment; see [`Config`].
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

/// Serves until a stop is asked for.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), ListenError> {
    let _listener = host.net.listen(config.listen)?;
    shutdown.requested().await;
    Ok(())
}
