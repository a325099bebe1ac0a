//! TCP's repair and its patience, as they show on the wire.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use squall_engine::{Control, Link};
use squall_fault::link::{Chance, Distribution, Loss, Rate, Reorder};
use squall_host::net::{Keepalive, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use common::{CLIENT, SERVER, ask, both_ways, connect, cut, data_sent, story, traced};

const SEGMENT: usize = 1_448;
/// Round trips until the kernel knows how long one takes; the first waited for ARP.
const WARM: usize = 40;

fn delay(ms: u64) -> Link {
    Link {
        latency: Duration::from_millis(ms),
        ..Link::default()
    }
}

/// Cuts the way to the server for this long, and leaves its delay as it is.
async fn cut_for(control: &Control, wait: Duration, link: Link) {
    let is_cut = Link {
        is_cut: true,
        ..link
    };
    control.set_link(CLIENT, SERVER, is_cut);
    sleep(wait).await;
    control.set_link(CLIENT, SERVER, link);
}

/// Sends and reads back; how long that took, and whether it was the same.
async fn there_and_back(stream: TcpStream, length: usize) -> (Duration, bool) {
    let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (start, sent) = (Instant::now(), data.clone());
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer
    });
    let mut received = vec![0; length];
    reader.read_exact(&mut received).await.unwrap();
    drop(writing.await.unwrap());
    (start.elapsed(), received == data)
}

#[test]
fn a_lone_lost_segment_is_repeated_after_206_and_414_ms() {
    let (_, trace) = traced(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        both_ways(&control, cut());
        timeout(Duration::from_secs(4), ask(&mut stream))
            .await
            .unwrap_err();
    });
    let sent = data_sent(&trace);
    let first = sent[1].0;
    let repeats: Vec<f64> = sent[2..].iter().map(|sent| sent.0 - first).collect();
    // Linux 6.18, measured: 206, 414, 838, 1670, 3334 ms; the first is the probe of the tail.
    let expected = [
        (204.0, 208.0),
        (408.0, 416.0),
        (816.0, 856.0),
        (1_632.0, 1_700.0),
    ];
    for (repeat, (least, most)) in repeats.iter().zip(expected) {
        assert!((least..=most).contains(repeat), "{repeats:?}");
    }
    assert_eq!(repeats.len(), 5, "{repeats:?}");
}

#[test]
fn a_lost_tail_of_several_segments_is_probed_after_two_round_trips() {
    let ((), trace) = traced(1, async |host, control| {
        let link = delay(10);
        both_ways(&control, link);
        let mut stream = connect(&host).await.unwrap();
        for _ in 0..WARM {
            ask(&mut stream).await.unwrap();
        }
        let cutter = control.clone();
        tokio::spawn(async move { cut_for(&cutter, Duration::from_millis(5), link).await });
        sleep(Duration::from_millis(1)).await;
        stream.write_all(&[1; 4 * SEGMENT]).await.unwrap();
        stream.read_exact(&mut [0; 4 * SEGMENT]).await.unwrap();
    });
    let sent = &data_sent(&trace)[WARM..];
    let first = sent[0].0;
    // Four lost; at 2 * 20 + 8 ms the last one again; its SACK brings the other three at once.
    let (probe, rest) = (sent[4], &sent[5..8]);
    assert_eq!(probe.1, 1 + (WARM + 3 * SEGMENT) as u64, "{sent:?}");
    assert!((48.0..=58.0).contains(&(probe.0 - first)), "{sent:?}");
    for again in rest {
        assert!((68.0..=79.0).contains(&(again.0 - first)), "{sent:?}");
    }
    assert_eq!(sent.len(), 8, "nothing is sent a third time: {sent:?}");
}

#[test]
fn several_holes_are_filled_within_a_round_trip_of_showing() {
    let ((took, is_same), trace) = traced(5, async |host, control| {
        let link = delay(10);
        both_ways(&control, link);
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        let lossy = Link {
            loss: Loss::independent(0.3),
            ..link
        };
        let world = control.clone();
        tokio::spawn(async move {
            world.set_link(CLIENT, SERVER, lossy);
            sleep(Duration::from_millis(5)).await;
            world.set_link(CLIENT, SERVER, link);
        });
        sleep(Duration::from_millis(1)).await;
        there_and_back(stream, 10 * SEGMENT).await
    });
    assert!(is_same);
    let sent = data_sent(&trace);
    let lost = trace.matches("client lost tcp").count();
    assert!(lost >= 2, "the seed makes several holes: {lost}");
    assert!(took < Duration::from_millis(80), "{took:?}: {sent:?}");
    assert_eq!(
        sent.len(),
        1 + 10 + lost,
        "each hole is filled once: {sent:?}"
    );
}

#[test]
fn a_bottleneck_is_filled_and_nobody_starves() {
    // 1 MB/s, 40 ms of round trip, room for 64 KB in the queue.
    let (alone, shares) = story(3, async |host, control| {
        let rate = Rate {
            bytes_per_second: 1_000_000,
            burst_bytes: 10_000,
            queue_bytes: 64_000,
        };
        let link = Link {
            rate: Some(rate),
            ..delay(20)
        };
        both_ways(&control, link);
        let stream = connect(&host).await.unwrap();
        let (alone, is_same) = there_and_back(stream, 4_000_000).await;
        assert!(is_same);
        let start = Instant::now();
        let mut both = Vec::new();
        for _ in 0..2 {
            let stream = connect(&host).await.unwrap();
            both.push(tokio::spawn(there_and_back(stream, 4_000_000)));
        }
        let mut shares = Vec::new();
        for transfer in both {
            let (took, is_same) = transfer.await.unwrap();
            assert!(is_same);
            shares.push(took);
        }
        (alone, (shares, start.elapsed()))
    });
    let goodput = 4.0 / alone.as_secs_f64();
    assert!((0.75..1.0).contains(&goodput), "{goodput} MB/s of 1");
    let (shares, total) = shares;
    let goodput = 8.0 / total.as_secs_f64();
    assert!((0.75..1.0).contains(&goodput), "{goodput} MB/s of 1");
    assert!(
        shares.iter().all(|took| took.as_secs_f64() > 5.0),
        "{shares:?}"
    );
}

#[test]
fn a_long_way_doubles_the_window_from_ten_segments_on() {
    let ((took, _), _) = traced(1, async |host, control| {
        both_ways(&control, delay(50));
        let stream = connect(&host).await.unwrap();
        there_and_back(stream, 40 * SEGMENT).await
    });
    // 10, 20 and then the last 10 out; a round trip each, and they come back as they arrive.
    assert!((290..320).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_delay_that_jumps_costs_spurious_repeats_and_no_more() {
    let took = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        both_ways(&control, delay(600));
        sleep(Duration::from_millis(1)).await; // links change when the task has come to rest
        let mut took = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            ask(&mut stream).await.unwrap();
            took.push(start.elapsed().as_millis());
        }
        took
    });
    assert!(took.iter().all(|took| *took == 1_200), "{took:?}");
}

#[test]
fn the_timeout_follows_the_round_trip() {
    let ((), trace) = traced(1, async |host, control| {
        both_ways(&control, delay(600));
        let mut stream = connect(&host).await.unwrap();
        for _ in 0..8 {
            ask(&mut stream).await.unwrap();
        }
    });
    assert_eq!(data_sent(&trace).len(), 8, "nothing was sent twice");
}

#[test]
fn disorder_does_not_pass_for_loss_for_long() {
    let ((took, is_same), trace) = traced(2, async |host, control| {
        let link = Link {
            jitter: Duration::from_millis(2),
            distribution: Distribution::Normal,
            reorder: Reorder {
                chance: Chance::independent(0.05),
                gap: 1,
            },
            duplicate: Chance::independent(0.05),
            ..delay(10)
        };
        both_ways(&control, link);
        let stream = connect(&host).await.unwrap();
        there_and_back(stream, 1_000_000).await
    });
    assert!(is_same);
    let (sent, segments) = (data_sent(&trace).len(), 1_000_000 / SEGMENT);
    assert!(sent < segments * 3 / 2, "{sent} segments for {segments}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn segments_follow_the_smallest_mtu() {
    let ((_, is_same), trace) = traced(1, async |host, control| {
        let stream = connect(&host).await.unwrap();
        let link = Link {
            mtu: 576,
            ..Link::default()
        };
        both_ways(&control, link);
        sleep(Duration::from_millis(1)).await;
        there_and_back(stream, 20_000).await
    });
    assert!(is_same);
    let sent = data_sent(&trace);
    let too_long = sent.iter().filter(|sent| sent.2 > 524).count();
    assert!(
        too_long > 0 && too_long <= 10,
        "the first window finds out: {too_long}"
    );
    let (start, end) = (sent[0].0, sent.last().unwrap().0);
    assert!(
        end - start < 10.0,
        "nobody waits for a timeout: {}",
        end - start
    );
}

#[test]
fn keep_alive_finds_a_dead_host_and_leaves_a_quiet_one_alone() {
    let (quiet, dead) = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        let keepalive = Keepalive {
            idle: Duration::from_secs(10),
            interval: Duration::from_secs(2),
            count: 3,
        };
        stream.set_keepalive(keepalive).unwrap();
        ask(&mut stream).await.unwrap();
        let quiet = timeout(Duration::from_secs(600), stream.read_u8())
            .await
            .is_err();
        ask(&mut stream).await.unwrap();
        both_ways(&control, cut());
        let start = Instant::now();
        let error = stream.read_u8().await.unwrap_err();
        (quiet, (error.raw_os_error(), start.elapsed()))
    });
    assert!(quiet, "probes that are answered change nothing");
    // 10 s of silence, three questions 2 s apart, and 2 s for the last answer.
    assert_eq!(dead.0, Some(110));
    assert!((16.0..17.5).contains(&dead.1.as_secs_f64()), "{:?}", dead.1);
}

#[test]
fn without_keep_alive_a_reader_never_finds_out() {
    let silent = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        ask(&mut stream).await.unwrap();
        control.power_off(SERVER);
        timeout(Duration::from_secs(20_000), stream.read_u8())
            .await
            .is_err()
    });
    assert!(silent);
}

#[test]
fn the_user_timeout_bounds_what_stays_unacknowledged() {
    let (error, took) = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        stream.set_user_timeout(Duration::from_secs(5)).unwrap();
        ask(&mut stream).await.unwrap();
        both_ways(&control, cut());
        let start = Instant::now();
        (ask(&mut stream).await.unwrap_err(), start.elapsed())
    });
    assert_eq!(error.raw_os_error(), Some(110));
    // Counted from the first timeout, 0.4 s after the segment was sent.
    assert!((5.0..6.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[test]
fn a_shut_window_is_asked_for_as_long_as_it_is_answered() {
    let is_open = story(1, async |host, control| {
        let mut stream = connect(&host).await.unwrap();
        control.pause(SERVER);
        let block = vec![0; 64 * 1024];
        while let Ok(written) = timeout(Duration::from_secs(1), stream.write(&block)).await {
            written.unwrap();
        }
        sleep(Duration::from_secs(3_600)).await;
        control.resume(SERVER);
        stream.read_u8().await.is_ok()
    });
    assert!(is_open);
}
