//! What a disk does when it is slow, fails, or loses its power, as a process sees it.
#![allow(clippy::unwrap_used)]

#[path = "../../../services/host/tests/conformance/mod.rs"]
mod conformance;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use squall_engine::{Config, Control, Exit, HostId, HostSpec, run};
use squall_fault::disk::{Effect, Filling, Operation, Rule, Speed};
use squall_host::Host;
use squall_host::disk::Disk;
use squall_host::launch::BoxError;
use tokio::time::{Instant, sleep};

const LOG: &str = "/data/log";
const SSD: Speed = Speed {
    operation: Duration::from_micros(20),
    sync: Duration::from_millis(1),
    bytes_per_second: Some(500_000_000),
    capacity_bytes: 1 << 30,
};

/// Runs `story` with a host that has this disk and no process.
fn world<T, F, Fut>(seed: u64, disk: Option<Speed>, story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Control, HostId) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let config = Config {
        seed,
        ..Config::default()
    };
    let outcome = run(config, async move |control: Control| {
        let host = control.add_host(HostSpec {
            name: "machine".to_owned(),
            disk,
            ..HostSpec::default()
        });
        story(control, host).await
    });
    outcome.unwrap().value
}

/// Runs `work` as the host's process, to its end.
async fn process<T, F, Fut>(control: &Control, host: HostId, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Disk) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let value = Arc::new(Mutex::new(None));
    let slot = value.clone();
    control.start(host, move |host: Host, _| {
        Box::pin(async move {
            let value = work(host.disk).await;
            *slot.lock().unwrap() = Some(value);
            Ok(())
        })
    });
    assert_eq!(control.exit(host).await, Exit::Returned(Ok(())));
    let value = value.lock().unwrap().take();
    value.unwrap()
}

/// Starts `work` as the host's process, and leaves it alone.
fn start<F, Fut>(control: &Control, host: HostId, work: F)
where
    F: FnOnce(Disk) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    control.start(host, move |host: Host, _| Box::pin(work(host.disk)));
}

fn cycle_power(control: &Control, host: HostId) {
    control.power_off(host);
    control.power_on(host);
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| (n % 251) as u8 + 1).collect()
}

fn rule(operations: &[Operation], probability: f64, effect: Effect) -> Rule {
    Rule {
        path: None,
        operations: operations.to_vec(),
        probability,
        effect,
    }
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap()
}

#[test]
fn the_simulated_disk_does_what_every_disk_does() {
    for speed in [None, Some(SSD)] {
        world(1, speed, async |control, host| {
            process(&control, host, async |disk| {
                conformance::disk(&disk, "/data/new").await
            })
            .await;
        });
    }
}

#[test]
fn operations_take_their_time_and_queue() {
    let took = world(1, Some(SSD), async |control, host| {
        process(&control, host, async |disk: Disk| {
            let start = Instant::now();
            disk.append(LOG, bytes(1_000)).await.unwrap();
            let append = start.elapsed();
            let (read, synced) = tokio::join!(
                async {
                    // Behind the sync, although it is asked for at the same instant.
                    tokio::task::yield_now().await;
                    disk.read(LOG).await.unwrap();
                    start.elapsed()
                },
                async {
                    disk.sync(LOG).await.unwrap();
                    start.elapsed()
                }
            );
            (append, synced, read)
        })
        .await
    });
    // 20 us and 1,000 bytes at 500 MB/s; then 1 ms; then 22 us again.
    let us = |us| Duration::from_micros(us);
    assert_eq!(took, (us(22), us(1_022), us(1_044)));
}

#[test]
fn without_a_speed_nothing_takes_time() {
    let took = world(1, None, async |control, host| {
        process(&control, host, async |disk: Disk| {
            let start = Instant::now();
            disk.append(LOG, bytes(1_000_000)).await.unwrap();
            disk.sync(LOG).await.unwrap();
            start.elapsed()
        })
        .await
    });
    assert_eq!(took, Duration::ZERO);
}

#[test]
fn a_delayed_operation_does_not_hold_up_others() {
    let (slow, fast) = world(1, Some(SSD), async |control, host| {
        let delay = Effect::Delay(Duration::from_millis(300));
        let mut rules = vec![rule(&[Operation::Read], 1.0, delay)];
        rules[0].path = Some("/data/*".to_owned());
        control.set_disk(host, rules);
        process(&control, host, async |disk: Disk| {
            disk.append("/data/a", bytes(10)).await.unwrap();
            disk.append("/other/a", bytes(10)).await.unwrap();
            let start = Instant::now();
            let read = async |path: &str| {
                disk.read(path).await.unwrap();
                start.elapsed()
            };
            tokio::join!(read("/data/a"), read("/other/a"))
        })
        .await
    });
    assert_eq!(fast, Duration::from_nanos(20_020));
    assert_eq!(slow, Duration::from_nanos(300_020_020));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let small = Speed {
        capacity_bytes: 10_000,
        ..SSD
    };
    world(1, Some(small), async |control, host| {
        process(&control, host, async |disk: Disk| {
            disk.append(LOG, bytes(6_000)).await.unwrap();
            let error = disk.append(LOG, bytes(6_000)).await.unwrap_err();
            assert_eq!(errno(error), libc::ENOSPC);
            assert_eq!(disk.read(LOG).await.unwrap().len(), 10_000);
            disk.truncate(LOG, 6_000).await.unwrap();
            disk.append("/data/other", bytes(4_000)).await.unwrap();
            disk.remove("/data/other").await.unwrap();
            disk.append(LOG, bytes(4_000)).await.unwrap();
        })
        .await;
    });
}

#[test]
fn a_killed_process_loses_nothing_and_a_dead_machine_what_was_not_synced() {
    let mut lengths = BTreeSet::new();
    for seed in 0..60 {
        let read = world(seed, Some(SSD), async move |control, host| {
            start(&control, host, async |disk: Disk| {
                disk.append(LOG, bytes(1_000)).await?;
                disk.sync(LOG).await?;
                disk.append(LOG, bytes(1_000)).await?;
                disk.append("/data/never-synced", bytes(10)).await?;
                std::future::pending().await
            });
            sleep(Duration::from_millis(50)).await;
            control.kill(host);
            let after_kill = process(&control, host, async |disk: Disk| {
                disk.read(LOG).await.unwrap().len()
            });
            assert_eq!(after_kill.await, 2_000, "the page cache is the kernel's");
            cycle_power(&control, host);
            process(&control, host, async |disk: Disk| {
                let other = disk.read("/data/never-synced").await.is_ok();
                (disk.read(LOG).await.unwrap(), other)
            })
            .await
        });
        assert_eq!(read.0[..1_000], bytes(1_000), "what was synced is there");
        let rest = &read.0[1_000..];
        let good = rest.iter().take_while(|byte| **byte != 0).count();
        assert_eq!(rest[..good], bytes(1_000)[..good], "a prefix");
        assert!(rest[good..].iter().all(|byte| *byte == 0), "and then zeros");
        lengths.insert((good.clamp(0, 1) + good / 1_000, good < rest.len(), read.1));
    }
    // Nothing, some and all of it; with and without zeros behind it; the other file there and not.
    let seen: BTreeSet<usize> = lengths.iter().map(|(part, ..)| *part).collect();
    assert_eq!(seen, BTreeSet::from([0, 1, 2]));
    assert!(lengths.iter().any(|(_, zeros, _)| *zeros));
    assert!(lengths.iter().any(|(.., there)| *there));
    assert!(lengths.iter().any(|(.., there)| !*there));
}

#[test]
fn names_that_were_not_synced_may_be_undone_in_order() {
    let mut seen = BTreeSet::new();
    for seed in 0..80 {
        let names = world(seed, None, async move |control, host| {
            process(&control, host, async |disk: Disk| {
                for name in ["/data/a", "/data/gone"] {
                    disk.append(name, bytes(10)).await.unwrap();
                    disk.sync(name).await.unwrap();
                }
                disk.rename("/data/a", "/data/b").await.unwrap();
                disk.remove("/data/gone").await.unwrap();
                disk.append("/elsewhere/c", bytes(10)).await.unwrap();
                disk.sync("/elsewhere/c").await.unwrap();
            })
            .await;
            cycle_power(&control, host);
            process(&control, host, async |disk: Disk| {
                disk.list("/data").await.unwrap().join(" ")
            })
            .await
        });
        seen.insert(names);
    }
    // The sync elsewhere came last in the journal and commits all that was before it.
    assert_eq!(seen, BTreeSet::from(["b".to_owned()]));

    let mut seen = BTreeSet::new();
    for seed in 0..80 {
        let names = world(seed, None, async move |control, host| {
            process(&control, host, async |disk: Disk| {
                for name in ["/data/a", "/data/gone"] {
                    disk.append(name, bytes(10)).await.unwrap();
                    disk.sync(name).await.unwrap();
                }
                disk.rename("/data/a", "/data/b").await.unwrap();
                disk.remove("/data/gone").await.unwrap();
            })
            .await;
            cycle_power(&control, host);
            process(&control, host, async |disk: Disk| {
                disk.list("/data").await.unwrap().join(" ")
            })
            .await
        });
        seen.insert(names);
    }
    assert_eq!(seen, ["a gone", "b", "b gone"].map(str::to_owned).into());
}

#[test]
fn an_append_that_the_process_did_not_survive_ends_at_a_page() {
    let mut lengths = BTreeSet::new();
    for seed in 0..40 {
        let slow = Speed {
            bytes_per_second: Some(1_000_000),
            ..SSD
        };
        lengths.insert(world(seed, Some(slow), async |control, host| {
            start(&control, host, async |disk: Disk| {
                disk.append(LOG, bytes(100)).await?;
                let behind = disk.append("/data/behind", bytes(1));
                let (one, other) = tokio::join!(disk.append(LOG, bytes(10_000)), behind);
                one.and(other).map_err(Into::into)
            });
            sleep(Duration::from_millis(5)).await;
            control.kill(host);
            process(&control, host, async |disk: Disk| {
                assert!(disk.read("/data/behind").await.is_err(), "not begun");
                disk.read(LOG).await.unwrap().len()
            })
            .await
        }));
    }
    assert_eq!(lengths, BTreeSet::from([100, 4_096, 8_192, 10_100]));
}

#[test]
fn after_a_failed_sync_a_second_one_succeeds_and_makes_nothing_durable() {
    let mut lost = 0;
    for seed in 0..20 {
        let read = world(seed, None, async move |control, host| {
            let eio = rule(&[Operation::Sync], 1.0, Effect::Errno(libc::EIO));
            process(&control, host, async |disk: Disk| {
                disk.append(LOG, bytes(100)).await.unwrap();
                disk.sync(LOG).await.unwrap();
            })
            .await;
            control.set_disk(host, vec![eio]);
            process(&control, host, async |disk: Disk| {
                disk.append(LOG, bytes(10_000)).await.unwrap();
                assert_eq!(errno(disk.sync(LOG).await.unwrap_err()), libc::EIO);
            })
            .await;
            control.set_disk(host, vec![]);
            process(&control, host, async |disk: Disk| {
                disk.sync(LOG).await.unwrap();
                assert_eq!(disk.read(LOG).await.unwrap().len(), 10_100);
                disk.append(LOG, bytes(5)).await.unwrap();
                disk.sync(LOG).await.unwrap();
            })
            .await;
            cycle_power(&control, host);
            process(&control, host, async |disk: Disk| {
                disk.read(LOG).await.unwrap()
            })
            .await
        });
        assert_eq!(read[..100], bytes(100));
        assert_eq!(read.len(), 10_105);
        assert_eq!(read[10_100..], bytes(5), "what came later is there");
        lost += usize::from(read[100..10_100].contains(&0));
    }
    assert!(lost >= 10, "the middle is zeros: {lost} of 20");
}

#[test]
fn mistakes_are_made_in_what_is_read_and_in_what_is_written() {
    let mistake = Effect::Mistake {
        filling: Filling::Zero,
        occurrences_max: 3,
        length_max: 10,
    };
    for (operation, stays) in [(Operation::Read, false), (Operation::Append, true)] {
        let zeros = world(1, None, async move |control, host| {
            control.set_disk(host, vec![rule(&[operation], 1.0, mistake)]);
            let zeros = async |disk: Disk| {
                let data = disk.read(LOG).await.unwrap();
                data.iter().filter(|byte| **byte == 0).count()
            };
            let during = process(&control, host, async move |disk: Disk| {
                disk.append(LOG, bytes(1_000)).await.unwrap();
                disk.sync(LOG).await.unwrap();
                zeros(disk).await
            })
            .await;
            control.set_disk(host, vec![]);
            (during, process(&control, host, zeros).await)
        });
        assert!((1..=30).contains(&zeros.0), "{zeros:?}");
        assert_eq!(zeros.1 > 0, stays, "{zeros:?}");
    }
}

// A log of records with checksums, and what becomes of it.

fn checksum(data: &[u8]) -> u32 {
    let hash = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(16_777_619);
    data.iter().fold(2_166_136_261, hash)
}

fn record(number: u32) -> Bytes {
    let payload = bytes(40 + (number as usize * 97) % 300);
    let mut body = BytesMut::new();
    body.put_u32(number);
    body.put_slice(&payload);
    let mut record = BytesMut::new();
    record.put_u32(body.len() as u32);
    record.put_u32(checksum(&body));
    record.put_slice(&body);
    record.freeze()
}

/// The numbers of all records up to the first that is not whole, and where that begins.
fn parse(mut data: Bytes) -> (Vec<u32>, usize) {
    let (mut numbers, mut end) = (Vec::new(), 0);
    while data.len() >= 12 {
        let (length, sum) = (data.get_u32() as usize, data.get_u32());
        if length < 4 || length > data.len() || checksum(&data[..length]) != sum {
            break;
        }
        let mut body = data.split_to(length);
        numbers.push(body.get_u32());
        end += 8 + length;
    }
    (numbers, end)
}

/// How careful a writer is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Care {
    /// After a start it writes the log anew; after a failed sync it ends.
    Good,
    /// Acknowledges before the sync.
    Hasty,
    /// Tries a failed sync again.
    Retrying,
}

/// The number of the next record of all, and the records that were acknowledged.
type Acknowledged = Arc<Mutex<(u32, Vec<u32>)>>;

async fn write(disk: Disk, care: Care, acknowledged: Acknowledged) -> Result<(), BoxError> {
    // What can be read need not be durable: a process before this one may have seen a sync fail.
    let mut end = match disk.read(LOG).await {
        Ok(data) => {
            let end = parse(data.clone()).1;
            if disk.read("/data/new").await.is_ok() {
                disk.remove("/data/new").await?;
            }
            disk.append("/data/new", data.slice(..end)).await?;
            disk.sync("/data/new").await?;
            disk.rename("/data/new", LOG).await?;
            disk.sync(LOG).await?;
            end as u64
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => 0,
        Err(error) => return Err(error.into()),
    };
    loop {
        let number = acknowledged.lock().unwrap().0;
        acknowledged.lock().unwrap().0 += 1;
        let record = record(number);
        while disk.append(LOG, record.clone()).await.is_err() {
            // The beginning of it may be there.
            if disk.read(LOG).await?.len() as u64 > end {
                disk.truncate(LOG, end).await?;
            }
            sleep(Duration::from_millis(10)).await;
        }
        end += record.len() as u64;
        if care == Care::Hasty {
            acknowledged.lock().unwrap().1.push(number);
        }
        while let Err(error) = disk.sync(LOG).await {
            if care != Care::Retrying {
                return Err(error.into());
            }
        }
        if care != Care::Hasty {
            acknowledged.lock().unwrap().1.push(number);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Kill,
    Power,
    Sync(i32, f64),
    Append(i32, f64),
    Slow,
    Heal,
}

fn rules_of(event: Event) -> Option<Vec<Rule>> {
    let fails = |operation, errno, chance| vec![rule(&[operation], chance, Effect::Errno(errno))];
    match event {
        Event::Sync(errno, chance) => Some(fails(Operation::Sync, errno, chance)),
        Event::Append(errno, chance) => Some(fails(Operation::Append, errno, chance)),
        Event::Slow => Some(vec![rule(
            &[],
            0.5,
            Effect::Delay(Duration::from_millis(7)),
        )]),
        Event::Heal => Some(vec![]),
        Event::Kill | Event::Power => None,
    }
}

/// What a writer acknowledged and what is there in the end.
fn life(seed: u64, care: Care, events: Vec<(u64, Event)>) -> (Vec<u32>, Vec<u32>) {
    let small = Speed {
        capacity_bytes: 30_000,
        ..SSD
    };
    world(seed, Some(small), async move |control, host| {
        let acknowledged = Acknowledged::default();
        let restart = || {
            let acknowledged = acknowledged.clone();
            start(&control, host, async move |disk| {
                write(disk, care, acknowledged).await
            });
        };
        restart();
        for (after_us, event) in events {
            let ended = tokio::time::timeout(Duration::from_micros(after_us), control.exit(host));
            if ended.await.is_ok() {
                restart(); // a sync has failed
            }
            match event {
                Event::Kill => control.kill(host),
                Event::Power => cycle_power(&control, host),
                other => {
                    control.set_disk(host, rules_of(other).unwrap());
                    continue;
                }
            }
            control.exit(host).await;
            restart();
        }
        control.kill(host);
        control.exit(host).await;
        control.set_disk(host, vec![]);
        cycle_power(&control, host);
        let there = process(&control, host, async |disk: Disk| {
            parse(disk.read(LOG).await.unwrap_or_default()).0
        });
        let there = there.await;
        let acknowledged = acknowledged.lock().unwrap().1.clone();
        (acknowledged, there)
    })
}

/// Whether all that was acknowledged is there, in order.
fn is_kept((acknowledged, there): &(Vec<u32>, Vec<u32>)) -> bool {
    there.is_sorted_by(|one, next| one < next)
        && acknowledged.iter().all(|number| there.contains(number))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Kill),
        4 => Just(Event::Power),
        2 => (0.1..1.0).prop_map(|chance| Event::Sync(libc::EIO, chance)),
        1 => (0.1..0.9).prop_map(|chance| Event::Append(libc::EIO, chance)),
        1 => Just(Event::Slow),
        3 => Just(Event::Heal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_careful_writer_never_loses_what_it_acknowledged(
        seed in any::<u64>(),
        events in proptest::collection::vec((0_u64..60_000, event()), 1..25),
    ) {
        let life = life(seed, Care::Good, events);
        prop_assert!(is_kept(&life), "{life:?}");
    }
}

#[test]
fn a_careful_writer_does_write() {
    let (acknowledged, there) = life(1, Care::Good, vec![(50_000, Event::Kill)]);
    assert!(acknowledged.len() > 30, "{acknowledged:?}");
    assert!(there.len() >= acknowledged.len());
}

#[test]
fn a_careless_writer_is_caught() {
    let power = vec![(20_000, Event::Power)];
    let eio = vec![
        (10_000, Event::Sync(libc::EIO, 0.5)),
        (10_000, Event::Power),
    ];
    for (care, events) in [(Care::Hasty, power), (Care::Retrying, eio)] {
        let caught = (0..20).filter(|seed| !is_kept(&life(*seed, care, events.clone())));
        assert!(caught.count() >= 3, "{care:?}");
    }
}
