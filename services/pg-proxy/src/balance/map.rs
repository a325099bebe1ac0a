//! `static-rr` and `source`: every server stands in a map as often as its weight says, spread by
//! the same rule as in HAProxy (`recalc_server_map`), which gives the first place to the first.

use super::{Group, Slot};
use crate::config::HashFunction;

/// Servers by place.
#[derive(Debug, Default)]
pub(super) struct Map {
    places: Vec<usize>,
    next: usize,
}

/// Reduces the weights by their greatest common divisor, so that the map is as small as can be.
pub(super) fn scale(slots: &mut [Slot]) {
    let divisor = slots
        .iter()
        .fold(0, |divisor, slot| gcd(divisor, slot.weight));
    for slot in slots {
        slot.effective = slot.weight / divisor.max(1);
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Map {
    /// To be called when the servers in use change.
    pub(super) fn rebuild(&mut self, group: Group, slots: &[Slot]) {
        self.places.clear();
        let members: Vec<usize> = match group {
            Group::Nobody => return,
            Group::OneBackup(index) => vec![index],
            Group::Active | Group::Backup => (0..slots.len())
                .filter(|index| super::in_group(group, &slots[*index]))
                .collect(),
        };
        let total: i64 = members
            .iter()
            .map(|index| i64::from(slots[*index].effective))
            .sum();
        let mut scores = vec![0_i64; members.len()];
        for _ in 0..total {
            let mut best: Option<(i64, usize)> = None;
            for (member, score) in scores.iter_mut().enumerate() {
                *score += i64::from(slots[members[member]].effective);
                let rank = (*score + total) / total;
                if best.is_none_or(|(rank_best, _)| rank > rank_best) {
                    best = Some((rank, member));
                }
            }
            let Some((_, member)) = best else { return };
            scores[member] -= total;
            self.places.push(members[member]);
        }
    }

    /// The next place whose server has room.
    pub(super) fn next(&mut self, slots: &[Slot], avoid: Option<usize>) -> Option<usize> {
        let count = self.places.len();
        if count == 0 {
            return None;
        }
        let start = if self.next < count { self.next } else { 0 };
        let mut avoided = None;
        for step in 0..count {
            let place = (start + step) % count;
            let server = self.places[place];
            if slots[server].has_room() {
                avoided = Some((server, place + 1));
                if Some(server) != avoid {
                    break;
                }
            }
        }
        let (server, next) = avoided?;
        self.next = next;
        Some(server)
    }

    /// The server for a hash.
    pub(super) fn by_hash(&self, hash: u32, function: HashFunction) -> Option<usize> {
        let hash = match function {
            // A map of one place is not hashed.
            HashFunction::Avalanche if self.places.len() > 1 => avalanche(hash),
            _ => hash,
        };
        let count = u32::try_from(self.places.len())
            .ok()
            .filter(|count| *count > 0)?;
        self.places.get((hash % count) as usize).copied()
    }
}

/// Bob Jenkins' full avalanche of a 32 bit integer, and HAProxy's factor behind it.
fn avalanche(mut a: u32) -> u32 {
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = (a ^ 0xb55a_4f09) ^ (a >> 16);
    a.wrapping_mul(3_221_225_473)
}
