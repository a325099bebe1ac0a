//! A network in memory: connections are pipes, nothing takes time, and it can be cut.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_host::net::{
    DriverListener, DriverStream, Keepalive, Net, NetDriver, TcpListener, TcpStream, UdpSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;

const PIPE_BYTES: usize = 256 * 1_024;

type Backlog = mpsc::Sender<(TcpStream, SocketAddr)>;

/// The network; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    listeners: BTreeMap<u16, Backlog>,
    /// Ports to which no connection comes about, nor an error.
    silent: Vec<u16>,
}

impl Memory {
    pub(crate) fn net(&self) -> Net {
        Net::new(self.clone())
    }

    /// From now on a connection to this port is neither made nor refused.
    pub(crate) fn silence(&self, port: u16) {
        self.0.lock().unwrap().silent.push(port);
    }
}

impl NetDriver for Memory {
    fn listen(&self, address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        let (sender, connections) = mpsc::channel(backlog as usize);
        let mut state = self.0.lock().unwrap();
        let before = state.listeners.insert(address.port(), sender);
        assert!(before.is_none(), "{address} is taken");
        Ok(TcpListener::from_driver(Listener {
            connections,
            address,
        }))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let state = self.0.lock().unwrap();
        if state.silent.contains(&address.port()) {
            return Box::pin(std::future::pending());
        }
        let (ours, theirs) = duplex(PIPE_BYTES);
        let client = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let accepted = (TcpStream::from_driver(Stream(theirs)), client);
        let made = state.listeners.get(&address.port());
        let made = made.is_some_and(|backlog| backlog.try_send(accepted).is_ok());
        Box::pin(async move {
            match made {
                true => Ok(TcpStream::from_driver(Stream(ours))),
                false => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }

    fn udp(&self, _: SocketAddr) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let found = match name {
            "kvstore" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
            _ => Err(io::Error::other(format!("lookup {name}: no such host"))),
        };
        // A question to a name server takes its time; without it an endless loop would stop all clocks.
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            found
        })
    }

    fn nameservers(&self) -> Vec<SocketAddr> {
        Vec::new()
    }
}

struct Listener {
    connections: mpsc::Receiver<(TcpStream, SocketAddr)>,
    address: SocketAddr,
}

impl DriverListener for Listener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let next = self.connections.poll_recv(cx);
        next.map(|next| next.ok_or_else(|| io::Error::other("the network is gone")))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

struct Stream(DuplexStream);

impl DriverStream for Stream {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
    fn set_reset_on_drop(&mut self) {}
    fn set_keepalive(&self, _: Keepalive) -> io::Result<()> {
        Ok(())
    }
    fn set_user_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
