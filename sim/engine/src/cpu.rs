//! One host's processor: when a poll that begins now has had the time that it costs.
//!
//! A queue with as many servers as there are cores. What waits in it is the runtime's own queue of
//! tasks; only how many polls are under way is known here. Whoever else works on the host, and the
//! quota that all share, decide how long a poll takes.
//!
//! Deliberately absent: the kernel's own work (acknowledgements, handshakes), which costs nothing;
//! who is polled; Linux's hand-out of quota to cores in slices of 5 ms, and the head start of tasks
//! that have slept.

use squall_fault::cpu::{Cpu, Stressor};

use crate::time::{MS, ns};

/// `cpu.cfs_period_us`, as Docker and Kubernetes leave it.
const PERIOD_NS: u64 = 100 * MS;
/// The least that Linux takes for a quota (`min_cfs_quota_period`, kernel/sched/core.c).
const QUOTA_MIN_NS: f64 = MS as f64;

#[derive(Debug)]
pub(crate) struct Processor {
    cores: u32,
    poll_ns: u64,
    /// Polls under way.
    running: u32,
    /// How many busy loops work beside the process.
    stress: f64,
    quota: Option<Quota>,
}

/// CFS bandwidth control (Documentation/scheduler/sched-bwc.rst): so much time in each period, for
/// the process and for the stress together.
#[derive(Debug)]
struct Quota {
    full_ns: f64,
    left_ns: f64,
    /// When the period began, or, once its quota is used up, when the next one will.
    period_ns: u64,
    /// Up to when stress has been charged.
    charged_ns: u64,
}

impl Processor {
    /// `random` decides where the periods begin, as Linux draws it (`init_cfs_bandwidth`).
    pub(crate) fn new(cpu: Cpu, random: u64) -> Self {
        let quota = cpu.limit.map(|limit| {
            let full_ns = (limit * PERIOD_NS as f64).max(QUOTA_MIN_NS);
            Quota {
                full_ns,
                left_ns: full_ns,
                period_ns: random % PERIOD_NS,
                charged_ns: 0,
            }
        });
        Self {
            cores: cpu.cores.max(1),
            poll_ns: ns(cpu.poll),
            running: 0,
            stress: 0.0,
            quota,
        }
    }

    pub(crate) fn set_stress(&mut self, now_ns: u64, stressors: &[Stressor]) {
        self.charge_stress(now_ns);
        self.stress = stressors
            .iter()
            .map(|stressor| f64::from(stressor.workers) * stressor.load)
            .sum();
    }

    /// A core that could begin a poll.
    pub(crate) fn has_free_core(&self) -> bool {
        self.running < self.cores
    }

    /// Begins a poll, if a core is free and one of the `ready` tasks is not on a core yet: when it
    /// ends.
    pub(crate) fn begin(&mut self, now_ns: u64, ready: usize) -> Option<u64> {
        if !self.has_free_core() || self.running as usize >= ready {
            return None;
        }
        self.charge_stress(now_ns);
        self.running += 1;
        let share = self.share();
        let stress = self.stress * share;
        Some(match &mut self.quota {
            Some(quota) => quota.spend(now_ns, self.poll_ns as f64, share, stress),
            None => now_ns + (self.poll_ns as f64 / share).ceil() as u64,
        })
    }

    /// A poll has ended.
    pub(crate) fn finish(&mut self, now_ns: u64) {
        self.charge_stress(now_ns);
        self.running -= 1;
    }

    /// The process is gone, and its polls with it.
    pub(crate) fn abandon(&mut self, now_ns: u64) {
        self.charge_stress(now_ns);
        self.running = 0;
    }

    /// The part of a core that each busy thread gets: a fair share, and never more than a core.
    fn share(&self) -> f64 {
        let cores = f64::from(self.cores);
        cores / (f64::from(self.running) + self.stress).max(cores)
    }

    fn charge_stress(&mut self, now_ns: u64) {
        let rate = self.stress * self.share();
        if let Some(quota) = &mut self.quota {
            quota.pass(now_ns, rate);
        }
    }
}

impl Quota {
    /// Time has passed while others took `rate` cores' worth.
    fn pass(&mut self, now_ns: u64, rate: f64) {
        if now_ns < self.period_ns {
            return; // throttled until then
        }
        let periods = (now_ns - self.period_ns) / PERIOD_NS;
        if periods > 0 {
            self.refill(self.period_ns + periods * PERIOD_NS);
        }
        let passed_ns = now_ns.saturating_sub(self.charged_ns.max(self.period_ns));
        self.left_ns = (self.left_ns - passed_ns as f64 * rate).max(0.0);
        self.charged_ns = now_ns;
    }

    fn refill(&mut self, period_ns: u64) {
        self.period_ns = period_ns;
        self.left_ns = self.full_ns;
    }

    /// When `work_ns` of work are done that get `share` of a core while others take `rate` cores'
    /// worth. All of a poll is taken from the quota when it begins, and what is short of it waits for
    /// the next period; then so does whoever begins after it. Exact to a poll on each core in a period.
    fn spend(&mut self, now_ns: u64, mut work_ns: f64, share: f64, rate: f64) -> u64 {
        let mut at_ns = now_ns.max(self.period_ns);
        loop {
            let needed_ns = work_ns / share;
            let lasts_ns = self.left_ns / (share + rate);
            if needed_ns <= lasts_ns {
                self.left_ns -= work_ns;
                return at_ns + needed_ns.ceil() as u64;
            }
            work_ns -= lasts_ns * share;
            self.refill(self.period_ns + PERIOD_NS);
            at_ns = (at_ns + lasts_ns as u64).max(self.period_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const S: u64 = crate::time::S;

    fn processor(cores: u32, limit: Option<f64>, poll_us: u64, random: u64) -> Processor {
        let poll = Duration::from_micros(poll_us);
        Processor::new(Cpu { cores, limit, poll }, random)
    }

    /// Polls that end within three seconds of a process that always has work.
    fn polls_of_a_busy_process(cpu: &mut Processor) -> u64 {
        let mut ends = std::collections::BinaryHeap::new();
        let (mut now_ns, mut polls) = (S, 0);
        while now_ns <= 4 * S {
            while let Some(end_ns) = cpu.begin(now_ns, usize::MAX) {
                assert!(
                    end_ns >= now_ns + cpu.poll_ns,
                    "no poll takes less than it costs"
                );
                ends.push(std::cmp::Reverse(end_ns));
            }
            now_ns = ends.pop().unwrap().0;
            cpu.finish(now_ns);
            polls += 1;
        }
        polls - 1
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_busy_process_gets_its_share_of_the_cores_and_of_the_quota(
            cores in 1_u32..5,
            limit in prop::option::of(0.02_f64..3.0),
            poll_us in 20_u64..200,
            stress in prop_oneof![Just(0.0), 0.1_f64..6.0],
            random: u64,
        ) {
            let mut cpu = processor(cores, limit, poll_us, random);
            cpu.set_stress(0, &[Stressor { workers: 1, load: stress }]);
            let polls = polls_of_a_busy_process(&mut cpu);
            let (cores, all) = (f64::from(cores), f64::from(cores) + stress);
            // All threads together get the cores, or the limit if that is less.
            let together = all.min(cores).min(limit.unwrap_or(f64::INFINITY));
            let expected = together * cores / all * 3.0;
            let got = polls as f64 * poll_us as f64 / 1e6;
            // A period's quota more or less, and in each of 30 periods a poll on each core.
            let slack = 0.1 * together + 30.0 * cores * poll_us as f64 / 1e6;
            prop_assert!((got - expected).abs() <= slack, "{} s of CPU, not {}", got, expected);
        }
    }

    #[test]
    fn what_the_quota_is_short_of_waits_for_the_next_period() {
        // 10 ms in each 100 ms; periods begin at 0, 100, 200 ms.
        let mut cpu = processor(1, Some(0.1), 4_000, 0);
        let mut now_ns = 0;
        let ends_ms: Vec<u64> = (0..6)
            .map(|_| {
                now_ns = cpu.begin(now_ns, 1).unwrap();
                cpu.finish(now_ns);
                now_ns / MS
            })
            .collect();
        assert_eq!(ends_ms, [4, 8, 102, 106, 110, 204]);
    }

    #[test]
    fn stress_alone_uses_the_quota_up() {
        // 50 ms in each 100 ms, which one busy loop takes in the first half.
        let mut cpu = processor(2, Some(0.5), 1_000, 0);
        cpu.set_stress(
            0,
            &[Stressor {
                workers: 1,
                load: 1.0,
            }],
        );
        assert_eq!(
            cpu.begin(20 * MS, 1),
            Some(21 * MS),
            "two cores, two threads"
        );
        cpu.finish(21 * MS);
        assert_eq!(cpu.begin(70 * MS, 1), Some(101 * MS));
    }

    #[test]
    fn no_more_polls_than_cores_and_than_tasks() {
        let mut cpu = processor(2, None, 1_000, 0);
        assert_eq!(cpu.begin(0, 1), Some(MS));
        assert_eq!(cpu.begin(0, 1), None, "the one task is on a core");
        assert_eq!(cpu.begin(0, 3), Some(MS));
        assert_eq!(cpu.begin(0, 3), None, "both cores are taken");
    }
}
