//! Flags and environment, read.

use std::net::{Ipv4Addr, SocketAddr};

use squall_host::{Diagnostics, Launch};

/// What the service is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
}

impl Config {
    /// Reads what a process was started with.
    pub fn read(_launch: &Launch) -> Result<Self, Diagnostics> {
        Ok(Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
        })
    }
}
