//! Every byte flipped, every place cut, and the power lost at every step: what was acknowledged is
//! there, or the store refuses to start.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/disk.rs"]
#[allow(dead_code)]
mod disk;

use std::future::Future;
use std::sync::Arc;

use squall_host::Host;
use squall_host::disk::Disk;
use squall_host::output::{Output, OutputDriver};

use super::commit::Commit;
use super::recovery::{Recovered, recover};
use super::writer::Writer;
use super::{batch_frame, files, frame};
use crate::error::Error;
use crate::figures::Figures;
use crate::snapshot;
use crate::store::{Decision, Entry, Operation, Store};
use disk::{TestDisk, draw};

const FOLDER: &str = "/data";
const KEYS_MAX: usize = 6;

struct Nowhere;

impl OutputDriver for Nowhere {
    fn line(&self, _: &str) {}
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

/// All that a client can see.
type Seen = (Vec<(String, String, i64)>, Vec<(String, u64)>);

fn seen(store: &Store) -> Seen {
    let entries = store.entries().0;
    let repeats = store.repeats().in_order();
    (
        entries
            .map(|e| (e.key.to_owned(), e.value.to_owned(), e.version))
            .collect(),
        repeats.map(|(id, hash)| (id.to_string(), *hash)).collect(),
    )
}

/// The `n`th request.
fn decide(store: &Store, n: usize) -> Operation {
    let text = |text: &str, n: usize| format!("{text} {}", n % 4);
    let put = |key: String, value: String| Entry {
        version: store.get(&key).1,
        key,
        value,
    };
    let decided = match n % 11 {
        10 => return Operation::Reset,
        n if n % 3 == 0 => match store.put(
            put(text("pü\n", n), format!("{n} \"{{\\\"seq\\\":\0")),
            false,
        ) {
            Decision::Change(operation) => return operation,
            Decision::Answer(..) => None,
        },
        _ => Some(store.transaction(
            Some(format!("id{n}")),
            vec![
                put(text("a", n), n.to_string()),
                put(text("b", n + 1), "x".repeat(n % 700)),
            ],
        )),
    };
    match decided {
        Some(Decision::Change(operation)) => operation,
        other => panic!("{n}: {other:?}"),
    }
}

/// Batches of one or two requests, as frames, and the states before and after each.
fn batches(count: usize) -> (Vec<Vec<u8>>, Vec<Seen>) {
    let mut store = Store::new(KEYS_MAX);
    let (mut frames, mut states) = (Vec::new(), vec![seen(&store)]);
    let mut n = 0;
    for seq in 1..=count as u64 {
        let mut operations = Vec::new();
        for _ in 0..=seq % 2 {
            if !operations.is_empty() {
                operations.push(b',');
            }
            let operation = decide(&store, n);
            snapshot::to_json(&mut operations, &operation);
            store.apply(operation, seq).unwrap();
            n += 1;
        }
        frames.push(batch_frame(seq, &operations));
        states.push(seen(&store));
    }
    (frames, states)
}

fn recovered(disk: &TestDisk, until: Option<u64>) -> Result<Recovered, Error> {
    block_on(recover(&Disk::new(disk.clone()), FOLDER, KEYS_MAX, until))
}

fn log(first: u64) -> String {
    files::segment(FOLDER, first)
}

/// Snapshot of 4, a segment to 8, and one to 12.
fn three_files() -> (TestDisk, Vec<Seen>) {
    let (frames, states) = batches(12);
    let disk = TestDisk::default();
    let base = TestDisk::of(&[(&log(1), &frames[..4].concat())]);
    let store = recovered(&base, None).unwrap().store;
    let real = Disk::new(disk.clone());
    block_on(snapshot::write(&real, FOLDER, 4, &store.image(), 0)).unwrap();
    disk.put(&log(5), &frames[4..8].concat());
    disk.put(&log(9), &frames[8..].concat());
    (disk, states)
}

#[test]
fn a_wrong_byte_anywhere_is_found_or_harmless() {
    let (whole, states) = three_files();
    assert_eq!(seen(&recovered(&whole, None).unwrap().store), states[12]);
    let (mut found, mut harmless) = (0, 0);
    for (path, bytes) in whole.files() {
        for at in 0..bytes.len() {
            let flips = (0..8).map(|bit| bytes[at] ^ (1 << bit));
            for byte in flips.chain([0, b'\n', b'"', 0xff]) {
                if byte == bytes[at] {
                    continue;
                }
                let mut spoiled = bytes.clone();
                spoiled[at] = byte;
                let disk = TestDisk::of(&[]);
                for (other, bytes) in whole.files() {
                    disk.put(&other, &bytes);
                }
                disk.put(&path, &spoiled);
                match recovered(&disk, None) {
                    Ok(state) => {
                        assert_eq!(seen(&state.store), states[12], "{path}:{at} is {byte}");
                        harmless += 1;
                    }
                    Err(Error::Corrupt(what)) => {
                        assert_eq!(what.file, path);
                        assert!(what.offset <= at, "{what}");
                        found += 1;
                        // What is whole before it can be had, if a snapshot is.
                        if what.good >= 4 {
                            let part = recovered(&disk, Some(what.good)).unwrap();
                            assert_eq!(seen(&part.store), states[what.good as usize]);
                        }
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    // The line ends of the files' last lines.
    assert!(harmless <= 3 * 12 && found > 10_000, "{harmless} {found}");
}

#[test]
fn a_last_segment_that_is_cut_anywhere_has_all_of_its_whole_batches() {
    let (frames, states) = batches(7);
    let whole = frames.concat();
    for cut in 0..=whole.len() {
        let disk = TestDisk::of(&[(&log(1), &whole[..cut])]);
        let state = recovered(&disk, None).unwrap();
        let mut end = 0;
        // A batch is whole without its line end.
        let expected = frames.iter().take_while(|frame| {
            end += frame.len();
            end <= cut + 1
        });
        let expected = expected.count();
        assert_eq!(state.seq as usize, expected, "cut at {cut}");
        assert_eq!(seen(&state.store), states[expected]);
    }
}

#[test]
fn a_torn_end_of_any_kind_is_cut_off() {
    let (frames, states) = batches(9);
    let before = frames[..8].concat();
    let last = &frames[8];
    let mut random = 7;
    let mut tails = vec![vec![0; 1], vec![0; 5_000], b"0123abcd {\"se".to_vec()];
    for _ in 0..2_000 {
        let cut = draw(&mut random) as usize % (last.len() - 1);
        let rest = last.len() - cut;
        let mut zeros = last[..cut].to_vec();
        zeros.resize(cut + draw(&mut random) as usize % (2 * rest), 0);
        tails.push(zeros);
        let mut missing = last.clone();
        let length = 2 + draw(&mut random) as usize % (rest - 1);
        missing[cut..cut + length].fill(0);
        tails.push(missing);
        let mut garbage = last[..cut].to_vec();
        garbage.extend((0..rest + 64).map(|_| draw(&mut random) as u8 & 0x9f));
        garbage.retain(|byte| *byte != b'\n');
        tails.push(garbage);
    }
    for tail in tails {
        let disk = TestDisk::of(&[(&log(1), &[&*before, &*tail].concat())]);
        let state = recovered(&disk, None).unwrap_or_else(|e| panic!("{tail:?}: {e}"));
        assert_eq!(state.seq, 8, "{:?}", String::from_utf8_lossy(&tail));
        assert_eq!(seen(&state.store), states[8]);
        let torn = state.torn.map(|torn| (torn.at, torn.bytes));
        let tail = frame::content(&tail);
        assert_eq!(
            torn,
            (!tail.is_empty()).then_some((before.len(), tail.len()))
        );
    }
}

#[test]
fn zeros_behind_a_segment_are_nothing() {
    let (frames, states) = batches(8);
    let segment = |frames: &[Vec<u8>]| [frames.concat(), vec![0; 5_000]].concat();
    let files = [
        (log(1), segment(&frames[..4])),
        (log(5), segment(&frames[4..])),
    ];
    let files = files.each_ref().map(|(path, bytes)| (&**path, &**bytes));
    let state = recovered(&TestDisk::of(&files), None).unwrap();
    assert_eq!((state.seq, state.torn), (8, None));
    assert_eq!(seen(&state.store), states[8]);
    // The last batch was acknowledged, and its line end spoilt since.
    let mut spoilt = segment(&frames);
    spoilt[frames.concat().len() - 1] = b'x';
    let state = recovered(&TestDisk::of(&[(&log(1), &spoilt)]), None).unwrap();
    assert_eq!((state.seq, state.torn), (8, None));
}

#[test]
fn what_no_power_loss_leaves_is_refused_with_its_place() {
    let (frames, _) = batches(9);
    let whole = frames.concat();
    let start = frames[..4].concat().len();
    let refused = |files: &[(&str, &[u8])]| match recovered(&TestDisk::of(files), None) {
        Err(Error::Corrupt(what)) => (what.file.clone(), what.offset, what.good),
        other => panic!("{other:?}"),
    };
    let one = |bytes: &[u8]| {
        let (file, offset, good) = refused(&[(&log(1), bytes)]);
        assert_eq!(file, log(1));
        (offset, good)
    };
    // A block of zeros over the end of one batch and the beginning of the next.
    let mut zeros = whole.clone();
    zeros[start + 40..start + frames[4].len() + 30].fill(0);
    assert_eq!(one(&zeros), (start, 4));
    // A batch that is lost, and one that is there twice.
    assert_eq!(
        one(&[&whole[..start], &frames[5..].concat()].concat()),
        (start, 4)
    );
    assert_eq!(
        one(&[&whole[..start], &frames[3], &whole[start..]].concat()),
        (start, 4)
    );
    // The first segment is gone, or ends too early, or a snapshot is gone.
    assert_eq!(refused(&[(&log(5), &whole[start..])]).1, 0);
    let short = &whole[..start - 20];
    let both: [(&str, &[u8]); 2] = [(&log(1), short), (&log(5), &whole[start..])];
    assert_eq!(refused(&both), (log(1), frames[..3].concat().len(), 3));
    let short = &whole[..start - frames[3].len()];
    let both: [(&str, &[u8]); 2] = [(&log(1), short), (&log(5), &whole[start..])];
    assert_eq!(refused(&both), (log(5), 0, 3));
    // A batch that does not follow from the state.
    let operation = br#"{"put":{"key":"new","value":"1","version":3}}"#;
    let strange = [&whole[..start], &batch_frame(5, operation)].concat();
    assert_eq!(one(&strange), (start, 4));
    // A snapshot that is cut, and one under another's name.
    let (disk, _) = three_files();
    let bytes = disk.files()[&files::snapshot(FOLDER, 4)].clone();
    for bytes in [
        &bytes[..bytes.len() - 1 - 40],
        &[],
        &[&*bytes, b"x"].concat(),
    ] {
        let path = files::snapshot(FOLDER, 4);
        assert_eq!(refused(&[(&path, bytes)]).0, path);
    }
    let path = files::snapshot(FOLDER, 5);
    assert_eq!(refused(&[(&path, &bytes)]), (path.clone(), 0, 0));
}

#[test]
fn a_frame_says_where_a_line_ends() {
    let mut file = Vec::new();
    frame::push(&mut file, |json| json.extend_from_slice(b"{}"));
    assert_eq!(file, b"297bd0aa {}\n");
}

/// The states that were ever there, by how many requests had been made, and how many of these were
/// acknowledged.
struct Life {
    states: Vec<Seen>,
    acknowledged: usize,
}

/// Starts on a disk, makes up to `rounds` rounds of three requests, and ends with the disk or cleanly.
async fn live(disk: &TestDisk, life: &mut Life, rounds: usize) -> Result<(), Error> {
    let real = Disk::new(disk.clone());
    let recovered = recover(&real, FOLDER, KEYS_MAX, None).await?;
    // It must be one of the states that were there, and have what was acknowledged.
    let now = seen(&recovered.store);
    let at = life.states.iter().rposition(|state| *state == now);
    let at = at.unwrap_or_else(|| panic!("a state that never was: {now:?}"));
    assert!(
        at >= life.acknowledged,
        "{at} of {} acknowledged",
        life.acknowledged
    );
    life.states.truncate(at + 1);
    life.acknowledged = at;
    let mut host = Host::real();
    (host.disk, host.out) = (real.clone(), Output::new(Nowhere));
    let snapshot_bytes = crate::renew(FOLDER, &host, &recovered).await?;
    let seq = recovered.seq;
    let commit = Arc::new(Commit::new(recovered.store, seq, 1 << 20));
    let writer = Writer {
        disk: real,
        folder: FOLDER.to_owned(),
        commit: commit.clone(),
        figures: Arc::new(Figures::default()),
        compact_bytes: 700,
        snapshot_bytes: snapshot_bytes.min(100),
    };
    let requests = async {
        for _ in 0..rounds {
            let mut waits = Vec::new();
            for _ in 0..3 {
                let n = life.states.len() - 1;
                let (_, wait) = commit
                    .change(|store| Decision::<()>::Change(decide(store, n)))
                    .unwrap();
                waits.push(wait);
                life.states.push(commit.look(|store| (seen(store), 0)).0);
            }
            for wait in waits {
                wait.durable().await;
                life.acknowledged += 1;
            }
        }
        commit.close();
        std::future::pending().await
    };
    tokio::select! {
        ended = writer.run(seq + 1) => ended,
        never = requests => never,
    }
}

#[test]
fn power_that_is_lost_at_any_step_takes_nothing_that_was_acknowledged() {
    for step in 1.. {
        let mut random = step as u64;
        let mut life = Life {
            states: vec![(vec![], vec![])],
            acknowledged: 0,
        };
        let disk = TestDisk::default();
        disk.die_after(step);
        if block_on(live(&disk, &mut life, 30)).is_ok() {
            // All of it takes fewer steps, and the log was compacted on the way.
            assert!(disk.files().keys().any(|path| path.contains("/snapshot-")));
            break;
        }
        for _ in 0..6 {
            // It dies again while it comes back, and then it lives.
            let disk = disk.after_power_loss(&mut random);
            let mut life = Life {
                states: life.states.clone(),
                ..life
            };
            disk.die_after(1 + draw(&mut random) as usize % 12);
            let ended = block_on(live(&disk, &mut life, 2));
            assert!(ended.is_ok() || disk.is_dead(), "{step}: {ended:?}");
            let disk = disk.after_power_loss(&mut random);
            block_on(live(&disk, &mut life, 3)).unwrap_or_else(|e| panic!("{step}: {e}"));
            block_on(live(&disk, &mut life, 0)).unwrap();
        }
    }
}

#[test]
fn who_waits_when_the_disk_fails_is_told_nothing() {
    let mut life = Life {
        states: vec![(vec![], vec![])],
        acknowledged: 0,
    };
    let disk = TestDisk::default();
    disk.die_after(2);
    assert!(matches!(
        block_on(live(&disk, &mut life, 1)),
        Err(Error::Disk {
            what: "append to and sync",
            ..
        })
    ));
    assert_eq!(life.acknowledged, 0);
}
