//! The circuit breaker, case by case.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use squall_resilient::{Breaker, Deadline, Guarded, Late, Open};
use tokio::time::{advance, sleep};

const REST: Duration = Duration::from_secs(1);

async fn fail(breaker: &Breaker) -> Result<(), Guarded<&'static str>> {
    breaker.guard(|_| true, async { Err("no") }).await
}

async fn succeed(breaker: &Breaker) -> Result<(), Guarded<&'static str>> {
    breaker.guard(|_| true, async { Ok(()) }).await
}

async fn opened() -> Breaker {
    let breaker = Breaker::new(3, REST);
    for _ in 0..3 {
        assert_eq!(fail(&breaker).await, Err(Guarded::Failed("no")));
    }
    breaker
}

fn refusal(wait: Duration) -> Result<(), Guarded<&'static str>> {
    Err(Guarded::Open(Open { wait }))
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_open_it_and_a_probe_closes_it() {
    let breaker = Breaker::new(3, REST);
    for _ in 0..4 {
        let _ = fail(&breaker).await;
        let _ = fail(&breaker).await;
        assert_eq!(succeed(&breaker).await, Ok(()));
    }
    let breaker = opened().await;
    assert_eq!(succeed(&breaker).await, refusal(REST));
    advance(REST - Duration::from_millis(1)).await;
    assert_eq!(succeed(&breaker).await, refusal(Duration::from_millis(1)));
    advance(Duration::from_millis(1)).await;
    assert_eq!(succeed(&breaker).await, Ok(()));
    // Closed, and the old failures are forgotten.
    let _ = fail(&breaker).await;
    let _ = fail(&breaker).await;
    assert_eq!(succeed(&breaker).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again_at_once() {
    let breaker = opened().await;
    advance(REST).await;
    assert_eq!(fail(&breaker).await, Err(Guarded::Failed("no")));
    assert_eq!(succeed(&breaker).await, refusal(REST));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_does_not_leave_it_half_open() {
    let breaker = opened().await;
    advance(REST).await;
    let stuck = breaker.guard(|_: &()| true, async {
        sleep(Duration::from_secs(3600)).await;
        Ok(())
    });
    let given_up = Deadline::after(REST).bound(async {
        tokio::join!(stuck, async {
            assert_eq!(succeed(&breaker).await, refusal(Duration::ZERO));
        })
    });
    assert_eq!(given_up.await, Err(Late));
    assert_eq!(succeed(&breaker).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_changes_nothing_after() {
    let breaker = Breaker::new(3, REST);
    let (good, bad) = (breaker.enter().unwrap(), breaker.enter().unwrap());
    for _ in 0..3 {
        let _ = fail(&breaker).await;
    }
    good.succeeded();
    assert_eq!(succeed(&breaker).await, refusal(REST));
    advance(REST).await;
    let probe = breaker.enter().unwrap();
    bad.failed();
    assert_eq!(succeed(&breaker).await, refusal(Duration::ZERO));
    probe.succeeded();
    assert_eq!(succeed(&breaker).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_an_answer_shows_a_service_that_works() {
    let breaker = Breaker::new(1, REST);
    let refused = breaker.guard(|error| *error != 400, async { Err::<(), _>(400) });
    assert_eq!(refused.await, Err(Guarded::Failed(400)));
    assert_eq!(succeed(&breaker).await, Ok(()));
}

/// Real threads: check and change are one step.
#[test]
fn of_all_threads_one_probes() {
    for _ in 0..200 {
        let breaker = Breaker::new(1, Duration::ZERO);
        breaker.enter().unwrap().failed();
        let probes = AtomicU32::new(0);
        let all_tried = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    all_tried.wait();
                    let call = breaker.enter();
                    probes.fetch_add(call.is_ok().into(), Ordering::SeqCst);
                    all_tried.wait();
                });
            }
        });
        assert_eq!(probes.into_inner(), 1);
    }
}
