//! Retries within a back-off and a deadline.

use std::cell::Cell;
use std::time::Duration;

use squall_resilient::{Backoff, Deadline, Failed, Late, Random, retry};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// One second before each further try, exactly.
fn backoff(tries: u32) -> Backoff {
    Backoff {
        base: SECOND,
        cap: SECOND,
        jitter: 0.0,
        tries,
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_success_ends_it() {
    let (start, tries) = (Instant::now(), Cell::new(0));
    let (backoff, mut random) = (backoff(6), Random::from_seed(1));
    let done = retry(
        &backoff,
        Deadline::after(100 * SECOND),
        &mut random,
        |_| true,
        async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                Err("no")
            } else {
                Ok(tries.get())
            }
        },
    );
    assert_eq!(done.await, Ok(3));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_its_tries_or_before_the_deadline_or_at_a_final_error() {
    let cases = [
        // Tries, deadline in seconds, worth another: tries made, seconds spent.
        (6, 100, true, 6, 5),
        (0, 100, true, 1, 0),
        (6, 100, false, 1, 0),
        // The fourth would begin at 3 s, which is too late for a deadline of 3 s.
        (6, 3, true, 3, 2),
        (6, 0, true, 1, 0),
    ];
    for (tries, seconds, worth, made, spent) in cases {
        let start = Instant::now();
        let (backoff, mut random) = (backoff(tries), Random::from_seed(1));
        let given = retry(
            &backoff,
            Deadline::after(seconds * SECOND),
            &mut random,
            |_| worth,
            async || Err::<(), _>("no"),
        );
        let expected = Failed {
            tries: made,
            last: "no",
        };
        assert_eq!(given.await, Err(expected));
        assert_eq!(start.elapsed(), spent * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_after_the_future_is_dropped() {
    let (backoff, mut random) = (backoff(6), Random::from_seed(1));
    let tries = Cell::new(0);
    let work = retry(
        &backoff,
        Deadline::after(100 * SECOND),
        &mut random,
        |_| true,
        async || {
            tries.set(tries.get() + 1);
            Err::<(), _>("no")
        },
    );
    let bound = Deadline::after(SECOND + SECOND / 2).bound(work).await;
    assert_eq!(bound, Err(Late));
    sleep(100 * SECOND).await;
    assert_eq!(tries.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_one_instant_for_all_waits() {
    let deadline = Deadline::after(3 * SECOND);
    assert_eq!(deadline.bound(sleep(2 * SECOND)).await, Ok(()));
    assert_eq!(deadline.remaining(), SECOND);
    assert_eq!(deadline.at_most(2 * SECOND), deadline);
    assert!(deadline.at_most(SECOND / 2) < deadline);
    let start = Instant::now();
    assert_eq!(deadline.bound(sleep(2 * SECOND)).await, Err(Late));
    assert_eq!(start.elapsed(), SECOND);
    assert!(deadline.is_over());
    // Not even the largest time there is overflows.
    assert!(Deadline::after(Duration::MAX) > deadline);
}
