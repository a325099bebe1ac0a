//! See docs; the seam of its neighbours: `load` and `run`.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

/// What the service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its port is taken, or the address is not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Reads arguments and environment.
pub fn load(_: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config {
        listen: ([0, 0, 0, 0], 8080).into(),
    };
    let facts = Facts {
        listens: vec![(config.listen, None)],
        ..Facts::default()
    };
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Serves until a stop is asked for and the requests in flight are done.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    let address = config.listen;
    let listener = host
        .net
        .listen(address)
        .map_err(|source| Error::Listen { address, source })?;
    let router = Router::new().route("/healthz", get(async || "OK"));
    Http::default().serve(listener, router, shutdown).await;
    Ok(())
}
