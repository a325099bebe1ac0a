//! The search for an order: depth first, by always placing next an operation that was invoked before any that is
//! not yet placed ended, and never twice from the same set of placed operations and the same state. Operations of
//! which nobody knows what became are tried when no other one fits.
//!
//! Deliberately without recursion: a history has thousands of operations.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bits::{Bits, Key};
use super::events::{At, Event, Events};
use super::{Misfit, Model, Operation, Verdict};

/// What is tried next.
enum Next {
    /// The operation that is invoked here.
    Known(At),
    /// The first of this kind of unknown operations that is not placed.
    Unknown(usize),
}

/// Judges the operations at these places of a history; adds to the count of steps.
pub(super) fn search<M: Model>(
    model: &M,
    history: &[Operation<M::Action>],
    places: &[usize],
    steps: &mut u64,
    most_steps: u64,
) -> Verdict<M::State> {
    let mut search = Search::of(model, history, places);
    let mut state = model.start();
    let mut best: Option<(usize, Misfit<M::State>)> = None;
    let mut next = Next::Known(search.events.first());
    while search.unexplained > 0 {
        let (candidate, otherwise) = match next {
            Next::Known(at) => match search.events.event(at) {
                Event::Call(number) => (Some(number), Next::Known(search.events.after(at))),
                Event::Return(_) => (None, Next::Unknown(0)),
            },
            Next::Unknown(kind) if kind < search.kinds.len() => {
                (search.unknown(kind), Next::Unknown(kind + 1))
            }
            Next::Unknown(_) => {
                // All that ended before is placed. The latest such instant is where the history breaks.
                let (number, index) = search.events.first_return();
                if best.as_ref().is_none_or(|(best, _)| *best < index) {
                    let misfit = Misfit {
                        misfit: search.places[number],
                        order: search.order(),
                        state: state.clone(),
                    };
                    best = Some((index, misfit));
                }
                let Some((last, before)) = search.take_back() else {
                    let Some((_, misfit)) = best else {
                        unreachable!("it was noted above");
                    };
                    return Verdict::Broken(misfit);
                };
                state = before;
                (None, search.after(last))
            }
        };
        next = otherwise;
        let Some(number) = candidate else { continue };
        if *steps >= most_steps {
            return Verdict::Open { steps: *steps };
        }
        *steps += 1;
        if let Some(then) = search.place(number, &state) {
            state = then;
            next = Next::Known(search.events.first());
        }
    }
    Verdict::Linear {
        order: search.order(),
    }
}

struct Search<'a, M: Model> {
    model: &'a M,
    /// By number; those with a completion come first.
    operations: Vec<&'a Operation<M::Action>>,
    /// Where each operation stands in the history.
    places: Vec<usize>,
    /// How many have a completion.
    known: usize,
    /// The others, those that are alike together, by when they began; and how many of each kind are placed.
    kinds: Vec<(Vec<usize>, usize)>,
    /// Of each of the others its kind.
    kind_of: Vec<usize>,
    /// Those with a completion that are not placed.
    events: Events,
    /// Which operations are placed: those with a completion, and the others.
    placed: [Bits; 2],
    /// In which order, and from which state.
    path: Vec<(usize, M::State)>,
    /// How many with a completion are not yet placed.
    unexplained: usize,
    tried: FxHashSet<([Key; 2], M::State)>,
}

impl<'a, M: Model> Search<'a, M> {
    fn of(model: &'a M, history: &'a [Operation<M::Action>], places: &[usize]) -> Self {
        let mut places = places.to_vec();
        places.sort_by_key(|place| (history[*place].to_us.is_none(), history[*place].from_us));
        let operations: Vec<&Operation<M::Action>> =
            places.iter().map(|place| &history[*place]).collect();
        let times = operations.iter();
        let times = times.map_while(|one| Some((one.from_us, one.to_us?)));
        let times: Vec<(u64, u64)> = times.collect();
        let known = times.len();
        let mut numbers = FxHashMap::default();
        let mut kinds: Vec<(Vec<usize>, usize)> = Vec::new();
        let mut kind_of = Vec::new();
        for (number, operation) in operations.iter().enumerate().skip(known) {
            let kind = *numbers.entry(&operation.action).or_insert(kinds.len());
            if kind == kinds.len() {
                kinds.push((Vec::new(), 0));
            }
            kinds[kind].0.push(number);
            kind_of.push(kind);
        }
        Self {
            model,
            placed: [Bits::below(known), Bits::below(operations.len() - known)],
            operations,
            places,
            known,
            kinds,
            kind_of,
            events: Events::of(&times),
            path: Vec::new(),
            unexplained: known,
            tried: FxHashSet::default(),
        }
    }

    /// The unknown operation of this kind that can be placed, if one began in time.
    fn unknown(&self, kind: usize) -> Option<usize> {
        let (numbers, placed) = &self.kinds[kind];
        let number = *numbers.get(*placed)?;
        let (ends_first, _) = self.events.first_return();
        let is_in_time = Some(self.operations[number].from_us) <= self.operations[ends_first].to_us;
        is_in_time.then_some(number)
    }

    /// Places an operation next, if it fits and that was not tried before; says what the state is then.
    fn place(&mut self, number: usize, state: &M::State) -> Option<M::State> {
        let is_known = number < self.known;
        let then = self.model.step(state, &self.operations[number].action)?;
        if !is_known && then == *state {
            return None;
        }
        self.mark(number, Bits::insert);
        let key = [self.placed[0].key(), self.placed[1].key()];
        if !self.tried.insert((key, then.clone())) {
            self.mark(number, Bits::remove);
            return None;
        }
        match is_known {
            true => {
                self.events.take(number);
                self.unexplained -= 1;
            }
            false => self.kinds[self.kind_of[number - self.known]].1 += 1,
        }
        self.path.push((number, state.clone()));
        Some(then)
    }

    /// Undoes the last placement: whose it was, and the state before.
    fn take_back(&mut self) -> Option<(usize, M::State)> {
        let (number, before) = self.path.pop()?;
        self.mark(number, Bits::remove);
        match number < self.known {
            true => {
                self.events.put_back(number);
                self.unexplained += 1;
            }
            false => self.kinds[self.kind_of[number - self.known]].1 -= 1,
        }
        Some((number, before))
    }

    /// What is tried after an operation that was taken back.
    fn after(&self, number: usize) -> Next {
        match number.checked_sub(self.known) {
            None => Next::Known(self.events.after(self.events.call(number))),
            Some(unknown) => Next::Unknown(self.kind_of[unknown] + 1),
        }
    }

    fn mark(&mut self, number: usize, how: impl Fn(&mut Bits, usize)) {
        match number.checked_sub(self.known) {
            None => how(&mut self.placed[0], number),
            Some(unknown) => how(&mut self.placed[1], unknown),
        }
    }

    fn order(&self) -> Vec<usize> {
        let path = self.path.iter();
        path.map(|(number, _)| self.places[*number]).collect()
    }
}
