//! `roundrobin`: servers stand on a line at the place of their next turn. A turn moves a server on
//! by the group's weight divided by its own, and a round is as long as the group's weight.
//!
//! Three ordered sets hold a group: `current` by place, `starting` for servers that have not had a
//! turn in this round, heaviest first, and `next` for those whose next turn is in the coming round.
//! At the end of a round `next` becomes `starting`. Weights that change do so from the next round
//! on. The order that results, ties included, is that of HAProxy's `src/lb_fwrr.c`.

use std::collections::BTreeMap;

use super::{Group, Slot, WEIGHT_MAX, WEIGHT_SCALE};

/// Servers whose key is equal come in the order in which they were put there.
type Ordered = BTreeMap<(i64, u64), usize>;

#[derive(Debug)]
pub(super) struct RoundRobin {
    active: Line,
    backup: Line,
    seats: Vec<Seat>,
    sequence: u64,
}

/// One group.
#[derive(Debug, Default)]
struct Line {
    position: i64,
    weight: i64,
    weight_next: i64,
    current: Ordered,
    /// `starting` and `next`, which change places.
    rounds: [Ordered; 2],
    starting: usize,
}

/// One server.
#[derive(Clone, Debug, Default)]
struct Seat {
    place: Place,
    key: (i64, u64),
    turn: i64,
    turn_last: i64,
    remainder: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    Current,
    /// In one of the two rounds.
    Round(usize),
}

impl RoundRobin {
    pub(super) fn new(slots: &[Slot]) -> Self {
        let mut new = Self {
            active: Line::default(),
            backup: Line::default(),
            seats: vec![Seat::default(); slots.len()],
            sequence: 0,
        };
        for backup in [false, true] {
            let total = slots
                .iter()
                .filter(|slot| slot.usable && slot.backup == backup)
                .map(|slot| i64::from(slot.effective))
                .sum();
            let line = new.line(backup);
            line.position = total;
            line.weight = total;
            line.weight_next = total;
        }
        for (index, slot) in slots.iter().enumerate() {
            if slot.usable {
                let round = new.line(slot.backup).starting;
                new.put_in_round(index, round, slot);
            }
        }
        new
    }

    fn line(&mut self, backup: bool) -> &mut Line {
        if backup {
            &mut self.backup
        } else {
            &mut self.active
        }
    }

    /// See [`super::Balancer::changed`].
    pub(super) fn changed(&mut self, index: usize, before: &Slot, slots: &[Slot]) {
        let slot = &slots[index];
        let line = self.line(slot.backup);
        let (old, new) = (i64::from(before.effective), i64::from(slot.effective));
        match (before.usable, slot.usable) {
            (false, false) => {}
            (true, false) => {
                line.weight_next -= old;
                self.take(index, slot.backup);
                self.seats[index].place = Place::Nowhere;
            }
            (false, true) => {
                line.weight_next += new;
                let ahead = (line.weight_next + line.weight - line.position) / new.max(1);
                let turn = line.position + ahead;
                self.seats[index].turn = turn;
                self.put(index, slot);
            }
            (true, true) => {
                line.weight_next += new - old;
                self.reweigh(index, slot);
            }
        }
    }

    /// A server in use has another weight.
    fn reweigh(&mut self, index: usize, slot: &Slot) {
        let line = self.line(slot.backup);
        let (position, weight) = (line.position, line.weight);
        let (weight_next, starting) = (line.weight_next, line.starting);
        if self.seats[index].place == Place::Round(starting) {
            self.take(index, slot.backup);
            self.put_in_round(index, starting, slot);
            return;
        }
        let seat = &mut self.seats[index];
        if matches!(seat.place, Place::Round(_)) {
            seat.turn += weight;
        }
        let step = weight_next / i64::from(slot.effective).max(1);
        let before = seat.turn;
        seat.turn = (seat.turn_last + step).min(before);
        seat.remainder = 0;
        if seat.turn < position + 2 {
            seat.turn = position + step;
        }
        self.take(index, slot.backup);
        self.put(index, slot);
    }

    /// Removes a server from where it stands.
    fn take(&mut self, index: usize, backup: bool) {
        let Seat { place, key, .. } = self.seats[index];
        let line = self.line(backup);
        match place {
            Place::Nowhere => None,
            Place::Current => line.current.remove(&key),
            Place::Round(round) => line.rounds[round].remove(&key),
        };
    }

    /// Puts a server where its next turn is.
    fn put(&mut self, index: usize, slot: &Slot) {
        let line = self.line(slot.backup);
        let (weight, weight_next) = (line.weight, line.weight_next);
        let next = 1 - line.starting;
        let seat = &mut self.seats[index];
        if !slot.usable {
            seat.place = Place::Nowhere;
        } else if slot.effective == 0
            || seat.turn >= 2 * weight
            || seat.turn >= weight + weight_next
        {
            seat.turn -= weight;
            self.put_in_round(index, next, slot);
        } else {
            // Among equal turns the one with the greater remainder and the lighter one wait.
            let light = i64::from(WEIGHT_MAX) + seat.remainder - i64::from(slot.effective);
            let order = 256 * seat.turn + light / i64::from(WEIGHT_SCALE);
            seat.key = (order, self.sequence);
            seat.place = Place::Current;
            self.sequence += 1;
            let key = seat.key;
            self.line(slot.backup).current.insert(key, index);
        }
    }

    fn put_in_round(&mut self, index: usize, round: usize, slot: &Slot) {
        let key = (
            i64::from(WEIGHT_MAX) - i64::from(slot.effective),
            self.sequence,
        );
        self.sequence += 1;
        let seat = &mut self.seats[index];
        seat.key = key;
        seat.place = Place::Round(round);
        self.line(slot.backup).rounds[round].insert(key, index);
    }

    /// The server whose turn it is; `None` when this round has none left.
    fn due(&mut self, backup: bool) -> Option<usize> {
        let line = self.line(backup);
        let position = line.position;
        let moved = line.current.first_key_value().map(|(_, index)| *index);
        let starting = line.rounds[line.starting]
            .first_key_value()
            .map(|(_, index)| *index);
        match (moved, starting) {
            (Some(index), _) if self.seats[index].turn <= position => Some(index),
            (_, Some(index)) => {
                self.seats[index].turn = 0;
                self.seats[index].remainder = 0;
                Some(index)
            }
            (moved, None) => moved,
        }
    }

    /// Moves a server on to its next turn.
    fn advance(&mut self, index: usize, slot: &Slot) {
        let line = self.line(slot.backup);
        let (position, weight_next) = (line.position, line.weight_next);
        let effective = i64::from(slot.effective);
        if effective == 0 {
            return;
        }
        let seat = &mut self.seats[index];
        if seat.turn == 0 {
            seat.turn = position;
        }
        seat.turn_last = seat.turn;
        seat.turn += weight_next / effective;
        seat.remainder += weight_next % effective;
        if seat.remainder >= effective {
            seat.remainder -= effective;
            seat.turn += 1;
        }
    }

    pub(super) fn pick(
        &mut self,
        group: Group,
        slots: &[Slot],
        avoid: Option<usize>,
    ) -> Option<usize> {
        let backup = group == Group::Backup;
        let mut switched = false;
        let mut avoided = None;
        let mut passed: Vec<usize> = Vec::new();
        let chosen = loop {
            let line = self.line(backup);
            if line.weight == 0 {
                line.weight = line.weight_next;
                line.position = line.weight;
            }
            let Some(index) = self.due(backup) else {
                if switched {
                    break avoided;
                }
                switched = true;
                let line = self.line(backup);
                line.starting = 1 - line.starting;
                line.weight = line.weight_next;
                line.position = line.weight;
                continue;
            };
            let slot = &slots[index];
            self.advance(index, slot);
            self.take(index, backup);
            self.seats[index].place = Place::Nowhere;
            self.line(backup).position += 1;
            if slot.has_room() {
                if Some(index) != avoid || avoided.is_some() {
                    break Some(index);
                }
                avoided = Some(index);
            }
            passed.push(index);
        };
        if let Some(index) = chosen {
            self.put(index, &slots[index]);
        }
        // Those passed over: the last one first, as a stack.
        for index in passed.into_iter().rev() {
            if Some(index) == chosen {
                continue;
            }
            if switched {
                let round = self.line(backup).starting;
                self.put_in_round(index, round, &slots[index]);
            } else {
                self.put(index, &slots[index]);
            }
        }
        chosen
    }
}
