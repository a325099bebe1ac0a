//! Randomness from the operating system, which a simulator may play.

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("getrandom(2) does not fail once the system has started");
}

/// A number below `bound`, which is not 0; the bias of the remainder is of no matter here.
pub(crate) fn below(bound: usize) -> usize {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    (u64::from_le_bytes(bytes) % bound as u64) as usize
}
