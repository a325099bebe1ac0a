//! One host's network stack: its sockets, its neighbour table, its published ports.
//!
//! It does no input or output of its own. Calls of the process and packets of the network go in;
//! packets, timers and wake-ups come out in [`Io`], which the event loop empties after each event.

mod connection;
pub(crate) mod neighbour;
pub(crate) mod packet;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use slab::Slab;
use tokio::io::ReadBuf;

use crate::boundary;
pub(crate) use connection::{Connection, Outcome, State};
use neighbour::{Neighbour, Todo};
use packet::{Arp, Body, Flags, Packet, Segment};

/// A socket's place in the table, and a number that no other socket of this host ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId {
    slot: usize,
    serial: u64,
}

/// What fires a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    Connection(SocketId),
    Neighbour(IpAddr, u32),
}

/// What comes out of the stack.
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) now_ns: u64,
    pub(crate) packets: Vec<Packet>,
    pub(crate) timers: Vec<(u64, Timer)>,
    pub(crate) wakers: Vec<Waker>,
    dirty: Vec<SocketId>,
}

impl Io {
    fn mark_dirty(&mut self, id: SocketId) {
        if self.dirty.last() != Some(&id) {
            self.dirty.push(id);
        }
    }
}

/// The range of `ip_local_port_range`.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// Open files that a process may have; more is EMFILE.
const SOCKETS_MAX: usize = 65_536;
/// `rmem_default`: bytes of datagrams that wait for a reader; more are lost.
const UDP_QUEUE_MAX: usize = 212_992;

/// Looked up, never iterated, so its order cannot show.
type Connections = HashMap<(SocketAddr, SocketAddr), usize, BuildHasherDefault<DefaultHasher>>;

#[derive(Debug)]
enum Socket {
    Connection(Box<Connection>),
    Listener(Listener),
    Udp(Udp),
}

#[derive(Debug)]
struct Listener {
    id: SocketId,
    local: SocketAddr,
    backlog: usize,
    /// Handshakes under way.
    pending: usize,
    ready: VecDeque<SocketId>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Udp {
    id: SocketId,
    local: SocketAddr,
    queue: VecDeque<(SocketAddr, Bytes)>,
    queued: usize,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Kernel {
    addresses: Vec<IpAddr>,
    sockets: Slab<Socket>,
    connections: Connections,
    listeners: BTreeMap<(u16, IpAddr), SocketId>,
    udp: BTreeMap<(u16, IpAddr), SocketId>,
    neighbours: BTreeMap<IpAddr, Neighbour>,
    /// Published ports and virtual addresses: what the process asks for, and where it leads.
    routes: Vec<(SocketAddr, SocketAddr)>,
    random: u64,
    next_port: u16,
    next_serial: u64,
    pub(crate) io: Io,
}

impl Kernel {
    /// `random` decides what differs between hosts: the first port, how long neighbours are believed.
    pub(crate) fn new(addresses: Vec<IpAddr>, random: u64) -> Self {
        let span = u64::from(EPHEMERAL.end() - EPHEMERAL.start());
        Self {
            addresses,
            sockets: Slab::new(),
            connections: HashMap::default(),
            listeners: BTreeMap::new(),
            udp: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            routes: Vec::new(),
            random,
            next_port: EPHEMERAL.start() + (random % span) as u16,
            next_serial: 0,
            io: Io::default(),
        }
    }

    /// Makes `from` lead to `to`; `None` takes the route away.
    pub(crate) fn set_route(&mut self, from: SocketAddr, to: Option<SocketAddr>) {
        self.routes.retain(|(known, _)| *known != from);
        self.routes.extend(to.map(|to| (from, to)));
    }

    /// Power is lost: nothing remains, and nobody is told.
    pub(crate) fn wipe(&mut self) {
        self.sockets.clear();
        self.connections.clear();
        self.listeners.clear();
        self.udp.clear();
        self.neighbours.clear();
        self.io = Io::default();
    }

    // ---- what the process does ----

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
        let remote = self.route(target);
        let source = self.source_for(remote)?;
        let local = self.free_port(source, remote)?;
        let id = self.next_id()?;
        let mut connection = Connection::connect(id, local, remote, &mut self.io);
        connection.remote_shown = target;
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
        let target = self.route(target);
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
                    .find(|(_, to)| *to == from)
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

    /// The process is gone: everything that it had open is closed, oldest first, as a real kernel goes
    /// through a dead process's file descriptors. The runtime that is dropped after this would close in
    /// an order that depends on task ids, and those count on from run to run.
    pub(crate) fn close_all(&mut self) {
        let mut open: Vec<SocketId> = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| match socket {
                Socket::Connection(connection) => connection.open.then_some(connection.id),
                Socket::Listener(listener) => Some(listener.id),
                Socket::Udp(udp) => Some(udp.id),
            })
            .collect();
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

    // ---- what the network does ----

    /// A packet has arrived.
    pub(crate) fn deliver(&mut self, packet: Packet) {
        self.begin();
        match packet.body {
            Body::Tcp(segment) => self.deliver_segment(packet.source, packet.target, &segment),
            Body::Udp(data) => self.deliver_datagram(packet.source, packet.target, data),
            Body::Arp(arp) => self.deliver_arp(packet.source.ip(), packet.target.ip(), arp),
        }
    }

    fn deliver_segment(&mut self, source: SocketAddr, target: SocketAddr, segment: &Segment) {
        if segment.flags.syn && !segment.flags.ack {
            self.forget_waiting(target, source);
        }
        if let Some(&slot) = self.connections.get(&(target, source)) {
            let Some(Socket::Connection(connection)) = self.sockets.get_mut(slot) else {
                return;
            };
            let outcome = connection.on_segment(segment, &mut self.io);
            let (id, listener) = (connection.id, connection.listener);
            if outcome != Outcome::Nothing
                && let Some(neighbour) = self.neighbours.get_mut(&source.ip())
            {
                neighbour.confirm(self.io.now_ns);
            }
            if outcome == Outcome::Accepted {
                self.offer(id, listener);
            }
            self.reap(id);
        } else if segment.flags.syn && !segment.flags.ack {
            self.deliver_syn(source, target, segment);
        } else if !segment.flags.rst {
            self.refuse(source, target, segment);
        }
    }

    /// A SYN may take the place of a connection in TIME_WAIT (`tcp_timewait_state_process`).
    fn forget_waiting(&mut self, local: SocketAddr, remote: SocketAddr) {
        if let Some(&slot) = self.connections.get(&(local, remote))
            && let Some(Socket::Connection(connection)) = self.sockets.get_mut(slot)
            && connection.state == State::TimeWait
        {
            connection.state = State::Closed;
            let id = connection.id;
            self.reap(id);
        }
    }

    fn deliver_syn(&mut self, source: SocketAddr, target: SocketAddr, segment: &Segment) {
        let port = target.port();
        let exact = self.listeners.get(&(port, target.ip()));
        let any = || self.listeners.get(&(port, Ipv4Addr::UNSPECIFIED.into()));
        let Some(&listener_id) = exact.or_else(any) else {
            return self.refuse(source, target, segment);
        };
        let is_full = self.sockets.len() >= SOCKETS_MAX;
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(listener_id.slot) else {
            return;
        };
        // A full backlog drops the SYN; the client tries again.
        if is_full || listener.pending + listener.ready.len() >= listener.backlog {
            return;
        }
        self.next_serial += 1;
        listener.pending += 1;
        let id = SocketId {
            slot: self.sockets.vacant_key(),
            serial: self.next_serial,
        };
        let connection = Connection::accept(id, target, source, segment, listener_id, &mut self.io);
        self.connections.insert((target, source), id.slot);
        self.sockets
            .insert(Socket::Connection(Box::new(connection)));
    }

    /// Nobody has this connection: RST (RFC 9293, 3.5.2).
    fn refuse(&mut self, source: SocketAddr, target: SocketAddr, segment: &Segment) {
        let answer = Segment {
            flags: Flags {
                rst: true,
                ack: !segment.flags.ack,
                ..Flags::default()
            },
            sequence: if segment.flags.ack {
                segment.acknowledged
            } else {
                0
            },
            acknowledged: segment.end(),
            window: 0,
            has_gap: false,
            data: Bytes::new(),
        };
        self.io.packets.push(Packet {
            source: target,
            target: source,
            body: Body::Tcp(answer),
        });
    }

    /// A handshake is complete: the listener gets the connection.
    fn offer(&mut self, id: SocketId, listener: Option<SocketId>) {
        let Some(listener_id) = listener else { return };
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(listener_id.slot) {
            listener.pending = listener.pending.saturating_sub(1);
            listener.ready.push_back(id);
            self.io.wakers.extend(listener.waker.take());
        }
    }

    fn deliver_datagram(&mut self, source: SocketAddr, target: SocketAddr, data: Bytes) {
        let exact = self.udp.get(&(target.port(), target.ip()));
        let any = || self.udp.get(&(target.port(), Ipv4Addr::UNSPECIFIED.into()));
        let Some(&id) = exact.or_else(any) else {
            return;
        };
        if let Some(Socket::Udp(socket)) = self.sockets.get_mut(id.slot)
            && socket.queued + data.len() <= UDP_QUEUE_MAX
        {
            socket.queued += data.len();
            socket.queue.push_back((source, data));
            self.io.wakers.extend(socket.waker.take());
        }
    }

    fn deliver_arp(&mut self, source: IpAddr, target: IpAddr, arp: Arp) {
        let now_ns = self.io.now_ns;
        let neighbour = self.neighbours.entry(source).or_insert_with(Neighbour::new);
        let todo = match arp {
            Arp::Request => {
                self.io
                    .packets
                    .push(Packet::arp(target, source, Arp::Reply));
                neighbour.on_request()
            }
            Arp::Reply => neighbour.on_reply(now_ns, neighbour::reachable_ns(self.random, now_ns)),
        };
        let generation = neighbour.generation;
        self.follow(source, generation, todo);
    }

    /// Every connection with one of `peers` is reset, as a fault.
    pub(crate) fn reset_connections(&mut self, peers: &[IpAddr]) {
        self.begin();
        let ids: Vec<SocketId> = self
            .sockets
            .iter()
            .filter_map(|(_, socket)| match socket {
                Socket::Connection(connection) if peers.contains(&connection.remote.ip()) => {
                    Some(connection.id)
                }
                _ => None,
            })
            .collect();
        for id in ids {
            self.with_connection(id, Connection::on_fault_reset);
            self.reap(id);
        }
    }

    /// A timer has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer) {
        self.begin();
        match timer {
            Timer::Connection(id) => {
                self.with_connection(id, Connection::on_timer);
                self.reap(id);
            }
            Timer::Neighbour(address, generation) => {
                let now_ns = self.io.now_ns;
                let reachable_ns = neighbour::reachable_ns(self.random, now_ns);
                let Some(neighbour) = self.neighbours.get_mut(&address) else {
                    return;
                };
                if neighbour.generation == generation {
                    let todo = neighbour.on_timer(now_ns, reachable_ns);
                    let generation = neighbour.generation;
                    self.follow(address, generation, todo);
                }
            }
        }
    }

    /// Sends what the sockets want to send now that the host has run; then takes every packet that
    /// can leave the host into `out`.
    pub(crate) fn flush(&mut self, out: &mut Vec<Packet>) {
        self.begin();
        let mut dirty = std::mem::take(&mut self.io.dirty);
        for id in dirty.drain(..) {
            self.with_connection(id, Connection::flush);
        }
        self.io.dirty = dirty;
        if self.io.packets.is_empty() {
            return;
        }
        let mut packets = std::mem::take(&mut self.io.packets);
        for packet in packets.drain(..) {
            self.leave(packet, out);
        }
        // What neighbour discovery adds goes out as it is.
        out.append(&mut self.io.packets);
        self.io.packets = packets;
    }

    /// One packet to the wire, if its neighbour is known.
    fn leave(&mut self, packet: Packet, out: &mut Vec<Packet>) {
        let now_ns = self.io.now_ns;
        let target = packet.target.ip();
        if matches!(packet.body, Body::Arp(_)) || self.is_local(target) {
            return out.push(packet);
        }
        let neighbour = self.neighbours.entry(target).or_insert_with(Neighbour::new);
        if neighbour.is_usable(now_ns) {
            return out.push(packet);
        }
        let todo = neighbour.send(packet, now_ns);
        let generation = neighbour.generation;
        self.follow(target, generation, todo);
    }

    fn follow(&mut self, address: IpAddr, generation: u32, todo: Todo) {
        if let Some(timer_ns) = todo.timer_ns {
            self.io
                .timers
                .push((timer_ns, Timer::Neighbour(address, generation)));
        }
        if todo.ask
            && let Some(&own) = self.addresses.first()
        {
            self.io
                .packets
                .push(Packet::arp(own, address, Arp::Request));
        }
        self.io.packets.extend(todo.send);
        for packet in todo.unreachable {
            let slot = self
                .connections
                .get(&(packet.source, packet.target))
                .copied();
            if let Some(Socket::Connection(connection)) =
                slot.and_then(|slot| self.sockets.get_mut(slot))
            {
                connection.on_unreachable(&mut self.io);
                let id = connection.id;
                self.reap(id);
            }
        }
    }

    // ---- helpers ----

    fn begin(&mut self) {
        self.io.now_ns = boundary::now_ns();
    }

    fn connection(&mut self, id: SocketId) -> Option<&mut Connection> {
        match self.sockets.get_mut(id.slot) {
            Some(Socket::Connection(connection)) if connection.id == id => Some(connection),
            _ => None,
        }
    }

    fn reap(&mut self, id: SocketId) {
        let Some(connection) = self.connection(id) else {
            return;
        };
        let is_pending = connection.listener.is_some() && connection.state == State::Closed;
        if !connection.is_gone() {
            return;
        }
        let (key, listener) = ((connection.local, connection.remote), connection.listener);
        self.connections.remove(&key);
        self.sockets.remove(id.slot);
        if is_pending
            && let Some(listener_id) = listener
            && let Some(Socket::Listener(listener)) = self.sockets.get_mut(listener_id.slot)
        {
            match listener.ready.iter().position(|ready| *ready == id) {
                Some(index) => drop(listener.ready.remove(index)),
                None => listener.pending = listener.pending.saturating_sub(1),
            }
        }
    }

    fn next_id(&mut self) -> io::Result<SocketId> {
        if self.sockets.len() >= SOCKETS_MAX {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.next_serial += 1;
        Ok(SocketId {
            slot: self.sockets.vacant_key(),
            serial: self.next_serial,
        })
    }

    fn route(&self, target: SocketAddr) -> SocketAddr {
        self.routes
            .iter()
            .find(|(from, _)| *from == target)
            .map_or(target, |(_, to)| *to)
    }

    fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }

    fn source_for(&self, target: SocketAddr) -> io::Result<IpAddr> {
        if self.is_local(target.ip()) {
            return Ok(target.ip());
        }
        let own = self
            .addresses
            .iter()
            .find(|address| address.is_ipv4() == target.is_ipv4());
        own.copied()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENETUNREACH))
    }

    fn bindable(&self, local: SocketAddr) -> io::Result<SocketAddr> {
        if local.ip().is_unspecified() || self.is_local(local.ip()) {
            return Ok(local);
        }
        Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
    }

    fn bind_port(
        &self,
        local: SocketAddr,
        taken: &dyn Fn(&(u16, IpAddr)) -> bool,
    ) -> io::Result<SocketAddr> {
        let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let is_taken = |port| {
            let mut others = self
                .addresses
                .iter()
                .copied()
                .chain([IpAddr::from(Ipv4Addr::LOCALHOST)]);
            taken(&(port, local.ip()))
                || taken(&(port, any))
                || (local.ip() == any && others.any(|other| taken(&(port, other))))
        };
        if local.port() != 0 {
            return match is_taken(local.port()) {
                true => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
                false => Ok(local),
            };
        }
        let span = usize::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let mut ports = EPHEMERAL.cycle_from(self.next_port_after_binds(), span);
        match ports.find(|port| !is_taken(*port)) {
            Some(port) => Ok(SocketAddr::new(local.ip(), port)),
            None => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
        }
    }

    /// Bound ports differ from one bind to the next, as on Linux.
    fn next_port_after_binds(&self) -> u16 {
        let span = u64::from(EPHEMERAL.end() - EPHEMERAL.start());
        EPHEMERAL.start() + (self.next_serial.wrapping_mul(7_919) % span) as u16
    }

    fn free_port(&mut self, source: IpAddr, remote: SocketAddr) -> io::Result<SocketAddr> {
        let span = usize::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let port = EPHEMERAL
            .cycle_from(self.next_port, span)
            .find(|port| {
                !self
                    .connections
                    .contains_key(&(SocketAddr::new(source, *port), remote))
            })
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
        self.next_port = if port == *EPHEMERAL.end() {
            *EPHEMERAL.start()
        } else {
            port + 1
        };
        Ok(SocketAddr::new(source, port))
    }
}

trait CycleFrom {
    /// The range from `start` on, and then from its beginning, `span` numbers in all.
    fn cycle_from(&self, start: u16, span: usize) -> impl Iterator<Item = u16>;
}

impl CycleFrom for std::ops::RangeInclusive<u16> {
    fn cycle_from(&self, start: u16, span: usize) -> impl Iterator<Item = u16> {
        (start..=*self.end()).chain(*self.start()..start).take(span)
    }
}
