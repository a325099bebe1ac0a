//! The wires between hosts: latency, jitter, loss, partitions. They delay and drop; repair is the
//! hosts' business (see `kernel`).

use std::collections::BTreeMap;

use squall_fault::Link;
use squall_fault::link::Loss;

use crate::HostId;
use crate::random::Random;
use crate::time::{US, ns};

/// How long a packet takes from a host to itself.
const LOOPBACK_NS: u64 = 10 * US;

pub(crate) struct Network {
    /// Every link that was not set apart.
    usual: Link,
    set_apart: BTreeMap<(HostId, HostId), SetApart>,
    random: Random,
}

struct SetApart {
    link: Link,
    last_arrival_ns: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives { at_ns: u64 },
    Lost,
}

impl Network {
    pub(crate) fn new(seed: u64, usual: Link) -> Self {
        Self {
            usual,
            set_apart: BTreeMap::new(),
            random: Random::new(seed, "network"),
        }
    }

    pub(crate) fn set(&mut self, from: HostId, to: HostId, link: Link) {
        if link == self.usual {
            self.set_apart.remove(&(from, to));
        } else {
            self.set_apart.insert(
                (from, to),
                SetApart {
                    link,
                    last_arrival_ns: 0,
                },
            );
        }
    }

    pub(crate) fn fate(&mut self, from: HostId, to: HostId, is_arp: bool, now_ns: u64) -> Fate {
        if from == to {
            return Fate::Arrives {
                at_ns: now_ns + LOOPBACK_NS,
            };
        }
        let mut set_apart = match self.set_apart.is_empty() {
            true => None,
            false => self.set_apart.get_mut(&(from, to)),
        };
        let link = set_apart.as_ref().map_or(self.usual, |entry| entry.link);
        if !is_arp && (link.is_cut || (is_lost(&mut self.random, link.loss))) {
            return Fate::Lost;
        }
        let mut at_ns = now_ns + ns(link.latency);
        if !link.jitter.is_zero() {
            at_ns += self.random.next() % (ns(link.jitter) + 1);
        }
        if let Some(entry) = &mut set_apart {
            at_ns = at_ns.max(entry.last_arrival_ns);
            entry.last_arrival_ns = at_ns;
        }
        Fate::Arrives { at_ns }
    }
}

// SEAM: GilbertElliott and all else that a link has
fn is_lost(random: &mut Random, loss: Loss) -> bool {
    match loss {
        Loss::Random(chance) => chance.probability > 0.0 && random.chance(chance.probability),
        Loss::GilbertElliott(_) => false,
    }
}
