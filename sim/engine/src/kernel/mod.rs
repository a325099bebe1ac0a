//! One host's network stack: its sockets, its neighbour table, its published ports.
//!
//! It does no input or output of its own. Calls of the process and packets of the network go in;
//! packets, timers and wake-ups come out in [`Io`], which the event loop empties after each event.

mod connection;
pub(crate) mod neighbour;
pub(crate) mod packet;
mod ports;
mod process;
mod redirect;
mod timers;
mod wheel;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use slab::Slab;

use crate::boundary;
use crate::random::Random;
pub(crate) use connection::{Connection, Outcome, State};
use neighbour::Neighbour;
use packet::Packet;
use ports::EPHEMERAL;
use timers::Timers;

/// A socket's place in the table, and a number that no other socket of this host ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId {
    slot: usize,
    serial: u64,
    /// The host whose process has it; hosts that share a network share its kernel.
    owner: u32,
}

/// What fires a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    Connection(SocketId),
    Keepalive(SocketId),
    Acknowledgement(SocketId),
    Neighbour(IpAddr, u32),
}

/// What comes out of the stack.
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) now_ns: u64,
    pub(crate) packets: Vec<Packet>,
    pub(crate) timers: Timers,
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

/// Open files that a process may have; more is EMFILE.
const SOCKETS_MAX: usize = 65_536;

/// Looked up, never iterated, so its order cannot show.
type Connections = FxHashMap<(SocketAddr, SocketAddr), usize>;

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
    routes: Vec<(SocketAddr, Vec<SocketAddr>)>,
    /// Which of several ways a route goes.
    choice: Random,
    /// The longest TCP segment that passes to an address; those that take an Ethernet frame are absent.
    segments_max: BTreeMap<IpAddr, u16>,
    redirects: redirect::Redirects,
    /// The host whose process calls.
    pub(crate) caller: u32,
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
            connections: FxHashMap::default(),
            listeners: BTreeMap::new(),
            udp: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            routes: Vec::new(),
            choice: Random::new(random, "routes"),
            segments_max: BTreeMap::new(),
            redirects: redirect::Redirects::default(),
            caller: 0,
            random,
            next_port: EPHEMERAL.start() + (random % span) as u16,
            next_serial: 0,
            io: Io::default(),
        }
    }

    /// Makes `from` lead to one of `to`; `None` takes the route away.
    pub(crate) fn set_route(&mut self, from: SocketAddr, to: Option<Vec<SocketAddr>>) {
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
        self.segments_max.clear();
        self.redirects = redirect::Redirects::default();
        self.io = Io::default();
    }

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
            owner: self.caller,
        })
    }
}
