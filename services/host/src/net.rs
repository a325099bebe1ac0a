//! TCP, UDP and name look-up: concrete types over a driver.
//!
//! The concrete types keep service code free of type parameters. The real arm is an enum variant
//! and not a boxed trait object, so production pays one predictable branch for a read or a write.
#![allow(clippy::disallowed_types)] // this is what the bans point to

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What an operating system's network does; implemented by [`crate::real`] and by the simulator.
pub trait NetDriver: Send + Sync + 'static {
    /// `socket`, `bind`, `listen` with room for `backlog` connections not yet accepted.
    fn listen(&self, address: SocketAddr, backlog: u32) -> io::Result<TcpListener>;
    /// `connect`; the error is the operating system's (refused, unreachable, timed out).
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>>;
    /// `socket`, `bind` for UDP.
    fn udp(&self, address: SocketAddr) -> io::Result<UdpSocket>;
    /// `getaddrinfo` for one name: addresses in the order in which they should be tried.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
    /// The name servers of `/etc/resolv.conf`.
    fn nameservers(&self) -> Vec<SocketAddr>;
}

/// An address cannot be listened on: its port is taken, or it is not this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> Self {
        Self::new(error.source.kind(), error)
    }
}

/// The network of one machine.
#[derive(Clone)]
pub struct Net(Arc<dyn NetDriver>);

/// Room for connections that are not yet accepted, unless said otherwise (Linux `SOMAXCONN`).
pub const BACKLOG: u32 = 4096;

impl Net {
    /// A network played by `driver`.
    pub fn new(driver: impl NetDriver) -> Self {
        Self(Arc::new(driver))
    }

    /// Listens for TCP connections; port 0 takes a free one.
    pub fn listen(&self, address: SocketAddr) -> Result<TcpListener, ListenError> {
        self.listen_with_backlog(address, BACKLOG)
    }

    /// Like [`Net::listen`] with a stated backlog.
    pub fn listen_with_backlog(
        &self,
        address: SocketAddr,
        backlog: u32,
    ) -> Result<TcpListener, ListenError> {
        let listener = self.0.listen(address, backlog);
        listener.map_err(|source| ListenError { address, source })
    }

    /// Connects to an address. Has no deadline of its own but the kernel's; give it one.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.connect(address).await
    }

    /// Resolves `name` and connects to its addresses in order until one answers.
    pub async fn connect_name(&self, name: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = None;
        for ip in self.resolve(name).await? {
            match self.connect(SocketAddr::new(ip, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{name}: no address for this name"),
            )
        }))
    }

    /// Binds a UDP socket; port 0 takes a free one.
    pub fn udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        self.0.udp(address)
    }

    /// `getaddrinfo`: every address of `name`; an IP literal is itself. Never an empty list.
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match name.parse() {
            Ok(ip) => Ok(vec![ip]),
            Err(_) => self.0.resolve(name).await,
        }
    }

    /// The name servers that this machine is configured with.
    pub fn nameservers(&self) -> Vec<SocketAddr> {
        self.0.nameservers()
    }
}

/// A stream that a driver other than tokio's brings.
pub trait DriverStream: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {
    /// `getsockname`.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// `getpeername`.
    fn peer_addr(&self) -> io::Result<SocketAddr>;
    /// Makes the coming drop an abortive close (RST), as `SO_LINGER` with zero does.
    fn set_reset_on_drop(&mut self);
    /// See [`TcpStream::set_keepalive`].
    fn set_keepalive(&self, keepalive: Keepalive) -> io::Result<()>;
    /// See [`TcpStream::set_user_timeout`].
    fn set_user_timeout(&self, timeout: Duration) -> io::Result<()>;
}

/// When and how a quiet connection is asked whether its peer is still there. What is asked for in
/// seconds on Linux is rounded down to them, and is one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Quiet for so long, it is asked for the first time.
    pub idle: Duration,
    /// Asked without an answer, it is asked again after this.
    pub interval: Duration,
    /// After so many questions without an answer the connection has timed out.
    pub count: u32,
}

impl Default for Keepalive {
    /// Linux's: `tcp_keepalive_time`, `tcp_keepalive_intvl`, `tcp_keepalive_probes`.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7_200),
            interval: Duration::from_secs(75),
            count: 9,
        }
    }
}

/// One TCP connection.
pub struct TcpStream(StreamKind);

enum StreamKind {
    Tokio(tokio::net::TcpStream),
    Driver(Box<dyn DriverStream>),
}

impl TcpStream {
    /// A connection brought by a driver.
    pub fn from_driver(stream: impl DriverStream) -> Self {
        Self(StreamKind::Driver(Box::new(stream)))
    }

    /// This side's address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            StreamKind::Tokio(stream) => stream.local_addr(),
            StreamKind::Driver(stream) => stream.local_addr(),
        }
    }

    /// The other side's address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            StreamKind::Tokio(stream) => stream.peer_addr(),
            StreamKind::Driver(stream) => stream.peer_addr(),
        }
    }

    /// Asks a quiet peer whether it is still there (`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`,
    /// `TCP_KEEPCNT`). Without it a connection that is only read from never finds out.
    pub fn set_keepalive(&self, keepalive: Keepalive) -> io::Result<()> {
        match &self.0 {
            StreamKind::Tokio(stream) => crate::real::set_keepalive(stream, keepalive),
            StreamKind::Driver(stream) => stream.set_keepalive(keepalive),
        }
    }

    /// Bounds how long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`); nought for the
    /// kernel's own bound, about 15 minutes.
    pub fn set_user_timeout(&self, timeout: Duration) -> io::Result<()> {
        match &self.0 {
            StreamKind::Tokio(stream) => crate::real::set_user_timeout(stream, timeout),
            StreamKind::Driver(stream) => stream.set_user_timeout(timeout),
        }
    }

    /// Drops the connection with RST instead of FIN; what is unsent is lost.
    pub fn reset(mut self) {
        match &mut self.0 {
            // A stream that is already dead has nothing left to reset.
            StreamKind::Tokio(stream) => drop(stream.set_zero_linger()),
            StreamKind::Driver(stream) => stream.set_reset_on_drop(),
        }
    }
}

impl From<tokio::net::TcpStream> for TcpStream {
    fn from(stream: tokio::net::TcpStream) -> Self {
        Self(StreamKind::Tokio(stream))
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, peer) = (self.local_addr().ok(), self.peer_addr().ok());
        f.debug_struct("TcpStream")
            .field("local", &local)
            .field("peer", &peer)
            .finish()
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamKind::Tokio(stream) => Pin::new(stream).poll_read(cx, buf),
            StreamKind::Driver(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            StreamKind::Tokio(stream) => Pin::new(stream).poll_write(cx, buf),
            StreamKind::Driver(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamKind::Tokio(stream) => Pin::new(stream).poll_flush(cx),
            StreamKind::Driver(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            StreamKind::Tokio(stream) => Pin::new(stream).poll_shutdown(cx),
            StreamKind::Driver(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            StreamKind::Tokio(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            StreamKind::Driver(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            StreamKind::Tokio(stream) => stream.is_write_vectored(),
            StreamKind::Driver(stream) => stream.is_write_vectored(),
        }
    }
}

/// A listener that a driver other than tokio's brings.
pub trait DriverListener: Send + Sync + 'static {
    /// The next connection from the backlog.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>>;
    /// `getsockname`.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A listening TCP socket.
pub struct TcpListener(ListenerKind);

enum ListenerKind {
    Tokio(tokio::net::TcpListener),
    Driver(Box<dyn DriverListener>),
}

impl TcpListener {
    /// A listener brought by a driver.
    pub fn from_driver(listener: impl DriverListener) -> Self {
        Self(ListenerKind::Driver(Box::new(listener)))
    }

    /// The next connection and its peer. Cancel safe. Real sockets come with `TCP_NODELAY` set.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// See [`TcpListener::accept`].
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &mut self.0 {
            ListenerKind::Tokio(listener) => listener.poll_accept(cx).map_ok(|(stream, peer)| {
                // A peer that is gone already cannot be set up; its first read says so.
                let _ = stream.set_nodelay(true);
                (stream.into(), peer)
            }),
            ListenerKind::Driver(listener) => listener.poll_accept(cx),
        }
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            ListenerKind::Tokio(listener) => listener.local_addr(),
            ListenerKind::Driver(listener) => listener.local_addr(),
        }
    }
}

impl From<tokio::net::TcpListener> for TcpListener {
    fn from(listener: tokio::net::TcpListener) -> Self {
        Self(ListenerKind::Tokio(listener))
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("local", &self.local_addr().ok())
            .finish()
    }
}

/// A UDP socket that a driver other than tokio's brings.
pub trait DriverUdp: Send + Sync + 'static {
    /// `sendto`. Like a real one it reports no loss.
    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>>;
    /// `recvfrom`; what does not fit is cut off.
    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>>;
    /// `getsockname`.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A UDP socket.
pub struct UdpSocket(UdpKind);

enum UdpKind {
    Tokio(tokio::net::UdpSocket),
    Driver(Box<dyn DriverUdp>),
}

impl UdpSocket {
    /// A socket brought by a driver.
    pub fn from_driver(socket: impl DriverUdp) -> Self {
        Self(UdpKind::Driver(Box::new(socket)))
    }

    /// Sends one datagram.
    pub async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        std::future::poll_fn(|cx| match &self.0 {
            UdpKind::Tokio(socket) => socket.poll_send_to(cx, data, to),
            UdpKind::Driver(socket) => socket.poll_send_to(cx, data, to),
        })
        .await
    }

    /// Receives one datagram into `buf`: its length and its sender. Cancel safe.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut buf = ReadBuf::new(buf);
        let from = std::future::poll_fn(|cx| match &self.0 {
            UdpKind::Tokio(socket) => socket.poll_recv_from(cx, &mut buf),
            UdpKind::Driver(socket) => socket.poll_recv_from(cx, &mut buf),
        })
        .await?;
        Ok((buf.filled().len(), from))
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            UdpKind::Tokio(socket) => socket.local_addr(),
            UdpKind::Driver(socket) => socket.local_addr(),
        }
    }
}

impl From<tokio::net::UdpSocket> for UdpSocket {
    fn from(socket: tokio::net::UdpSocket) -> Self {
        Self(UdpKind::Tokio(socket))
    }
}
