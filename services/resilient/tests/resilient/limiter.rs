//! The rate limiter.

use std::time::Duration;

use proptest::prelude::*;
use squall_resilient::{Limited, Limiter, Rate};
use tokio::time::advance;

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
    /// after the wait that it named, and not a millisecond before.
    #[test]
    fn no_stretch_of_time_sees_more_than_capacity_and_rate(
        capacity in 1..20_u32,
        fill in 1..50_u32,
        period_ms in 1..2_000_u64,
        waits in prop::collection::vec(prop_oneof![3 => Just(0), 1 => 0..500_u64], 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let limiter = Limiter::new(rate(capacity, fill, Duration::from_millis(period_ms)));
            let (mut now_ms, mut taken) = (0, Vec::new());
            for wait in waits {
                advance(Duration::from_millis(wait)).await;
                now_ms += wait;
                match limiter.take() {
                    Ok(()) => taken.push(now_ms),
                    Err(Limited { wait }) => {
                        let whole_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap();
                        assert!(whole_ms > 0);
                        advance(Duration::from_millis(whole_ms - 1)).await;
                        assert!(limiter.take().is_err());
                        advance(Duration::from_millis(1)).await;
                        now_ms += whole_ms;
                        assert!(limiter.take().is_ok());
                        taken.push(now_ms);
                    }
                }
            }
            for (i, from) in taken.iter().enumerate() {
                for (j, to) in taken.iter().enumerate().skip(i) {
                    let count = u64::try_from(j - i + 1).unwrap();
                    let most = u64::from(capacity) * period_ms + u64::from(fill) * (to - from);
                    assert!(count * period_ms <= most, "{count} from {from} to {to} ms");
                }
            }
        });
    }
}
