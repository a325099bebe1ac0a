//! What is measured, and under which losses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The server's address in both worlds: a network for benchmarks (RFC 2544).
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, 77, 1)), 7);
/// The clients'.
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 77, 2));

/// Which way packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Those that the server should get.
    ToServer,
    /// Those that the clients should get.
    ToClient,
    /// Both, each for itself.
    Both,
}

impl Direction {
    /// Whether packets to the server are lost.
    pub fn to_server(self) -> bool {
        self != Self::ToClient
    }

    /// Whether packets to the clients are lost.
    pub fn to_client(self) -> bool {
        self != Self::ToServer
    }
}

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// From `connect` to its success.
    Connect,
    /// 50 bytes there and back on an open connection.
    Request,
}

impl What {
    /// Both, in the order in which they are measured.
    pub const ALL: [Self; 2] = [Self::Connect, Self::Request];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Request => "request",
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Measurements of each kind under each loss.
    pub count: usize,
    /// How many go on at once.
    pub clients: usize,
    /// A measurement that takes longer counts as this long.
    pub limit: Duration,
}
