//! The trace: a compact stream of everything that happened, and its running hash.
//!
//! Two runs are the same if their hashes are. The hash covers every event with its time, its host
//! and its content; the text, one line for each event, is written only when a file is asked for.

use std::fmt::Display;
use std::io::Write;

use xxhash_rust::xxh3::xxh3_64;

use crate::kernel::packet::{Arp, Body, Packet};
use crate::time::{MS, S};

/// What happened; the number is part of the hash and must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run = 1,
    Send = 2,
    Lost = 3,
    Deliver = 4,
    Timer = 5,
    Command = 6,
    Log = 7,
    Exit = 8,
    Disk = 9,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Send => "send",
            Self::Lost => "lost",
            Self::Deliver => "deliver",
            Self::Timer => "timer",
            Self::Command => "command",
            Self::Log => "log",
            Self::Exit => "exit",
            Self::Disk => "disk",
        }
    }
}

pub(crate) struct Trace {
    hash: u64,
    start_ns: u64,
    out: Option<Box<dyn Write + Send>>,
}

impl Trace {
    pub(crate) fn new(start_ns: u64, out: Option<Box<dyn Write + Send>>) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            start_ns,
            out,
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn event(
        &mut self,
        at_ns: u64,
        kind: Kind,
        host: (u32, &str),
        detail: u64,
        text: &dyn Display,
    ) {
        self.mix(at_ns - self.start_ns);
        self.mix((kind as u64) << 32 | u64::from(host.0));
        self.mix(detail);
        if let Some(out) = &mut self.out {
            let since_ns = at_ns - self.start_ns;
            let (ms, rest_ns) = (since_ns / MS, since_ns % MS);
            // A full disk under the trace file must not change the run.
            let _ = writeln!(out, "{ms}.{rest_ns:06} {} {} {text}", host.1, kind.name());
        }
    }

    pub(crate) fn packet(&mut self, at_ns: u64, kind: Kind, host: (u32, &str), packet: &Packet) {
        self.event(at_ns, kind, host, packet_hash(packet), packet);
    }

    pub(crate) fn finish(&mut self) -> std::io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Everything that distinguishes a packet, in one number.
fn packet_hash(packet: &Packet) -> u64 {
    let ports = u64::from(packet.source.port()) << 16 | u64::from(packet.target.port());
    match &packet.body {
        Body::Tcp(segment) => {
            let numbers = segment.sequence.rotate_left(32) ^ segment.acknowledged.rotate_left(16);
            let flags = segment.flags.bits() << 48 | u64::from(segment.window) << 52;
            let data = if segment.data.is_empty() {
                0
            } else {
                xxh3_64(&segment.data)
            };
            ports ^ numbers ^ flags ^ data
        }
        Body::Udp(data) => ports ^ xxh3_64(data),
        Body::Arp(Arp::Request) => S,
        Body::Arp(Arp::Reply) => S + 1,
    }
}
