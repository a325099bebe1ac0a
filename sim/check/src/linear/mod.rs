//! Whether a history is linearizable: whether each operation can be thought to happen at one instant
//! between its invocation and its completion, such that one object, doing one thing at a time, answers the same.
//!
//! | module | idea |
//! |---|---|
//! | here | what a history is, what a [`Model`] of an object is, and what can be said of them |
//! | `search` | the algorithm |
//! | `events` | invocations and completions in the order of time, as a list that gives and takes back |
//! | `bits` | which operations are placed, as a small key |
//! | [`counted`] | the same for a counter, by its answers alone, for long histories |
//! | [`counter`] | a model: a number that is incremented and read |
//! | [`register`] | a model: a value that is read, written, and compared and set; a key of etcd |
//!
//! The algorithm is that of Wing and Gong (Testing and verifying concurrent objects, 1993) with Lowe's memory of
//! what was tried (Testing for linearizability, 2017), as in `porcupine`. Two things are added for operations of
//! which nobody knows what became. One that would change nothing is never tried. And of those that are alike
//! only the one that began first is: another in its place would explain nothing else. Without that a few dozen
//! timeouts are more than any search can bear.
//!
//! Why not `stateright`'s `LinearizabilityTester`: it knows operations in flight, and so unknown ones, but it
//! tries orders without remembering any (two writers that overlap all along cost exponential time), copies the
//! rest of the history at each step, recurses as deep as the history is long, has no bound, and says of a failure
//! only that it is one. It also comes with a model checker and its web server.
//!
//! Deliberately absent: where a history comes from, and any wording of what is wrong with it.

mod bits;
pub mod counted;
pub mod counter;
mod events;
pub mod register;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hash;

/// How many steps a search may take unless somebody knows better: some seconds.
pub const MOST_STEPS: u64 = 2_000_000;

/// What an object is that does one thing at a time.
pub trait Model {
    /// What it remembers.
    type State: Clone + Eq + Hash;
    /// What is asked of it together with what it answered, as far as that is known.
    type Action: Eq + Hash;

    /// How it begins.
    fn start(&self) -> Self::State;

    /// What it remembers once this was done, or `None` if it would not have answered so.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<A> {
    /// What was asked, and answered.
    pub action: A,
    /// When it was invoked, in microseconds since any instant.
    pub from_us: u64,
    /// When its answer was there. `None` if nobody knows what became of it: it may have happened at any time
    /// after its invocation, may happen later, or never.
    pub to_us: Option<u64>,
}

/// What can be said of a history. Operations are told by their places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<S> {
    /// It is linearizable.
    Linear {
        /// In this order, for example. Unknown operations that are not in it need not have happened.
        order: Vec<usize>,
    },
    /// It is not.
    Broken(Misfit<S>),
    /// Too many steps would be needed to say.
    Open {
        /// How many were taken.
        steps: u64,
    },
}

/// Why a history is not linearizable: no order explains what was answered up to an instant, and some order
/// explains all that was answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit<S> {
    /// The operation that no order explains, given all that ended before it.
    pub misfit: usize,
    /// An order that explains all that ended before it.
    pub order: Vec<usize>,
    /// What the object remembers then.
    pub state: S,
}

/// Judges a history of one object.
///
/// What ends in the same microsecond in which another begins overlaps with it: a record cannot tell more, and an
/// order that was not there would make a sound system look wrong.
pub fn check<M: Model>(
    model: &M,
    history: &[Operation<M::Action>],
    most_steps: u64,
) -> Verdict<M::State> {
    let places: Vec<usize> = (0..history.len()).collect();
    let mut steps = 0;
    search::search(model, history, &places, &mut steps, most_steps)
}

/// Judges a history of many objects of one model, told apart by a key: a history is linearizable if and only if it
/// is for each object (Herlihy and Wing, Linearizability, 1990, theorem 1), and small histories are quick to judge.
///
/// Says what is wrong with the first key, in the order of keys, whose history is not. An order is that of the keys,
/// one after the other. `most_steps` is for all of them together.
pub fn check_each<M: Model, K: Ord>(
    model: &M,
    history: &[Operation<M::Action>],
    key: impl Fn(&M::Action) -> K,
    most_steps: u64,
) -> Verdict<M::State> {
    let mut parts: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (place, operation) in history.iter().enumerate() {
        let part = parts.entry(key(&operation.action)).or_default();
        part.push(place);
    }
    let (mut all, mut steps, mut is_open) = (Vec::new(), 0, false);
    for places in parts.values() {
        match search::search(model, history, places, &mut steps, most_steps) {
            Verdict::Linear { order } => all.extend(order),
            broken @ Verdict::Broken(_) => return broken,
            Verdict::Open { .. } => is_open = true,
        }
    }
    match is_open {
        true => Verdict::Open { steps },
        false => Verdict::Linear { order: all },
    }
}
