//! Cuts that are not symmetrical: one way, and between some of many.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use squall_engine::Link;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use common::{CLIENT, SERVER, ask, connect, cut, echo, host, story};

#[test]
fn a_syn_passes_and_its_answer_does_not() {
    let (error, accepted) = story(1, async |host, control| {
        control.set_link(SERVER, CLIENT, cut());
        let healer = control.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(2_500)).await;
            healer.set_link(SERVER, CLIENT, Link::default());
        });
        let early = timeout(Duration::from_secs(2), connect(&host))
            .await
            .is_err();
        let start = Instant::now();
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        (early, start.elapsed())
    });
    assert!(error, "a half-open connection is none");
    // The second connect began at 2 s; its SYN at 2 is answered in vain, the one at 3 is not.
    assert!(
        (1_000..1_100).contains(&accepted.as_millis()),
        "{accepted:?}"
    );
}

#[test]
fn an_open_connection_whose_answers_are_cut_delivers_and_never_hears() {
    let (delivered, healed) = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        control.set_link(SERVER, CLIENT, cut());
        sleep(Duration::from_millis(1)).await;
        let start = Instant::now();
        stream.write_all(b"y").await.unwrap();
        let silent = timeout(Duration::from_secs(1), stream.read_u8())
            .await
            .is_err();
        control.set_link(SERVER, CLIENT, Link::default());
        let answer = stream.read_u8().await.unwrap();
        (silent && answer == b'y', start.elapsed())
    });
    assert!(delivered);
    // The server has the byte and retries its answer: 0.2, 0.4, 0.8, 1.7 s.
    assert!((1_600..1_800).contains(&healed.as_millis()), "{healed:?}");
}

#[test]
fn three_sides_and_a_bridge_between_them() {
    // One and three reach two, and not each other.
    let (to_middle, to_each_other) = story(1, async |here, control| {
        let third = host(&control, "third", 4);
        control.start(third, |host, shutdown| Box::pin(echo(host, shutdown)));
        for (from, to) in [(CLIENT, third), (third, CLIENT)] {
            control.set_link(from, to, cut());
        }
        let bridge = control.run_beside(third, |host| {
            Box::pin(async move { connect(&host).await.is_ok() })
        });
        let across = here.net.connect("10.0.0.4:80".parse().unwrap());
        let across = timeout(Duration::from_secs(30), across).await.is_ok();
        (
            connect(&here).await.is_ok() && bridge.await.unwrap(),
            across,
        )
    });
    assert!(to_middle);
    assert!(!to_each_other);
}
