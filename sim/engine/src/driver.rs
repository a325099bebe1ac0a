//! A host's sockets as its services see them: the simulated arm of [`squall_host::net`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_host::dns;
use squall_host::net::{
    DriverListener, DriverStream, DriverUdp, Keepalive, Net, NetDriver, TcpListener, TcpStream,
    UdpSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::kernel::{Connection, Io, Kernel, SocketId};

/// resolv.conf(5): `timeout` and `attempts`.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);
const DNS_ATTEMPTS: u32 = 2;

pub(crate) type SharedKernel = Arc<Mutex<Kernel>>;

/// One thread simulates, so the lock is never contended; a panic elsewhere has ended the run.
pub(crate) fn lock(kernel: &SharedKernel) -> MutexGuard<'_, Kernel> {
    kernel.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
pub(crate) struct SimulatedNet {
    pub(crate) kernel: SharedKernel,
    /// The host whose process this is; see [`SimulatedNet::joined`].
    pub(crate) owner: u32,
    pub(crate) own_name: Arc<str>,
    pub(crate) own_addresses: Arc<[IpAddr]>,
    pub(crate) nameservers: Arc<[SocketAddr]>,
    pub(crate) search: Arc<[String]>,
    pub(crate) ndots: u8,
}

impl NetDriver for SimulatedNet {
    fn listen(&self, address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        let (id, local) = self.call().listen(address, backlog)?;
        let socket = OpenSocket {
            kernel: self.kernel.clone(),
            id,
        };
        Ok(TcpListener::from_driver(Listener { socket, local }))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let driver = self.clone();
        Box::pin(async move {
            let id = driver.call().connect(address)?;
            let kernel = driver.kernel;
            let stream = Stream {
                socket: OpenSocket { kernel, id },
            };
            std::future::poll_fn(|cx| stream.with(|connection, _| connection.poll_connected(cx)))
                .await?;
            Ok(TcpStream::from_driver(stream))
        })
    }

    fn udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let (id, local) = self.call().udp(address)?;
        let socket = OpenSocket {
            kernel: self.kernel.clone(),
            id,
        };
        Ok(UdpSocket::from_driver(Udp { socket, local }))
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let (driver, name) = (self.clone(), name.to_owned());
        Box::pin(async move { driver.getaddrinfo(&name).await })
    }

    fn nameservers(&self) -> Vec<SocketAddr> {
        self.nameservers.to_vec()
    }
}

impl SimulatedNet {
    /// The network of this host, for the processes of another one.
    pub(crate) fn joined(&self, owner: u32) -> Self {
        Self {
            owner,
            ..self.clone()
        }
    }

    /// The kernel, told who calls.
    fn call(&self) -> MutexGuard<'_, Kernel> {
        let mut kernel = lock(&self.kernel);
        kernel.caller = self.owner;
        kernel
    }

    /// /etc/hosts first, then each name server in turn, as glibc does. Nothing is cached.
    async fn getaddrinfo(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        if name == &*self.own_name {
            return Ok(self.own_addresses.to_vec());
        }
        let mut is_certain = true;
        for candidate in self.candidates(name) {
            match self.look_up(&candidate).await {
                Some(addresses) if !addresses.is_empty() => return Ok(addresses),
                Some(_) => {}
                None => is_certain = false,
            }
        }
        Err(look_up_error(
            name,
            match is_certain {
                true => "Name or service not known",
                false => "Temporary failure in name resolution",
            },
        ))
    }

    /// The names that a name may stand for, in the order in which glibc tries them (resolv.conf(5),
    /// `search` and `ndots`).
    fn candidates(&self, name: &str) -> Vec<String> {
        let mut candidates: Vec<String> = Vec::new();
        if !name.ends_with('.') {
            let searched = self.search.iter();
            candidates.extend(searched.map(|domain| format!("{name}.{domain}")));
        }
        let is_first = name.matches('.').count() >= usize::from(self.ndots);
        let place = if is_first { 0 } else { candidates.len() };
        candidates.insert(place, name.to_owned());
        candidates
    }

    /// The addresses of a whole name; none when there is no such name, `None` when nobody says.
    async fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        let net = Net::new(self.clone());
        for _ in 0..DNS_ATTEMPTS {
            for server in self.nameservers.iter() {
                match dns::query(&net, *server, name, DNS_TIMEOUT).await {
                    Ok(dns::Answer::Addresses { addresses, .. }) => return Some(addresses),
                    Ok(dns::Answer::NoSuchName) => return Some(Vec::new()),
                    Ok(dns::Answer::Failed(_)) | Err(_) => {}
                }
            }
        }
        None
    }
}

fn look_up_error(name: &str, why: &str) -> io::Error {
    io::Error::other(format!(
        "failed to lookup address information for {name}: {why}"
    ))
}

/// Closes its socket when it is dropped, be it by the process or with it.
struct OpenSocket {
    kernel: SharedKernel,
    id: SocketId,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        lock(&self.kernel).close(self.id);
    }
}

struct Stream {
    socket: OpenSocket,
}

impl Stream {
    /// A connection that the machine no longer knows (it lost its power) is reset.
    fn with<R>(
        &self,
        f: impl FnOnce(&mut Connection, &mut Io) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        lock(&self.socket.kernel)
            .with_connection(self.socket.id, f)
            .unwrap_or_else(|| Poll::Ready(Err(io::Error::from_raw_os_error(libc::ECONNRESET))))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|connection, io| connection.poll_read(cx, buf, io))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|connection, io| connection.poll_write(cx, buf, io))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection, io| {
            connection.shut_write(io);
            Poll::Ready(Ok(()))
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|connection, io| {
            let mut total = 0;
            for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
                match connection.poll_write(cx, buf, io) {
                    Poll::Ready(Ok(length)) => total += length,
                    Poll::Ready(Err(error)) if total == 0 => return Poll::Ready(Err(error)),
                    Poll::Pending if total == 0 => return Poll::Pending,
                    Poll::Ready(Err(_)) | Poll::Pending => break,
                }
            }
            Poll::Ready(Ok(total))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl DriverStream for Stream {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.with(|connection, _| Poll::Ready(Ok(connection.local))) {
            Poll::Ready(address) => address,
            Poll::Pending => unreachable!("the closure above is always ready"),
        }
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self.with(|connection, _| Poll::Ready(Ok(connection.remote_shown))) {
            Poll::Ready(address) => address,
            Poll::Pending => unreachable!("the closure above is always ready"),
        }
    }

    fn set_reset_on_drop(&mut self) {
        lock(&self.socket.kernel).with_connection(self.socket.id, |connection, _| {
            connection.reset_on_close = true
        });
    }

    fn set_keepalive(&self, keepalive: Keepalive) -> io::Result<()> {
        lock(&self.socket.kernel).with_connection(self.socket.id, |connection, io| {
            connection.set_keepalive(keepalive, io)
        });
        Ok(())
    }

    fn set_user_timeout(&self, timeout: Duration) -> io::Result<()> {
        lock(&self.socket.kernel).with_connection(self.socket.id, |connection, _| {
            connection.set_user_timeout(timeout)
        });
        Ok(())
    }
}

struct Listener {
    socket: OpenSocket,
    local: SocketAddr,
}

impl DriverListener for Listener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = lock(&self.socket.kernel).poll_accept(self.socket.id, cx);
        accepted.map(|result| {
            let stream = Stream {
                socket: OpenSocket {
                    kernel: self.socket.kernel.clone(),
                    id: result?,
                },
            };
            let peer = stream.peer_addr()?;
            Ok((TcpStream::from_driver(stream), peer))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

struct Udp {
    socket: OpenSocket,
    local: SocketAddr,
}

impl DriverUdp for Udp {
    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        data: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(lock(&self.socket.kernel).send_to(self.socket.id, data, to))
    }

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        lock(&self.socket.kernel).poll_recv_from(self.socket.id, cx, buf)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
