//! Ports whose connections lead to another port of the same host, as iptables' REDIRECT does it.
//!
//! The address of each packet of such a connection is translated on its way in and out: the peer
//! talks to the port that it asked for, and the process that accepts sees the port that it listens on
//! (on Linux `getsockname` shows that one, too; SO_ORIGINAL_DST tells the other). Connections that
//! were there before stay where they are, as connection tracking has it, and those of the host with
//! itself are not concerned, because they do not pass PREROUTING.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::packet::{Body, Packet, Segment};
use super::{Connections, Kernel};

#[derive(Debug, Default)]
pub(super) struct Redirects {
    ports: BTreeMap<u16, u16>,
    /// By the address that was asked for and the peer: the port that it leads to.
    inward: FxHashMap<(SocketAddr, SocketAddr), u16>,
    /// By the address that it leads to and the peer: the port that was asked for.
    outward: FxHashMap<(SocketAddr, SocketAddr), u16>,
}

impl Redirects {
    /// Where a connection that is known leads.
    fn known(&self, asked: SocketAddr, peer: SocketAddr) -> Option<SocketAddr> {
        let port = self.inward.get(&(asked, peer))?;
        Some(SocketAddr::new(asked.ip(), *port))
    }

    /// A new connection; those that are gone are forgotten on the occasion.
    fn note(&mut self, asked: SocketAddr, peer: SocketAddr, open: &Connections) -> SocketAddr {
        self.outward.retain(|here, _| open.contains_key(here));
        let outward = &self.outward;
        self.inward.retain(|(asked, peer), port| {
            outward.contains_key(&(SocketAddr::new(asked.ip(), *port), *peer))
        });
        let Some(port) = self.ports.get(&asked.port()) else {
            return asked;
        };
        let here = SocketAddr::new(asked.ip(), *port);
        self.inward.insert((asked, peer), *port);
        self.outward.insert((here, peer), asked.port());
        here
    }

    /// The peer sees the port that it asked for.
    pub(super) fn translate(&self, packets: &mut [Packet]) {
        if self.outward.is_empty() {
            return;
        }
        for packet in packets {
            if matches!(packet.body, Body::Tcp(_))
                && let Some(port) = self.outward.get(&(packet.source, packet.target))
            {
                packet.source.set_port(*port);
            }
        }
    }
}

impl Kernel {
    /// Makes connections that come to `port` from elsewhere lead to another; `None` ends that.
    pub(crate) fn set_redirect(&mut self, port: u16, to: Option<u16>) {
        match to {
            Some(to) => drop(self.redirects.ports.insert(port, to)),
            None => drop(self.redirects.ports.remove(&port)),
        }
    }

    /// Which address here a segment that came for `asked` leads to.
    pub(super) fn redirected(
        &mut self,
        peer: SocketAddr,
        asked: SocketAddr,
        segment: &Segment,
    ) -> SocketAddr {
        if self.redirects.ports.is_empty() && self.redirects.inward.is_empty() {
            return asked;
        }
        let is_first = segment.flags.syn && !segment.flags.ack;
        let known = self.redirects.known(asked, peer);
        if is_first && let Some(here) = known {
            self.forget_waiting(here, peer);
        }
        let is_open = |here| self.connections.contains_key(&(here, peer));
        match known {
            Some(here) if is_open(here) => here,
            _ if is_first && !is_open(asked) && !self.is_local(peer.ip()) => {
                self.redirects.note(asked, peer, &self.connections)
            }
            _ => asked,
        }
    }
}
