//! A small generator for the draws of the engine and of those who play in its world, one stream for
//! each purpose.

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and a finaliser; never cryptography.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each `purpose` of one seed.
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64_with_seed(
            purpose.as_bytes(),
            seed,
        ))
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)] // it never ends
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to just below 1, evenly.
    pub(crate) fn unit(&mut self) -> f64 {
        const UNIT: f64 = (1_u64 << 53) as f64;
        (self.next() >> 11) as f64 / UNIT
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
