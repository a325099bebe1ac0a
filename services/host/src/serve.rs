//! `axum::serve` over a [`TcpListener`].

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::{TcpListener, TcpStream};

/// How long accepting rests after an error such as EMFILE, which would otherwise come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);

impl axum::serve::Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match TcpListener::accept(self).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        TcpListener::local_addr(self)
    }
}
