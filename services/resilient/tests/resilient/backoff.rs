//! The formula of the lab, and its edges.

use std::time::Duration;

use proptest::prelude::*;
use squall_resilient::{Backoff, Random};

const LAB: Backoff = Backoff {
    base: Duration::from_millis(150),
    cap: Duration::from_secs(2),
    jitter: 3.0,
    tries: 6,
};

fn delays(backoff: &Backoff, seed: u64) -> Vec<Duration> {
    let mut random = Random::from_seed(seed);
    (1..)
        .map_while(|tried| backoff.delay(tried, &mut random))
        .collect()
}

#[test]
fn the_labs_delays_add_up_to_what_was_measured() {
    let runs = 20_000;
    let totals: Vec<_> = (0..runs)
        .map(|seed| delays(&LAB, seed))
        .inspect(|delays| assert_eq!(delays.len(), 5))
        .map(|delays| delays.iter().sum::<Duration>().as_secs_f64())
        .collect();
    let least = totals.iter().copied().fold(f64::MAX, f64::min);
    let most = totals.iter().copied().fold(0.0, f64::max);
    let mean = totals.iter().sum::<f64>() / f64::from(u32::try_from(runs).unwrap());
    assert!((0.75..1.8).contains(&least), "{least}");
    assert!((12.5..13.5).contains(&most), "{most}");
    assert!((7.05..7.20).contains(&mean), "{mean}");
}

#[test]
fn each_delay_keeps_to_its_own_bounds() {
    // Base, and three times 150, 300, 600, 1200 and 2000 ms, of which some is drawn.
    for seed in 0..2_000 {
        for (delay, spread_ms) in delays(&LAB, seed).iter().zip([450, 900, 1800, 3600, 6000]) {
            assert!(*delay >= LAB.base);
            assert!(*delay < LAB.base + Duration::from_millis(spread_ms));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_delays() {
    assert_eq!(delays(&LAB, 7), delays(&LAB, 7));
    assert_ne!(delays(&LAB, 7), delays(&LAB, 8));
}

proptest! {
    #[test]
    fn never_overflows_and_never_undercuts_its_base(
        base in any::<Duration>(),
        cap in any::<Duration>(),
        jitter in any::<f64>(),
        tried in 0..u32::MAX,
        seed: u64,
    ) {
        let backoff = Backoff { base, cap, jitter, tries: u32::MAX };
        let delay = backoff.delay(tried, &mut Random::from_seed(seed)).unwrap();
        prop_assert!(delay >= base);
        if jitter <= 0.0 || jitter.is_nan() {
            prop_assert_eq!(delay, base);
        }
        if (0.0..=1.0).contains(&jitter) {
            // A float has fewer digits than a duration: allow its rounding, one part in 10¹⁵.
            prop_assert!(delay <= base.saturating_add(cap).saturating_add(cap / 1_000_000_000));
        }
        prop_assert_eq!(backoff.delay(u32::MAX, &mut Random::from_seed(seed)), None);
    }
}
