//! What travels between hosts: TCP segments, UDP datagrams, ARP. Typed, not byte-encoded.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

/// IP's, TCP's and the timestamp's bytes.
pub(crate) const SEGMENT_HEADERS: u64 = 52;
/// The payload of one Ethernet frame of TCP.
pub(crate) const MSS: usize = 1_500 - SEGMENT_HEADERS as usize;

#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Tcp(Segment),
    Udp(Bytes),
    Arp(Arp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arp {
    Request,
    Reply,
}

/// Sequence numbers are offsets from the initial one, 64 bits wide, so they never wrap.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) flags: Flags,
    pub(crate) sequence: u64,
    pub(crate) acknowledged: u64,
    pub(crate) window: u32,
    /// What has arrived beyond `acknowledged`, lowest first (SACK). A real header has room for the
    /// three latest ranges; a few acknowledgements tell the same.
    pub(crate) sacked: Option<Box<[Range]>>,
    /// This answers a segment that had arrived before (D-SACK, RFC 2883).
    pub(crate) is_duplicate: bool,
    /// When it was sent, and when that was sent which it acknowledges (RFC 7323's timestamps).
    pub(crate) sent_ns: u64,
    pub(crate) echo_ns: u64,
    pub(crate) data: Bytes,
}

/// Sequence numbers from the first to before the last.
pub(crate) type Range = std::ops::Range<u64>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
}

impl Segment {
    /// The sequence number after this segment: SYN and FIN count for one.
    pub(crate) fn end(&self) -> u64 {
        self.sequence
            + self.data.len() as u64
            + u64::from(self.flags.syn)
            + u64::from(self.flags.fin)
    }

    /// The size of its IP packet.
    pub(crate) fn bytes(&self) -> u64 {
        SEGMENT_HEADERS + self.data.len() as u64
    }
}

impl Flags {
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.syn)
            | u64::from(self.ack) << 1
            | u64::from(self.fin) << 2
            | u64::from(self.rst) << 3
    }
}

impl Packet {
    pub(crate) fn arp(source: IpAddr, target: IpAddr, arp: Arp) -> Self {
        Self {
            source: SocketAddr::new(source, 0),
            target: SocketAddr::new(target, 0),
            body: Body::Arp(arp),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, target) = (self.source, self.target);
        match &self.body {
            Body::Tcp(segment) => {
                write!(f, "tcp {source} > {target} {}", segment.flags)?;
                write!(f, " seq {} ack {}", segment.sequence, segment.acknowledged)?;
                write!(f, " win {} len {}", segment.window, segment.data.len())
            }
            Body::Udp(data) => write!(f, "udp {source} > {target} len {}", data.len()),
            Body::Arp(Arp::Request) => {
                write!(f, "arp who-has {} tell {}", target.ip(), source.ip())
            }
            Body::Arp(Arp::Reply) => write!(f, "arp {} is here, to {}", source.ip(), target.ip()),
        }
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (self.syn, 'S'),
            (self.fin, 'F'),
            (self.rst, 'R'),
            (self.ack, '.'),
        ];
        write!(f, "[")?;
        for (_, letter) in letters.iter().filter(|(set, _)| *set) {
            write!(f, "{letter}")?;
        }
        write!(f, "]")
    }
}
