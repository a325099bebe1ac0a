//! Why edge cannot start. What goes wrong with a request is answered, not returned.

use std::io;
use std::net::SocketAddr;

use squall_host::Origin;

/// Why [`crate::run`] ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of a server did not resolve; nginx does not start, either.
    #[error("host not found in upstream \"{name}\" in {origin}")]
    HostNotFound {
        /// As written.
        name: String,
        /// Where.
        origin: Origin,
        /// What the look-up said.
        source: io::Error,
    },
    /// The name of a name server did not resolve.
    #[error("host not found in resolver \"{name}\" in {origin}")]
    ResolverNotFound {
        /// As written.
        name: String,
        /// Where.
        origin: Origin,
        /// What the look-up said.
        source: io::Error,
    },
    /// An address could not be listened on.
    #[error("bind() to {address} failed")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
