//! Which server is next. Each algorithm keeps HAProxy's order of choice, ties included.
//!
//! The algorithms see servers as [`Slot`]s and nothing else; the backend keeps the slots true.
//!
//! | module | idea | source in HAProxy |
//! |---|---|---|
//! | [`round_robin`] | `roundrobin`: places on a line, moved by weight | src/lb_fwrr.c |
//! | [`map`] | `static-rr`, `source`: a fixed map | src/lb_map.c |
//! | here | `leastconn`, `first` | src/lb_fwlc.c, src/lb_fas.c |

mod map;
mod round_robin;

use std::net::IpAddr;

use crate::config::{Balance, HashFunction};
use map::Map;
use round_robin::RoundRobin;

/// One unit of weight, in effective weight, for the algorithms that can change weights slowly.
pub(crate) const WEIGHT_SCALE: u32 = 16;
/// The heaviest effective weight.
const WEIGHT_MAX: u32 = 256 * WEIGHT_SCALE;

/// A server as the algorithms see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// Up, not in maintenance, and of weight.
    pub(crate) usable: bool,
    /// Used only when no other is left.
    pub(crate) backup: bool,
    /// The configured weight.
    pub(crate) weight: u32,
    /// The weight of now, in units that the algorithm sets.
    pub(crate) effective: u32,
    /// Sessions at once; `None` is without limit.
    pub(crate) room: Option<u32>,
    /// Sessions that may be queued beside.
    pub(crate) maxqueue: u32,
    /// Sessions that it has.
    pub(crate) served: u32,
    /// Sessions in its queue.
    pub(crate) queued: u32,
}

impl Slot {
    /// Whether a session would be served at once.
    pub(crate) fn has_room(&self) -> bool {
        self.room
            .is_none_or(|room| self.queued == 0 && self.served < room)
    }
}

/// Which servers are in use: the active ones, else the first backup, else all backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Active,
    OneBackup(usize),
    Backup,
    Nobody,
}

/// The chooser of one backend.
#[derive(Debug)]
pub(crate) struct Balancer {
    algorithm: Algorithm,
    all_backups: bool,
}

#[derive(Debug)]
enum Algorithm {
    RoundRobin(Box<RoundRobin>),
    StaticRr(Map),
    Source(Map, HashFunction),
    LeastConn(LeastConn),
    First,
}

impl Balancer {
    /// A chooser for `slots`, whose effective weights it sets.
    pub(crate) fn new(balance: Balance, all_backups: bool, slots: &mut [Slot]) -> Self {
        match balance {
            Balance::StaticRr | Balance::Source(_) => map::scale(slots),
            _ => {
                for slot in slots.iter_mut() {
                    slot.effective = slot.weight * WEIGHT_SCALE;
                }
            }
        }
        let algorithm = match balance {
            Balance::RoundRobin => Algorithm::RoundRobin(Box::new(RoundRobin::new(slots))),
            Balance::StaticRr => Algorithm::StaticRr(Map::default()),
            Balance::Source(hash) => Algorithm::Source(Map::default(), hash),
            Balance::LeastConn => Algorithm::LeastConn(LeastConn::new(slots)),
            Balance::First => Algorithm::First,
        };
        let mut balancer = Self {
            algorithm,
            all_backups,
        };
        balancer.rebuild(slots);
        balancer
    }

    /// Whether a failed session may go to another server at once, without a pause: not with a
    /// hash, which would choose the same again.
    pub(crate) fn is_deterministic(&self) -> bool {
        matches!(self.algorithm, Algorithm::Source(..))
    }

    /// Whether sessions in the backend's queue mean that no server has room.
    pub(crate) fn queue_means_full(&self) -> bool {
        !matches!(
            self.algorithm,
            Algorithm::LeastConn(_) | Algorithm::Source(..)
        )
    }

    /// Whether the weights of this algorithm can change at run time.
    pub(crate) fn is_dynamic(&self) -> bool {
        !matches!(
            self.algorithm,
            Algorithm::StaticRr(_) | Algorithm::Source(..)
        )
    }

    /// The servers in use.
    pub(crate) fn group(&self, slots: &[Slot]) -> Group {
        if slots.iter().any(|slot| slot.usable && !slot.backup) {
            return Group::Active;
        }
        match slots.iter().position(|slot| slot.usable && slot.backup) {
            None => Group::Nobody,
            Some(_) if self.all_backups => Group::Backup,
            Some(first) => Group::OneBackup(first),
        }
    }

    /// To be called after server `index` came up, went down or changed its weight; `before` is its
    /// slot as it was.
    pub(crate) fn changed(&mut self, index: usize, before: &Slot, slots: &[Slot]) {
        match &mut self.algorithm {
            Algorithm::RoundRobin(algorithm) => algorithm.changed(index, before, slots),
            Algorithm::LeastConn(algorithm) => algorithm.moved(index, slots),
            _ => self.rebuild(slots),
        }
    }

    /// To be called after the sessions of server `index` changed.
    pub(crate) fn load_changed(&mut self, index: usize, slots: &[Slot]) {
        if let Algorithm::LeastConn(algorithm) = &mut self.algorithm {
            algorithm.moved(index, slots);
        }
    }

    fn rebuild(&mut self, slots: &[Slot]) {
        let group = self.group(slots);
        if let Algorithm::StaticRr(map) | Algorithm::Source(map, _) = &mut self.algorithm {
            map.rebuild(group, slots);
        }
    }

    /// The next server, `avoid` only if there is no other. `None` when all are full or none is up.
    pub(crate) fn pick(
        &mut self,
        slots: &[Slot],
        avoid: Option<usize>,
        client: IpAddr,
    ) -> Option<usize> {
        let group = self.group(slots);
        if group == Group::Nobody {
            return None;
        }
        let single = match group {
            Group::OneBackup(index) => Some(index),
            _ => None,
        };
        match &mut self.algorithm {
            Algorithm::RoundRobin(algorithm) => {
                single.or_else(|| algorithm.pick(group, slots, avoid))
            }
            Algorithm::StaticRr(map) => map.next(slots, avoid),
            Algorithm::Source(map, function) => map.by_hash(fold(client), *function),
            Algorithm::LeastConn(algorithm) => {
                single.or_else(|| algorithm.pick(group, slots, avoid))
            }
            Algorithm::First => single.or_else(|| first(group, slots, avoid)),
        }
    }
}

fn in_group(group: Group, slot: &Slot) -> bool {
    slot.usable && slot.backup == (group == Group::Backup)
}

fn first(group: Group, slots: &[Slot], avoid: Option<usize>) -> Option<usize> {
    let mut free = slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| in_group(group, slot) && slot.has_room())
        .map(|(index, _)| index);
    let first = free.next()?;
    if Some(first) == avoid {
        Some(free.next().unwrap_or(first))
    } else {
        Some(first)
    }
}

/// A client's address as one number: the exclusive or of its words.
fn fold(client: IpAddr) -> u32 {
    match client {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            (0..4).fold(0, |hash, word| hash ^ (bits >> (word * 32)) as u32)
        }
    }
}

/// `leastconn`: the smallest load for its weight; among equals the one that got its load first.
#[derive(Debug)]
struct LeastConn {
    /// Load for weight, and the moment at which it got it.
    keys: Vec<(u32, u64)>,
    moment: u64,
}

impl LeastConn {
    fn new(slots: &[Slot]) -> Self {
        Self {
            keys: (0..slots.len() as u64).map(|moment| (0, moment)).collect(),
            moment: slots.len() as u64,
        }
    }

    fn moved(&mut self, index: usize, slots: &[Slot]) {
        let slot = &slots[index];
        let load = slot.served + slot.queued;
        let key = match load {
            0 => 0,
            load => (load + 1).saturating_mul(WEIGHT_MAX) / slot.effective.max(1),
        };
        if self.keys[index].0 != key {
            self.keys[index] = (key, self.moment);
            self.moment += 1;
        }
    }

    fn pick(&self, group: Group, slots: &[Slot], avoid: Option<usize>) -> Option<usize> {
        let free = |index: &usize| {
            let slot = &slots[*index];
            let load = slot.served + slot.queued;
            in_group(group, slot) && slot.room.is_none_or(|room| load < room + slot.maxqueue)
        };
        let best = |without: Option<usize>| {
            (0..slots.len())
                .filter(free)
                .filter(|index| Some(*index) != without)
                .min_by_key(|index| self.keys[*index])
        };
        best(avoid).or_else(|| best(None))
    }
}

#[cfg(test)]
mod tests;
