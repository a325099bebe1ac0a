//! The generator of jitter: one for each process, seeded by the operating system.

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng};

/// A generator; never cryptography.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// Seeded by the operating system, which the simulator plays.
    ///
    /// # Panics
    ///
    /// When the operating system has no entropy to give, which ends a process anyway.
    pub fn from_os() -> Self {
        // An error here is a kernel without getrandom(2): nothing else would run either.
        let seed = StdRng::try_from_rng(&mut SysRng);
        Self(seed.unwrap_or_else(|error| panic!("no entropy: {error}")))
    }

    /// The same numbers for the same seed; for tests.
    pub fn from_seed(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }
}
