//! How a machine's clock is wrong.

/// A clock beside the true one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Skew {
    /// The wall clock shows this much more (or, below zero, less) than it should, in nanoseconds.
    /// The monotonic clock does not jump.
    pub offset_ns: i64,
    /// The oscillator is this many millionths too fast: wall clock, monotonic clock and timers all
    /// drift with it.
    pub drift_ppm: f64,
}
