//! Load shedding.

use std::sync::atomic::{AtomicUsize, Ordering};

use squall_resilient::{Full, Shed};
use tokio::task::yield_now;

#[test]
fn the_place_after_the_last_is_refused_until_one_is_given_back() {
    let shed = Shed::new(2);
    let (one, _two) = (shed.try_enter().unwrap(), shed.try_enter().unwrap());
    assert_eq!(shed.try_enter().unwrap_err(), Full { limit: 2 });
    assert_eq!(shed.inside(), 2);
    drop(one);
    assert_eq!(shed.inside(), 1);
    assert!(shed.clone().try_enter().is_ok());
    assert_eq!(Shed::new(0).try_enter().unwrap_err(), Full { limit: 0 });
    assert!(Shed::new(usize::MAX).try_enter().is_ok());
}

#[tokio::test]
async fn a_future_that_is_dropped_gives_its_place_back() {
    let shed = Shed::new(1);
    let work = async {
        let _permit = shed.try_enter().unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = work => {}
        () = async { assert_eq!(shed.inside(), 1) } => {}
    }
    assert_eq!(shed.inside(), 0);
}

#[tokio::test]
async fn it_is_empty_when_the_last_one_has_left_and_nobody_gets_in_before() {
    let shed = Shed::new(3);
    let (one, two) = (shed.try_enter().unwrap(), shed.try_enter().unwrap());
    let waiting = tokio::spawn({
        let shed = shed.clone();
        async move { shed.emptied().await }
    });
    yield_now().await;
    assert!(shed.try_enter().is_err());
    drop(one);
    yield_now().await;
    assert!(!waiting.is_finished() && shed.try_enter().is_err());
    drop(two);
    waiting.await.unwrap();
    assert_eq!(shed.inside(), 0);
    assert!(shed.try_enter().is_ok());
    for nobody_inside in [0, 1, usize::MAX] {
        Shed::new(nobody_inside).emptied().await;
    }
}

#[tokio::test]
async fn who_stops_waiting_for_it_to_be_empty_lets_others_in_again() {
    let shed = Shed::new(2);
    let _one = shed.try_enter().unwrap();
    tokio::select! {
        biased;
        () = shed.emptied() => panic!("one is inside"),
        () = yield_now() => {}
    }
    assert_eq!(shed.inside(), 1);
    assert!(shed.try_enter().is_ok());
}

/// Real threads: there are never more inside than places, and some are refused.
#[test]
fn threads_never_squeeze_in() {
    let (shed, inside) = (Shed::new(2), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if let Ok(_permit) = shed.try_enter() {
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(shed.inside(), 0);
}
