//! A number that is incremented, each time by one, and read. Deliberately not by more: `/increment` is all there is.

use super::Model;

/// A counter that begins at a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// What it counts before anything is done.
    pub from: i64,
}

/// What is asked of a counter, and what it answers; `None` if nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Adds one; the answer is the number after that.
    Increment(Option<i64>),
    /// The answer is the number.
    Read(Option<i64>),
}

impl Model for Counter {
    type State = i64;
    type Action = Action;

    fn start(&self) -> i64 {
        self.from
    }

    fn step(&self, state: &i64, action: &Action) -> Option<i64> {
        let (then, answer) = match action {
            Action::Increment(answer) => (state.checked_add(1)?, *answer),
            Action::Read(answer) => (*state, *answer),
        };
        answer.is_none_or(|answer| answer == then).then_some(then)
    }
}
