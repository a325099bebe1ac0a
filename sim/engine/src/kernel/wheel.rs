//! When a kernel timer fires: never early, and later by up to an eighth of what was asked.
//!
//! Linux counts time in jiffies and keeps its timers in a wheel whose rings grow coarser with
//! distance (kernel/time/timer.c). So a second becomes anything from 1.000 to 1.032 s, and timers
//! that follow one another fall into step: the next second is 1.024 s. This is what a lost SYN and
//! a lost segment cost, measured; see docs, "The network model".

use crate::time::MS;

/// `CONFIG_HZ=250`, as Debian and most cloud kernels have it.
pub(super) const JIFFY_NS: u64 = 4 * MS;
/// log2 of the timers in one ring, and of how much coarser the next ring is.
const RING_BITS: u32 = 6;
const RING_SHIFT: u32 = 3;

/// When a timer fires that is set at `now_ns` for `delay_ns` later.
pub(super) fn expiry_ns(now_ns: u64, delay_ns: u64) -> u64 {
    let delay = delay_ns.div_ceil(JIFFY_NS);
    let expires = (now_ns / JIFFY_NS).saturating_add(delay);
    let mut shift = 0;
    // `LVL_START`: a ring begins where the one before it ends, less one timer.
    while delay >> shift >= (1 << RING_BITS) - 1 {
        shift += RING_SHIFT;
    }
    ((expires >> shift) + 1).saturating_mul(JIFFY_NS << shift)
}

#[cfg(test)]
mod tests {
    use super::{JIFFY_NS, expiry_ns};
    use crate::time::{MS, S};

    #[test]
    fn a_second_is_a_little_more_and_seconds_in_a_row_are_1024_ms() {
        for phase_ns in (0..32 * MS).step_by(777_777) {
            let first_ns = expiry_ns(phase_ns, S);
            assert!((S..=S + 32 * MS).contains(&(first_ns - phase_ns)));
            assert_eq!(expiry_ns(first_ns, S) - first_ns, 1_024 * MS);
        }
    }

    #[test]
    fn short_timers_are_late_by_a_jiffy_at_most() {
        for phase_ns in 0..2 * JIFFY_NS {
            let late_ns = expiry_ns(phase_ns * 31, 201 * MS) - phase_ns * 31 - 201 * MS;
            assert!(late_ns <= 2 * JIFFY_NS, "{late_ns}");
            if phase_ns > 1_000 {
                break;
            }
        }
        assert_eq!(expiry_ns(0, 201 * MS), 208 * MS);
    }
}
