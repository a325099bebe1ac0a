//! What one host's clocks show, and when its timers fire, beside true time.

use squall_fault::clock::Skew;

/// How far the rate of an oscillator can be from true; beyond, it is held to this.
const DRIFT_PPM_MAX: f64 = 500_000.0;

/// A host's oscillator and what was made of it. Nothing is wrong with the default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// When it was set, in true time.
    set_ns: u64,
    /// How far each clock was ahead of true time then.
    wall_ahead_ns: i64,
    monotonic_ahead_ns: i64,
    /// What they gain in each nanosecond since.
    drift: f64,
}

impl Clock {
    pub(crate) const TRUE: Self = Self {
        set_ns: 0,
        wall_ahead_ns: 0,
        monotonic_ahead_ns: 0,
        drift: 0.0,
    };

    /// The wall clock jumps; the monotonic clock goes on from where it is, at another rate.
    pub(crate) fn set(&mut self, now_ns: u64, skew: Skew) {
        *self = Self {
            set_ns: now_ns,
            wall_ahead_ns: skew.offset_ns,
            monotonic_ahead_ns: self.monotonic_ahead_ns + self.gained_ns(now_ns),
            drift: skew.drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX) / 1e6,
        };
    }

    /// What CLOCK_REALTIME shows; never a time before 1970.
    pub(crate) fn wall_ns(&self, now_ns: u64) -> u64 {
        let ahead_ns = self.wall_ahead_ns.saturating_add(self.gained_ns(now_ns));
        now_ns.saturating_add_signed(ahead_ns)
    }

    /// What CLOCK_MONOTONIC shows.
    pub(crate) fn monotonic_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add_signed(self.monotonic_ahead_ns + self.gained_ns(now_ns))
    }

    /// The true time at which the monotonic clock has gone on by `wait_ns`.
    pub(crate) fn after(&self, now_ns: u64, wait_ns: u64) -> u64 {
        if self.drift == 0.0 {
            return now_ns + wait_ns;
        }
        let target_ns = self.monotonic_ns(now_ns) + wait_ns;
        let mut at_ns = now_ns + (wait_ns as f64 / (1.0 + self.drift)) as u64;
        while self.monotonic_ns(at_ns) < target_ns {
            at_ns += 1; // rounding, a few nanoseconds
        }
        at_ns
    }

    fn gained_ns(&self, now_ns: u64) -> i64 {
        match self.drift == 0.0 {
            true => 0,
            false => ((now_ns - self.set_ns) as f64 * self.drift).floor() as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn monotonic_time_never_goes_back_and_timers_are_never_early(
            skews in prop::collection::vec((any::<i32>(), -600_000.0..600_000.0), 1..5),
            steps in prop::collection::vec(0_u64..100_000_000_000, 1..20),
            wait_ns in 0_u64..100_000_000_000,
        ) {
            let mut clock = Clock::TRUE;
            let mut now_ns = 1_735_689_600_000_000_000;
            let mut last_ns = clock.monotonic_ns(now_ns);
            for (index, step_ns) in steps.into_iter().enumerate() {
                now_ns += step_ns % 5; // neighbouring nanoseconds, where rounding shows
                prop_assert!(clock.monotonic_ns(now_ns) >= last_ns);
                now_ns += step_ns;
                last_ns = clock.monotonic_ns(now_ns);
                let (offset, drift_ppm) = skews[index % skews.len()];
                clock.set(now_ns, Skew { offset_ns: i64::from(offset), drift_ppm });
                prop_assert_eq!(clock.monotonic_ns(now_ns), last_ns, "setting it moves nothing");
                prop_assert_eq!(clock.wall_ns(now_ns), now_ns.saturating_add_signed(offset.into()));
                let fires_ns = clock.after(now_ns, wait_ns);
                let late_ns = clock.monotonic_ns(fires_ns).wrapping_sub(last_ns + wait_ns);
                prop_assert!(late_ns <= 3, "{}", late_ns);
            }
        }
    }
}
