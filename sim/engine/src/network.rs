//! The wires between hosts. They delay, drop, double and reorder; repair is the hosts' business (see
//! `kernel`).
//!
//! | module | idea |
//! |---|---|
//! | `channel` | one direction of a link with what it remembers: what becomes of a packet |
//! | `bucket` | a bottleneck with a queue in front of it |
//! | `draw` | chances that depend on the one before, and netem's distributions |

mod bucket;
mod channel;
mod draw;

use rustc_hash::FxHashMap;
use squall_fault::Link;
use squall_fault::link::{Chance, Loss, MTU};

use crate::HostId;
use crate::kernel::packet::Packet;
use crate::random::Random;
use crate::time::{US, ns};
use channel::Channel;

/// How long a packet takes from a host to itself.
const LOOPBACK_NS: u64 = 10 * US;

pub(crate) struct Network {
    /// Every link that was not set apart.
    usual: Link,
    /// The usual link needs no state, so no link needs any unless it is set apart.
    is_usual_plain: bool,
    /// Looked up, never iterated.
    channels: FxHashMap<(HostId, HostId), Channel>,
    random: Random,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives {
        at_ns: u64,
    },
    Twice {
        at_ns: u64,
        again_ns: u64,
    },
    Lost,
    /// A TCP segment that does not fit; the sender is told (ICMP "fragmentation needed").
    TooBig {
        mtu: u16,
    },
}

impl Network {
    pub(crate) fn new(seed: u64, usual: Link) -> Self {
        Self {
            usual,
            is_usual_plain: is_plain(&usual),
            channels: FxHashMap::default(),
            random: Random::new(seed, "network"),
        }
    }

    /// Sets how packets travel from now on. The same parameters again change nothing, and other ones
    /// leave the memory of losses and the queue as they are.
    pub(crate) fn set(&mut self, from: HostId, to: HostId, link: Link) {
        if link == self.usual && self.is_usual_plain {
            self.channels.remove(&(from, to));
        } else {
            self.channels
                .entry((from, to))
                .and_modify(|channel| channel.set(link))
                .or_insert_with(|| Channel::new(link));
        }
    }

    pub(crate) fn fate(&mut self, from: HostId, to: HostId, packet: &Packet, now_ns: u64) -> Fate {
        if from == to {
            return Fate::Arrives {
                at_ns: now_ns + LOOPBACK_NS,
            };
        }
        let channel = match (self.is_usual_plain, self.channels.is_empty()) {
            (true, true) => None,
            (true, false) => self.channels.get_mut(&(from, to)),
            (false, _) => {
                let usual = self.usual;
                let entry = self.channels.entry((from, to));
                Some(entry.or_insert_with(|| Channel::new(usual)))
            }
        };
        match channel {
            Some(channel) => channel.fate(packet, now_ns, &mut self.random),
            None => Fate::Arrives {
                at_ns: now_ns + ns(self.usual.latency),
            },
        }
    }
}

/// Nothing but a delay that is the same for every packet.
fn is_plain(link: &Link) -> bool {
    !link.is_cut
        && link.jitter.is_zero()
        && link.loss == Loss::NONE
        && link.duplicate == Chance::NEVER
        && link.corrupt == Chance::NEVER
        && link.reorder.chance == Chance::NEVER
        && link.rate.is_none()
        && link.mtu >= MTU
}

#[cfg(test)]
mod tests;
