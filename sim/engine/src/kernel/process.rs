//! What a process does to its sockets.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::packet::{Body, Packet};
use super::{Connection, Io, Kernel, Listener, Socket, SocketId, Udp};

impl Kernel {
    pub(crate) fn listen(
        &mut self,
        local: SocketAddr,
        backlog: u32,
    ) -> io::Result<(SocketId, SocketAddr)> {
        let local = self.bindable(local)?;
        let taken = |key: &(u16, IpAddr)| self.listeners.contains_key(key);
        let local = self.bind_port(local, &taken)?;
        let id = self.next_id()?;
        let backlog = backlog.max(1) as usize;
        let listener = Listener {
            id,
            local,
            backlog,
            pending: 0,
            ready: VecDeque::new(),
            waker: None,
        };
        self.sockets.insert(Socket::Listener(listener));
        self.listeners.insert((local.port(), local.ip()), id);
        Ok((id, local))
    }

    pub(crate) fn poll_accept(
        &mut self,
        id: SocketId,
        cx: &Context<'_>,
    ) -> Poll<io::Result<SocketId>> {
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(id.slot) else {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EBADF)));
        };
        match listener.ready.pop_front() {
            Some(child) => {
                if let Some(connection) = self.connection(child) {
                    connection.open = true;
                    connection.listener = None;
                }
                Poll::Ready(Ok(child))
            }
            None => {
                listener.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn connect(&mut self, target: SocketAddr) -> io::Result<SocketId> {
        self.begin();
        let remote = self.route(target)?;
        let source = self.source_for(remote)?;
        let local = self.free_port(source, remote)?;
        let id = self.next_id()?;
        let mut connection = Connection::connect(id, local, remote, &mut self.io);
        connection.remote_shown = target;
        self.fit(&mut connection);
        self.connections.insert((local, remote), id.slot);
        self.sockets
            .insert(Socket::Connection(Box::new(connection)));
        Ok(id)
    }

    /// Runs `f` on a connection; `None` if the host was wiped under the process.
    pub(crate) fn with_connection<R>(
        &mut self,
        id: SocketId,
        f: impl FnOnce(&mut Connection, &mut Io) -> R,
    ) -> Option<R> {
        self.begin();
        match self.sockets.get_mut(id.slot) {
            Some(Socket::Connection(connection)) if connection.id == id => {
                Some(f(connection, &mut self.io))
            }
            _ => None,
        }
    }

    pub(crate) fn udp(&mut self, local: SocketAddr) -> io::Result<(SocketId, SocketAddr)> {
        let local = self.bindable(local)?;
        let taken = |key: &(u16, IpAddr)| self.udp.contains_key(key);
        let local = self.bind_port(local, &taken)?;
        let id = self.next_id()?;
        let socket = Udp {
            id,
            local,
            queue: VecDeque::new(),
            queued: 0,
            waker: None,
        };
        self.sockets.insert(Socket::Udp(socket));
        self.udp.insert((local.port(), local.ip()), id);
        Ok((id, local))
    }

    pub(crate) fn send_to(
        &mut self,
        id: SocketId,
        data: &[u8],
        target: SocketAddr,
    ) -> io::Result<usize> {
        self.begin();
        let Some(Socket::Udp(socket)) = self.sockets.get(id.slot) else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        let mut source = socket.local;
        let target = self.route(target)?;
        if source.ip().is_unspecified() {
            source.set_ip(self.source_for(target)?);
        }
        let body = Body::Udp(Bytes::copy_from_slice(data));
        self.io.packets.push(Packet {
            source,
            target,
            body,
        });
        Ok(data.len())
    }

    pub(crate) fn poll_recv_from(
        &mut self,
        id: SocketId,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let Some(Socket::Udp(socket)) = self.sockets.get_mut(id.slot) else {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EBADF)));
        };
        match socket.queue.pop_front() {
            Some((from, data)) => {
                socket.queued -= data.len();
                buf.put_slice(&data[..data.len().min(buf.remaining())]);
                // An answer from where a route led shows the address that was asked.
                let shown = self
                    .routes
                    .iter()
                    .find(|(_, to)| to.contains(&from))
                    .map_or(from, |(shown, _)| *shown);
                Poll::Ready(Ok(shown))
            }
            None => {
                socket.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// `close` of any socket.
    pub(crate) fn close(&mut self, id: SocketId) {
        self.begin();
        match self.sockets.get_mut(id.slot) {
            Some(Socket::Connection(connection)) if connection.id == id => {
                connection.close(&mut self.io);
                self.reap(id);
            }
            Some(Socket::Udp(socket)) if socket.id == id => {
                self.udp.remove(&(socket.local.port(), socket.local.ip()));
                self.sockets.remove(id.slot);
            }
            Some(Socket::Listener(listener)) if listener.id == id => {
                self.listeners
                    .remove(&(listener.local.port(), listener.local.ip()));
                self.sockets.remove(id.slot);
                self.abandon_children(id);
            }
            _ => {}
        }
    }

    /// A host's process is gone: everything that it had open is closed, oldest first, as a real kernel goes
    /// through a dead process's file descriptors. The runtime that is dropped after this would close in
    /// an order that depends on task ids, and those count on from run to run.
    pub(crate) fn close_all(&mut self, owner: u32) {
        let mut open: Vec<SocketId> = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| match socket {
                Socket::Connection(connection) => connection.open.then_some(connection.id),
                Socket::Listener(listener) => Some(listener.id),
                Socket::Udp(udp) => Some(udp.id),
            })
            .collect();
        open.retain(|id| id.owner == owner);
        open.sort_unstable_by_key(|id| id.serial);
        for id in open {
            self.close(id);
        }
    }

    /// Connections that were never accepted are reset, as `inet_csk_listen_stop` does.
    fn abandon_children(&mut self, listener: SocketId) {
        let children: Vec<SocketId> = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| match socket {
                Socket::Connection(connection) if connection.listener == Some(listener) => {
                    Some(connection.id)
                }
                _ => None,
            })
            .collect();
        for child in children {
            self.with_connection(child, Connection::abort);
            self.reap(child);
        }
    }
}
