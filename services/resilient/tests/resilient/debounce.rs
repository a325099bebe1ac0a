//! Debounce, the first wins.

use std::cell::Cell;
use std::time::Duration;

use squall_resilient::{Deadline, Debounce, Late};
use tokio::time::{advance, sleep};

const QUIET: Duration = Duration::from_millis(200);

/// Counts the calls that are made, each of which takes so long.
struct Counted {
    debounce: Debounce<u32>,
    made: Cell<u32>,
    takes: Duration,
}

impl Counted {
    fn new(takes: Duration) -> Self {
        Self {
            debounce: Debounce::new(QUIET),
            made: Cell::new(0),
            takes,
        }
    }

    async fn call(&self) -> u32 {
        let work = async || {
            self.made.set(self.made.get() + 1);
            sleep(self.takes).await;
            self.made.get()
        };
        self.debounce.call(work).await
    }
}

/// The lab's own test: three quick calls, a pause, and one more are two.
#[tokio::test(start_paused = true)]
async fn a_burst_is_one_call() {
    let counted = Counted::new(Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(counted.call().await, 1);
    }
    advance(QUIET).await;
    assert_eq!(counted.call().await, 2);
}

#[tokio::test(start_paused = true)]
async fn every_call_begins_the_quiet_time_anew() {
    let counted = Counted::new(Duration::ZERO);
    for _ in 0..10 {
        assert_eq!(counted.call().await, 1);
        advance(QUIET - Duration::from_millis(1)).await;
    }
    advance(Duration::from_millis(1)).await;
    assert_eq!(counted.call().await, 2);
}

#[tokio::test(start_paused = true)]
async fn calls_beside_the_first_get_its_result() {
    let counted = Counted::new(10 * QUIET);
    let all = tokio::join!(counted.call(), counted.call(), counted.call());
    assert_eq!(all, (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_first_that_is_dropped_leaves_the_call_to_the_next() {
    let counted = Counted::new(10 * QUIET);
    let dropped = Deadline::after(QUIET).bound(counted.call());
    let (dropped, next) = tokio::join!(dropped, counted.call());
    assert_eq!((dropped, next), (Err(Late), 2));
}
