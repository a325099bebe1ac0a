//! A history of a counter judged without a search: in the time that it takes to sort it.
//!
//! The answers of a counter say in which order its increments happened: by value, each with the reads of that value
//! after it. Such an order goes with time if and only if nobody in it was sent after somebody later in it had ended.
//! A value that no increment answered, below one that was seen, is of an increment of which nobody knows. It had
//! begun before anybody ended that comes after it in the order; how long it takes is not bounded. So the values in
//! question, from the lowest, are explained by unknown increments, from the first that began: if that fails at one
//! of them, then too few had begun for those up to there (Hall's condition, for deadlines that only grow).
//!
//! Deliberately absent: increments that are acknowledged without a value. Those can be in many places, and are left
//! to the search.

use std::collections::BTreeMap;

use super::Operation;
use super::counter::Action;

/// Why an order that the answers say is not possible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// When it could be known, in microseconds.
    pub at_us: u64,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong. Operations are told by their places in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Several increments answered the same value.
    Twice {
        /// Which.
        value: i64,
        /// They, by when they ended.
        increments: Vec<usize>,
    },
    /// A value that the counter had before anything was done, or never.
    TooLow {
        /// Who answered it.
        operation: usize,
    },
    /// By their answers the one comes before the other, by time after it.
    AgainstTime {
        /// Comes first by the answers, and was sent when the other had ended.
        before: usize,
        /// Comes later by the answers.
        after: usize,
    },
    /// Values that no increment answered, and too few unknown ones had begun.
    Unexplained {
        /// The first that is not explained.
        first: i64,
        /// The last of those.
        last: i64,
        /// Who ended first of those that come after them.
        seen_by: usize,
    },
}

/// One that has an answer.
#[derive(Clone, Copy)]
struct Known {
    place: usize,
    value: i64,
    is_read: bool,
    from_us: u64,
    to_us: u64,
}

/// All flaws in the history of a counter that begins at `from`, by when they could be known: none if and only if it
/// is linearizable. `None` if an increment was acknowledged without a value.
pub fn flaws(from: i64, history: &[Operation<Action>]) -> Option<Vec<Flaw>> {
    let (mut order, mut unknown_us) = (Vec::new(), Vec::new());
    for (place, one) in history.iter().enumerate() {
        let (answer, is_read) = match one.action {
            Action::Increment(answer) => (answer, false),
            Action::Read(answer) => (answer, true),
        };
        match (one.to_us, answer) {
            (Some(to_us), Some(value)) => order.push(Known {
                place,
                value,
                is_read,
                from_us: one.from_us,
                to_us,
            }),
            (_, _) if is_read => {}
            (Some(_), None) => return None,
            (None, _) => unknown_us.push(one.from_us),
        }
    }
    order.sort_by_key(|one| (one.value, one.is_read, one.to_us, one.place));
    unknown_us.sort_unstable();
    let mut flaws = too_low(from, &order);
    order.retain(|one| one.value > from || one.is_read && one.value == from);
    flaws.extend(twice(&order));
    flaws.extend(against_time(&order));
    flaws.extend(unexplained(from, &order, &unknown_us));
    flaws.sort_by_key(|flaw| flaw.at_us);
    Some(flaws)
}

fn too_low(from: i64, order: &[Known]) -> Vec<Flaw> {
    let is_too_low = |one: &&Known| one.value < from || one.value == from && !one.is_read;
    let flaw = |one: &Known| Flaw {
        at_us: one.to_us,
        why: Why::TooLow {
            operation: one.place,
        },
    };
    order.iter().filter(is_too_low).map(flaw).collect()
}

fn twice(order: &[Known]) -> impl Iterator<Item = Flaw> {
    let mut by_value: BTreeMap<i64, Vec<&Known>> = BTreeMap::new();
    for one in order.iter().filter(|one| !one.is_read) {
        by_value.entry(one.value).or_default().push(one);
    }
    let several = by_value.into_iter().filter(|(_, those)| those.len() > 1);
    several.map(|(value, those)| Flaw {
        at_us: those[1].to_us,
        why: Why::Twice {
            value,
            increments: those.iter().map(|one| one.place).collect(),
        },
    })
}

/// For each that was sent too late, the first to have ended of those that come after it.
fn against_time(order: &[Known]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut first: Option<Known> = None;
    for group in order
        .chunk_by(|a, b| (a.value, a.is_read) == (b.value, b.is_read))
        .rev()
    {
        for one in group {
            if let Some(after) = first.filter(|first| first.to_us < one.from_us) {
                flaws.push(Flaw {
                    at_us: one.to_us,
                    why: Why::AgainstTime {
                        before: one.place,
                        after: after.place,
                    },
                });
            }
        }
        first = group
            .iter()
            .copied()
            .chain(first)
            .min_by_key(|one| one.to_us);
    }
    flaws
}

fn unexplained(from: i64, order: &[Known], unknown_us: &[u64]) -> Vec<Flaw> {
    // Of each place in the order: who ends first from there on.
    let mut first_end: Vec<Known> = Vec::with_capacity(order.len());
    for one in order.iter().rev() {
        let first = first_end.last().filter(|first| first.to_us <= one.to_us);
        first_end.push(*first.unwrap_or(one));
    }
    first_end.reverse();
    let (mut flaws, mut used, mut explained) = (Vec::new(), 0, from);
    for (one, seen_by) in order.iter().zip(first_end) {
        // An increment answers for its own value, a read for none.
        let last = if one.is_read {
            one.value
        } else {
            one.value.saturating_sub(1)
        };
        let missing = last.saturating_sub(explained).max(0);
        explained = explained.max(one.value);
        let begun = unknown_us.partition_point(|from_us| *from_us <= seen_by.to_us);
        let there = i64::try_from(begun.saturating_sub(used)).unwrap_or(i64::MAX);
        if missing > there {
            flaws.push(Flaw {
                at_us: seen_by.to_us,
                why: Why::Unexplained {
                    first: last - missing + there + 1,
                    last,
                    seen_by: seen_by.place,
                },
            });
        }
        used += usize::try_from(missing.min(there)).unwrap_or(usize::MAX);
    }
    flaws
}
