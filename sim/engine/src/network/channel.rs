//! One direction of a link and what it remembers from packet to packet.
//!
//! A packet meets, in this order: the cut, a second copy of itself, loss, the bottleneck with its
//! queue, corruption, the delay. That is a netem qdisc with a tbf below it.
//!
//! Packets stay in order, but for those that netem would reorder: jitter by one of netem's
//! distributions lets a packet overtake one that drew a longer delay, and a packet chosen by `reorder`
//! does not wait at all. `Distribution::Above` is a queue on the way and keeps the order.

use squall_fault::Link;
use squall_fault::link::{Distribution, GilbertElliott, Loss};

use super::Fate;
use super::bucket::Bucket;
use super::draw::{Memory, quantile};
use crate::kernel::packet::{Body, Packet};
use crate::random::Random;
use crate::time::{US, ns};

/// What qdiscs count beside the IP packet: the Ethernet header.
const FRAME_HEADER: u64 = 14;
/// An IP header, which every fragment has.
const IP_HEADER: u64 = 20;
/// What every IPv4 link must pass (RFC 791).
const MTU_MIN: u16 = 68;
/// What is left of the delay for a packet that overtakes: netem's queue is passed, the wire is not.
const WIRE_NS: u64 = 100 * US;

pub(super) struct Channel {
    link: Link,
    bucket: Bucket,
    /// Gilbert and Elliott's bad state.
    is_bad: bool,
    loss: Memory,
    duplicate: Memory,
    corrupt: Memory,
    reorder: Memory,
    jitter: Memory,
    since_reorder: u32,
    last_arrival_ns: u64,
}

impl Channel {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            bucket: Bucket::default(),
            is_bad: false,
            loss: Memory::default(),
            duplicate: Memory::default(),
            corrupt: Memory::default(),
            reorder: Memory::default(),
            jitter: Memory::default(),
            since_reorder: 0,
            last_arrival_ns: 0,
        }
    }

    /// New parameters. What is sent from now on does not queue up behind what was sent under the old
    /// ones: a fault's delay ends with the fault.
    pub(super) fn set(&mut self, link: Link) {
        if link != self.link {
            self.link = link;
            self.last_arrival_ns = 0;
        }
    }

    pub(super) fn fate(&mut self, packet: &Packet, now_ns: u64, random: &mut Random) -> Fate {
        let (bytes, is_datagram) = match &packet.body {
            // Faults of the IP layer let ARP pass.
            Body::Arp(_) => {
                let at_ns = now_ns.saturating_add(ns(self.link.latency));
                return Fate::Arrives { at_ns };
            }
            Body::Tcp(segment) => (segment.bytes(), false),
            Body::Udp(data) => (IP_HEADER + 8 + data.len() as u64, true),
        };
        let mtu = self.link.mtu.max(MTU_MIN);
        if self.link.is_cut {
            return Fate::Lost;
        }
        if bytes > u64::from(mtu) && !is_datagram {
            return Fate::TooBig { mtu };
        }
        let is_doubled = self.duplicate.happens(self.link.duplicate, random);
        let first_ns = self.pass(bytes, now_ns, random);
        let second_ns = match is_doubled {
            true => self.pass(bytes, now_ns, random),
            false => None,
        };
        match (first_ns, second_ns) {
            (Some(at_ns), Some(again_ns)) => Fate::Twice { at_ns, again_ns },
            (Some(at_ns), None) | (None, Some(at_ns)) => Fate::Arrives { at_ns },
            (None, None) => Fate::Lost,
        }
    }

    /// When one copy of a packet arrives; a datagram that does not fit arrives with its last
    /// fragment, or not at all.
    fn pass(&mut self, bytes: u64, now_ns: u64, random: &mut Random) -> Option<u64> {
        let mtu = u64::from(self.link.mtu.max(MTU_MIN));
        let mut rest = bytes;
        let mut passed_ns = Some(now_ns);
        while rest > 0 {
            let fragment = match rest <= mtu {
                true => rest,
                // Offsets count in eights.
                false => IP_HEADER + (mtu - IP_HEADER) / 8 * 8,
            };
            let fragment_ns = self.pass_fragment(fragment, now_ns, random);
            passed_ns = passed_ns
                .zip(fragment_ns)
                .map(|(one, other)| one.max(other));
            rest -= fragment;
            if rest > 0 {
                rest += IP_HEADER;
            }
        }
        let passed_ns = passed_ns?;
        Some(self.delayed(passed_ns, random))
    }

    fn pass_fragment(&mut self, bytes: u64, now_ns: u64, random: &mut Random) -> Option<u64> {
        if self.is_lost(random) {
            return None;
        }
        let passed_ns = match self.link.rate {
            Some(rate) => self.bucket.pass(rate, bytes + FRAME_HEADER, now_ns)?,
            None => now_ns,
        };
        // It has used the line; its checksum is wrong at the other end.
        let is_corrupt = self.corrupt.happens(self.link.corrupt, random);
        (!is_corrupt).then_some(passed_ns)
    }

    fn is_lost(&mut self, random: &mut Random) -> bool {
        match self.link.loss {
            Loss::Random(chance) => self.loss.happens(chance, random),
            Loss::GilbertElliott(model) => self.is_lost_in_burst(model, random),
        }
    }

    fn is_lost_in_burst(&mut self, model: GilbertElliott, random: &mut Random) -> bool {
        let change = match self.is_bad {
            true => model.to_good,
            false => model.to_bad,
        };
        self.is_bad ^= random.chance(change);
        random.chance(match self.is_bad {
            true => model.loss_when_bad,
            false => model.loss_when_good,
        })
    }

    fn delayed(&mut self, passed_ns: u64, random: &mut Random) -> u64 {
        let link = &self.link;
        let gap = link.reorder.gap.max(1);
        let is_candidate = self.since_reorder >= gap - 1;
        if is_candidate && self.reorder.happens(link.reorder.chance, random) {
            self.since_reorder = 0;
            return passed_ns.saturating_add(WIRE_NS.min(ns(link.latency)));
        }
        self.since_reorder = self.since_reorder.saturating_add(1);
        let mut at_ns = passed_ns.saturating_add(ns(link.latency));
        if !link.jitter.is_zero() {
            let draw = self.jitter.draw(link.jitter_correlation, random);
            let jitter_ns = quantile(link.distribution, draw) * ns(link.jitter) as f64;
            at_ns = at_ns.saturating_add_signed(jitter_ns as i64).max(passed_ns);
            if link.distribution != Distribution::Above {
                return at_ns;
            }
        }
        self.last_arrival_ns = self.last_arrival_ns.max(at_ns);
        self.last_arrival_ns
    }
}
