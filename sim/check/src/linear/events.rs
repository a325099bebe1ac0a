//! Invocations and completions in the order of time, as a doubly linked list from which an operation can be taken
//! and put back in constant time, if they are put back in the reverse order ("dancing links").
//!
//! Deliberately without operations of which nobody knows what became: those have no completion, and the search asks
//! for them when nothing else fits.

/// One end of an operation, which is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It was invoked.
    Call(usize),
    /// Its answer was there.
    Return(usize),
}

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(usize);

/// The list.
pub(super) struct Events {
    events: Vec<Event>,
    /// For each event, and last for the list itself: what comes next and what came before.
    next: Vec<usize>,
    before: Vec<usize>,
    /// For each operation the places of its ends.
    ends: Vec<(usize, usize)>,
}

impl Events {
    /// Of operations in the order of their numbers, each with its two instants.
    ///
    /// Of what happens at the same instant beginnings come first.
    pub(super) fn of(operations: &[(u64, u64)]) -> Self {
        let mut timed = Vec::with_capacity(operations.len() * 2);
        for (number, (from_us, to_us)) in operations.iter().enumerate() {
            timed.push((*from_us, false, number));
            timed.push(((*to_us).max(*from_us), true, number));
        }
        timed.sort_unstable();
        let mut ends = vec![(0, 0); operations.len()];
        let mut events = Vec::with_capacity(timed.len());
        for (place, (_, is_return, number)) in timed.into_iter().enumerate() {
            match is_return {
                false => {
                    ends[number].0 = place;
                    events.push(Event::Call(number));
                }
                true => {
                    ends[number].1 = place;
                    events.push(Event::Return(number));
                }
            }
        }
        let list = events.len();
        Self {
            next: (1..=list).chain([0]).collect(),
            before: [list].into_iter().chain(0..list).collect(),
            events,
            ends,
        }
    }

    /// The first that is there; the operations in the list must not all be taken.
    pub(super) fn first(&self) -> At {
        At(self.next[self.events.len()])
    }

    /// The one after this invocation.
    pub(super) fn after(&self, call: At) -> At {
        At(self.next[call.0])
    }

    /// Which operation ends first of those that are there; how many events are before that in the whole history.
    pub(super) fn first_return(&self) -> (usize, usize) {
        let mut at = self.first();
        loop {
            match self.event(at) {
                Event::Call(_) => at = self.after(at),
                Event::Return(operation) => return (operation, at.0),
            }
        }
    }

    /// Where an operation was invoked.
    pub(super) fn call(&self, operation: usize) -> At {
        At(self.ends[operation].0)
    }

    pub(super) fn event(&self, at: At) -> Event {
        self.events[at.0]
    }

    /// Takes out an operation.
    pub(super) fn take(&mut self, operation: usize) {
        let (call, end) = self.ends[operation];
        self.unlink(call);
        self.unlink(end);
    }

    /// Puts back the operation that was taken last.
    pub(super) fn put_back(&mut self, operation: usize) {
        let (call, end) = self.ends[operation];
        self.link(end);
        self.link(call);
    }

    fn unlink(&mut self, index: usize) {
        let (before, next) = (self.before[index], self.next[index]);
        self.next[before] = next;
        self.before[next] = before;
    }

    fn link(&mut self, index: usize) {
        let (before, next) = (self.before[index], self.next[index]);
        self.next[before] = index;
        self.before[next] = index;
    }
}
