//! A hyper-util connector over a [`Net`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;

use crate::net::{Net, TcpStream};

/// Connects to the authority of a URI, for `hyper_util::client::legacy::Client`.
#[derive(Clone)]
pub struct Connector {
    net: Net,
    timeout: Duration,
}

impl Connector {
    /// `timeout` covers the look-up of the name and the handshake together.
    pub fn new(net: Net, timeout: Duration) -> Self {
        Self { net, timeout }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (net, timeout) = (self.net.clone(), self.timeout);
        Box::pin(async move {
            let host = uri.host().ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{uri}: no host in this address"),
                )
            })?;
            let port = uri.port_u16().unwrap_or(80);
            match tokio::time::timeout(timeout, net.connect_name(host, port)).await {
                Ok(stream) => stream.map(TokioIo::new),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{host}:{port}: no connection within {timeout:?}"),
                )),
            }
        })
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
