//! The generator that schedules are drawn with: the same seed gives the same schedule, on every
//! machine and in every version of every library.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and a finaliser; never cryptography.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream of its own for each `purpose` of one seed.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64_with_seed(
            purpose.as_bytes(),
            seed,
        ))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        const UNIT: f64 = (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 / UNIT
    }

    /// Heads or tails.
    pub(crate) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    /// Evenly from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        low + ((u128::from(self.next()) * span) >> 64) as u64
    }

    /// One of several; there is at least one.
    pub(crate) fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() as u64 - 1) as usize]
    }

    /// A random subset: each with probability 1/2, and at least one of them.
    pub(crate) fn swarm<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let some: Vec<T> = all.iter().copied().filter(|_| self.coin()).collect();
        match some.is_empty() && !all.is_empty() {
            true => vec![self.choose(all)],
            false => some,
        }
    }
}
