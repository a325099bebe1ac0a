//! What one host's kernel is to be reminded of, earliest first.
//!
//! The event loop knows the earliest alone, so that a host costs it one event for each instant at
//! which something is due, however many sockets it has. Deliberately absent: taking a timer back;
//! who set it knows an old one when it fires.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Timer;

#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BinaryHeap<Entry>,
    set: u64,
}

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    /// Counts timers: those of one instant fire in the order in which they were set.
    number: u64,
    timer: Timer,
}

impl Timers {
    pub(crate) fn set(&mut self, at_ns: u64, timer: Timer) {
        self.set += 1;
        self.queue.push(Entry {
            at_ns,
            number: self.set,
            timer,
        });
    }

    /// When the earliest fires.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.queue.peek().map(|entry| entry.at_ns)
    }

    /// The earliest, if it is due.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Timer> {
        match self.next_ns() {
            Some(at_ns) if at_ns <= now_ns => self.queue.pop().map(|entry| entry.timer),
            _ => None,
        }
    }
}

impl Ord for Entry {
    /// The greatest of the heap is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.number).cmp(&(self.at_ns, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_of_one_instant_the_first_set() {
        let mut timers = Timers::default();
        let timer = |generation| Timer::Neighbour([10, 0, 0, 1].into(), generation);
        for (at_ns, generation) in [(20, 1), (10, 2), (20, 3), (30, 4)] {
            timers.set(at_ns, timer(generation));
        }
        let mut due = Vec::new();
        assert_eq!(timers.next_ns(), Some(10));
        while let Some(Timer::Neighbour(_, generation)) = timers.pop_due(20) {
            due.push(generation);
        }
        assert_eq!(due, [2, 1, 3]);
        assert_eq!(timers.next_ns(), Some(30));
    }
}
