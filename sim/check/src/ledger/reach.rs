//! What some variables of one account can add up to: bounds, and the very set where it is small enough.

/// The widest set that is kept as bits.
const WIDTH_MAX: i128 = 1 << 16;
/// The most words of 64 bits for the sets of one account.
const WORDS_MAX: usize = 1 << 18;

/// A set of sums, or one that contains it.
pub(crate) struct Reach {
    least: i128,
    most: i128,
    /// Bit `i` is `least + i`; empty: all within the bounds.
    bits: Vec<u64>,
}

impl Reach {
    /// For variables `(adds, most)` in order: what all, all but the first, … none of them can come to.
    pub(crate) fn of_rests(variables: &[(i64, u32)]) -> Vec<Self> {
        let mut rests = vec![Self {
            least: 0,
            most: 0,
            bits: vec![1],
        }];
        let mut words = 1;
        for &(adds, most) in variables.iter().rev() {
            let rest = &rests[rests.len() - 1];
            let next = rest.with(i128::from(adds), i128::from(most), WORDS_MAX - words);
            words += next.bits.len();
            rests.push(next);
        }
        rests.reverse();
        rests
    }

    /// What it can come to with one more variable.
    fn with(&self, adds: i128, most: i128, words_left: usize) -> Self {
        let whole = adds * most;
        let (low, high) = (whole.min(0), whole.max(0));
        let mut next = Self {
            least: self.least + low,
            most: self.most + high,
            bits: Vec::new(),
        };
        let width = next.most - next.least + 1;
        let words = usize::try_from(width / 64 + 1).unwrap_or(usize::MAX);
        if self.bits.is_empty() || width > WIDTH_MAX || words > words_left {
            return next;
        }
        next.bits = vec![0; words];
        for times in 0..=most {
            let shift = self.least + adds * times - next.least;
            // Within the width, which is small.
            shift_into(&mut next.bits, &self.bits, shift as usize);
        }
        next
    }

    pub(crate) fn contains(&self, sum: i128) -> bool {
        if sum < self.least || sum > self.most {
            return false;
        }
        if self.bits.is_empty() {
            return true;
        }
        let bit = (sum - self.least) as usize;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    pub(crate) fn bounds(&self) -> (i128, i128) {
        (self.least, self.most)
    }
}

/// Sets in `to` the bits of `from`, so many places further up.
fn shift_into(to: &mut [u64], from: &[u64], shift: usize) {
    let (words, bits) = (shift / 64, shift % 64);
    for (index, word) in from.iter().enumerate().filter(|(_, word)| **word != 0) {
        to[index + words] |= word << bits;
        let carried = if bits == 0 { 0 } else { word >> (64 - bits) };
        if carried != 0 {
            to[index + words + 1] |= carried;
        }
    }
}
