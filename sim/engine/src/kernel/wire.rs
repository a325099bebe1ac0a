//! What the network does to a host: packets and timers in, packets out past the neighbour table.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::neighbour::{self, Neighbour, Todo};
use super::packet::{Arp, Body, Flags, Packet, SEGMENT_HEADERS, Segment};
use super::{Connection, Kernel, Outcome, SOCKETS_MAX, Socket, SocketId, State, Timer};

/// `rmem_default`: bytes of datagrams that wait for a reader; more are lost.
const UDP_QUEUE_MAX: usize = 212_992;
/// The shortest segment that a path's MTU can force: what the smallest IPv4 packet holds (68 bytes).
const SEGMENT_MIN: u16 = 16;

impl Kernel {
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
        let target = self.redirected(source, target, segment);
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
    pub(super) fn forget_waiting(&mut self, local: SocketAddr, remote: SocketAddr) {
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
        // A full backlog drops the SYN; the client tries again. It is full when there is one more than
        // was asked for (`sk_acceptq_is_full`, include/net/sock.h).
        if is_full || listener.pending + listener.ready.len() > listener.backlog {
            return;
        }
        self.next_serial += 1;
        listener.pending += 1;
        let id = SocketId {
            slot: self.sockets.vacant_key(),
            serial: self.next_serial,
            owner: listener_id.owner,
        };
        let mut connection =
            Connection::accept(id, target, source, segment, listener_id, &mut self.io);
        self.fit(&mut connection);
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
            sacked: None,
            is_duplicate: false,
            sent_ns: self.io.now_ns,
            echo_ns: segment.sent_ns,
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

    /// A TCP segment did not fit: path MTU discovery (RFC 1191) without the way that ICMP takes. Every
    /// connection to that address sends shorter segments from now on.
    pub(crate) fn on_too_big(&mut self, source: SocketAddr, target: SocketAddr, mtu: u16) {
        self.begin();
        let mss = mtu.saturating_sub(SEGMENT_HEADERS as u16).max(SEGMENT_MIN);
        self.segments_max.insert(target.ip(), mss);
        if let Some(&slot) = self.connections.get(&(source, target))
            && let Some(Socket::Connection(connection)) = self.sockets.get_mut(slot)
        {
            connection.on_too_big(mss, &mut self.io);
        }
    }

    /// Lets a new connection know what earlier ones found out about the path.
    pub(super) fn fit(&mut self, connection: &mut Connection) {
        if let Some(&mss) = self.segments_max.get(&connection.remote.ip()) {
            connection.on_too_big(mss, &mut self.io);
        }
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

    /// Timers have fired: all that are due.
    pub(crate) fn on_timers(&mut self) {
        self.begin();
        while let Some(timer) = self.io.timers.pop_due(self.io.now_ns) {
            self.on_timer(timer);
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Connection(id) => {
                self.with_connection(id, Connection::on_timer);
                self.reap(id);
            }
            Timer::Keepalive(id) => {
                self.with_connection(id, Connection::on_keepalive);
                self.reap(id);
            }
            Timer::Acknowledgement(id) => {
                self.with_connection(id, Connection::on_acknowledgement_timer);
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
        self.redirects.translate(out);
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
                .set(timer_ns, Timer::Neighbour(address, generation));
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
}
