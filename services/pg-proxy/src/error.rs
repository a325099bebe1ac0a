//! Why the proxy could not start or had to end.

use std::io;
use std::net::SocketAddr;

use squall_host::diagnostic::Origin;

/// What ends [`crate::run`] before a graceful stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A `bind` line's address cannot be listened on.
    #[error("{origin}: cannot bind {address}")]
    Bind {
        /// The address of the `bind` line.
        address: SocketAddr,
        /// The `bind` line.
        origin: Origin,
        /// What the operating system says.
        source: io::Error,
    },
    /// A server's name has no address, and its `init-addr` does not allow that.
    #[error("{origin}: could not resolve address '{name}' of server '{server}'")]
    Resolve {
        /// The name.
        name: String,
        /// `backend/server`.
        server: String,
        /// The `server` line.
        origin: Origin,
        /// What the resolver says.
        source: io::Error,
    },
}
