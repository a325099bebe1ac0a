//! One fault: what is drawn for it beside its time, and whom it befalls.

use std::time::Duration;

use squall_fault::link::Loss;
use squall_fault::{Delay, LinkFault};
use squall_scenario::file::explore::Kind;
use squall_scenario::file::{Act, Links, Located, Process};

use super::readable;
use crate::facts::{Facts, Service};
use crate::random::Random;

/// A fault with its time.
pub(super) struct Fault {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) act: Act,
    /// The containers that it befalls: the victim, and the other end of a link.
    pub(super) befalls: Vec<String>,
    aspect: Aspect,
}

/// What of a container a fault changes. Two faults that change the same would be undone together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aspect {
    Process,
    Reachability,
    Loss,
    Latency,
    Connections,
}

impl Fault {
    pub(super) fn is_confused_with(&self, other: &Self) -> bool {
        self.aspect == other.aspect && self.befalls.iter().any(|name| other.befalls.contains(name))
    }
}

pub(super) fn draw(
    kind: Kind,
    victim: &Service,
    facts: &Facts,
    from: Duration,
    length: Duration,
    random: &mut Random,
) -> Fault {
    let containers: Vec<&String> = victim.containers.iter().collect();
    let container = random.choose(&containers);
    let mut befalls = vec![container.clone()];
    // The other end of a link, where the fault has one.
    let peers: Vec<&String> = victim.peers.iter().collect();
    let peer = |random: &mut Random, befalls: &mut Vec<String>| {
        let peer = (!peers.is_empty()).then(|| random.choose(&peers))?;
        let of_it = facts
            .services
            .iter()
            .filter(|service| service.name == *peer);
        befalls.extend(of_it.flat_map(|service| service.containers.iter().cloned()));
        Some(named(peer))
    };
    let me = || named(container);
    let (aspect, act) = match kind {
        Kind::Kill => (Aspect::Process, Act::Process(Process::Kill, me())),
        Kind::Stop => (Aspect::Process, Act::Process(Process::Stop, me())),
        Kind::Pause => (Aspect::Process, Act::Process(Process::Pause, me())),
        Kind::PowerOff => (Aspect::Process, Act::Power(me(), false)),
        Kind::Isolate => (
            Aspect::Reachability,
            Act::Link(links(None, Some(me()), true), LinkFault::Cut),
        ),
        Kind::Partition => {
            let peer = peer(random, &mut befalls);
            (
                Aspect::Reachability,
                Act::Link(links(peer, Some(me()), true), LinkFault::Cut),
            )
        }
        Kind::OneWay => {
            let peer = peer(random, &mut befalls);
            (
                Aspect::Reachability,
                Act::Link(one_way(me(), peer, random), LinkFault::Cut),
            )
        }
        Kind::Loss(low, high) => {
            let percent = |fraction: f64| (fraction * 1000.0).round() as u64;
            let drawn = random.between(percent(low), percent(high).max(percent(low)));
            // Whole percents where the budget leaves room for them.
            let whole = drawn / 10 * 10;
            let drawn = if whole >= percent(low) && whole > 0 {
                whole
            } else {
                drawn
            };
            // As it is read from a file, to the last bit: a percentage, divided.
            let links = one_way(me(), None, random);
            let loss = Loss::independent(drawn as f64 / 10.0 / 100.0);
            (Aspect::Loss, Act::Link(links, LinkFault::Loss(loss)))
        }
        Kind::Latency(low, high) => {
            let more = (high - low).mul_f64(random.fraction());
            let delay = readable(low + more).clamp(low, high);
            let links = one_way(me(), None, random);
            let fault = LinkFault::Latency(Delay::steady(delay));
            (Aspect::Latency, Act::Link(links, fault))
        }
        Kind::Reset => {
            let peer = peer(random, &mut befalls);
            (
                Aspect::Connections,
                Act::Reset(links(peer, Some(me()), true)),
            )
        }
    };
    Fault {
        from,
        to: from + length,
        act,
        befalls,
        aspect,
    }
}

fn named(name: &str) -> Vec<Located<String>> {
    let value = name.to_owned();
    vec![Located { line: 0, value }]
}

fn links(
    from: Option<Vec<Located<String>>>,
    towards: Option<Vec<Located<String>>>,
    both_ways: bool,
) -> Links {
    Links {
        from,
        towards,
        both_ways,
    }
}

/// To it or from it; `None` at the other end stands for everybody.
fn one_way(
    me: Vec<Located<String>>,
    peer: Option<Vec<Located<String>>>,
    random: &mut Random,
) -> Links {
    match random.coin() {
        true => links(peer, Some(me), false),
        false => links(Some(me), peer, false),
    }
}
