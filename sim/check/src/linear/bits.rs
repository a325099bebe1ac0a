//! A set of small numbers, and a key of it that is short where nearly all of the numbers below some bound are in it
//! and none above: so the operations are that a search has placed. Deliberately not a general set.

/// How many numbers a word holds.
const WORD: usize = 64;

/// Which numbers are in the set.
pub(super) struct Bits {
    words: Vec<u64>,
}

/// The same as a value to compare: how many full words there are in front, and the others up to the last that is
/// not empty.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    full: usize,
    rest: Box<[u64]>,
}

impl Bits {
    /// The empty set of numbers below a bound.
    pub(super) fn below(bound: usize) -> Self {
        Self {
            words: vec![0; bound.div_ceil(WORD)],
        }
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.words[number / WORD] |= 1 << (number % WORD);
    }

    pub(super) fn remove(&mut self, number: usize) {
        self.words[number / WORD] &= !(1 << (number % WORD));
    }

    pub(super) fn key(&self) -> Key {
        let is_full = |word: &u64| *word == u64::MAX;
        let full = self.words.iter().take_while(|word| is_full(word)).count();
        let last = self.words.iter().rposition(|word| *word != 0);
        let end = last.map_or(full, |last| full.max(last + 1));
        Key {
            full,
            rest: self.words[full..end].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_set_and_short() {
        let mut bits = Bits::below(1000);
        for number in 0..300 {
            bits.insert(number);
        }
        let before = bits.key();
        assert_eq!((before.full, before.rest.len()), (4, 1));
        bits.insert(999);
        assert!(bits.key() != before);
        bits.remove(999);
        assert!(bits.key() == before);
        bits.remove(5);
        assert!(bits.key() != before);
    }
}
