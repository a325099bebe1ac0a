//! A value that is read, written, and compared and set: a key of etcd, which begins absent. Deliberately without
//! revisions: who knows those has an order already and needs no search.

use std::hash::Hash;
use std::marker::PhantomData;

use super::Model;

/// A register that begins absent.
#[derive(Clone, Copy, Debug)]
pub struct Register<V> {
    values: PhantomData<V>,
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self {
            values: PhantomData,
        }
    }
}

/// What is asked of a register, and what it answers. A value is `None` if the register is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action<V> {
    /// The answer is the value. A read that nobody knows the answer of says nothing and can be left out.
    Read(Option<V>),
    /// From now on the value is this; `None` deletes it.
    Write(Option<V>),
    /// If the value is `expected`, it is `new` from now on.
    CompareAndSet {
        /// What it must be.
        expected: Option<V>,
        /// What it is then.
        new: Option<V>,
        /// Whether it was; `None` if nobody knows.
        done: Option<bool>,
    },
}

impl<V: Clone + Eq + Hash> Model for Register<V> {
    type State = Option<V>;
    type Action = Action<V>;

    fn start(&self) -> Option<V> {
        None
    }

    fn step(&self, state: &Option<V>, action: &Action<V>) -> Option<Option<V>> {
        match action {
            Action::Read(answer) => (answer == state).then(|| state.clone()),
            Action::Write(value) => Some(value.clone()),
            Action::CompareAndSet {
                expected,
                new,
                done,
            } => {
                let is_equal = expected == state;
                let then = if is_equal { new } else { state };
                done.is_none_or(|done| done == is_equal)
                    .then(|| then.clone())
            }
        }
    }
}
