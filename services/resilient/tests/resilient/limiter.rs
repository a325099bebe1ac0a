//! The rate limiter.

use std::time::Duration;

use proptest::prelude::*;
use squall_resilient::{Limited, Limiter, Rate};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

fn rate(capacity: u32, fill: u32, period: Duration) -> Rate {
    Rate {
        capacity,
        fill,
        period,
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_then_the_rate() {
    let limiter = Limiter::new(rate(3, 2, SECOND));
    for _ in 0..3 {
        assert_eq!(limiter.take(), Ok(()));
    }
    let half = Err(Limited { wait: SECOND / 2 });
    assert_eq!(limiter.take(), half);
    advance(SECOND / 2).await;
    assert_eq!(limiter.take(), Ok(()));
    assert_eq!(limiter.take(), half);
    // It never holds more than its capacity.
    advance(100 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(limiter.take(), Ok(()));
    }
    assert_eq!(limiter.take(), half);
}

#[tokio::test(start_paused = true)]
async fn the_edges_limit_everything_or_nothing() {
    let never = Err(Limited {
        wait: Duration::MAX,
    });
    assert_eq!(Limiter::new(rate(0, 5, SECOND)).take(), never);
    let once = Limiter::new(rate(1, 0, SECOND));
    assert_eq!(once.take(), Ok(()));
    advance(1_000 * SECOND).await;
    assert_eq!(once.take(), never);
    let unlimited = Limiter::new(rate(1, 1, Duration::ZERO));
    for _ in 0..1_000 {
        assert_eq!(unlimited.take(), Ok(()));
    }
    let huge = Limiter::new(rate(u32::MAX, u32::MAX, Duration::MAX));
    advance(SECOND).await;
    assert_eq!(huge.take(), Ok(()));
}

proptest! {
    /// Over every stretch of time: at most capacity + rate × time. And as many as that: what it refuses, it admits
    /// after the wait that it named, and not a nanosecond before.
    #[test]
    fn no_stretch_of_time_sees_more_than_capacity_and_rate(
        capacity in 1..20_u32,
        fill in 1..50_u32,
        period_ns in 1..2_000_000_000_u64,
        waits in prop::collection::vec(prop_oneof![3 => Just(0), 1 => 0..500_000_000_u64], 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let limiter = Limiter::new(rate(capacity, fill, Duration::from_nanos(period_ns)));
            let (start, mut taken) = (Instant::now(), Vec::new());
            for wait in waits {
                advance(Duration::from_nanos(wait)).await;
                if let Err(Limited { wait }) = limiter.take() {
                    let nanosecond = Duration::from_nanos(1);
                    advance(wait - nanosecond).await;
                    assert!(limiter.take().is_err());
                    advance(nanosecond).await;
                    assert_eq!(limiter.take(), Ok(()));
                }
                taken.push(start.elapsed().as_nanos());
            }
            for (i, from) in taken.iter().enumerate() {
                for (count, to) in (1..).zip(&taken[i..]) {
                    let most = u128::from(capacity) * u128::from(period_ns) + u128::from(fill) * (to - from);
                    assert!(count * u128::from(period_ns) <= most, "{count} from {from} to {to} ns");
                }
            }
        });
    }
}
