//! Every byte flipped and every place cut: what was acknowledged is there, or the member does not start.

#![allow(clippy::unwrap_used)]

use super::*;

#[path = "../../../tests/support/disk.rs"]
#[allow(dead_code)]
mod disk;

use disk::TestDisk;

const HEAD: Head = Head {
    cluster_id: 1,
    member_id: 2,
    index: 3,
    term: 1,
    conf_state: Vec::new(),
    before_index: 3,
    before_term: 1,
};

fn entry(index: u64, term: u64, data: &str) -> Entry {
    Entry {
        index,
        term,
        data: data.as_bytes().to_vec(),
        ..Entry::default()
    }
}

fn state(term: u64, commit: u64) -> HardState {
    HardState {
        term,
        commit,
        ..HardState::default()
    }
}

/// A log of three records, and where they end.
async fn written() -> (Vec<u8>, Vec<usize>) {
    let disk = TestDisk::default();
    let log = Log::new(Disk::new(disk.clone()), "/data");
    log.renew(HEAD, &[], &state(1, 3)).await.unwrap();
    let mut ends = vec![disk.file("/data/log").len()];
    for record in [
        vec![entry(4, 2, "a"), entry(5, 2, "b")],
        vec![entry(5, 3, "c")],
    ] {
        let term = record[0].term;
        log.append(&record, &state(term, 4)).await.unwrap();
        ends.push(disk.file("/data/log").len());
    }
    (disk.file("/data/log"), ends)
}

async fn find(file: &[u8]) -> Result<Found, Error> {
    let disk = TestDisk::default();
    disk.put("/data/log", file);
    let found = Log::new(Disk::new(disk), "/data").find().await;
    found.map(|found| found.expect("there is a log"))
}

fn data(found: &Found) -> String {
    let data = found.entries.iter().flat_map(|entry| &entry.data);
    data.map(|byte| char::from(*byte)).collect()
}

#[tokio::test]
async fn an_entry_takes_the_place_of_those_after_it() {
    let (file, _) = written().await;
    let found = find(&file).await.unwrap();
    assert_eq!((data(&found), found.hard_state.term), ("ac".to_owned(), 3));
    assert_eq!((found.head, found.torn), (HEAD, None));
}

#[tokio::test]
async fn what_a_power_loss_cut_off_is_cut_off() {
    let (file, ends) = written().await;
    for cut in ends[0]..file.len() {
        for zeros in [0, 100] {
            let mut torn = file[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            let found = find(&torn).await.unwrap();
            // A record is there with or without its line end.
            let expected = match cut {
                _ if cut + 1 >= ends[2] => "ac",
                _ if cut + 1 >= ends[1] => "ab",
                _ => "",
            };
            assert_eq!(data(&found), expected, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_wrong_byte_is_damage_or_harmless() {
    let (file, _) = written().await;
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut wrong = file.clone();
            wrong[at] ^= 1 << bit;
            match find(&wrong).await {
                Ok(found) => assert_eq!(data(&found), "ac", "bit {bit} of byte {at}"),
                Err(Error::Damaged { offset, .. }) => assert!(offset <= at),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_gap_is_damage() {
    let disk = TestDisk::default();
    let log = Log::new(Disk::new(disk), "/data");
    log.renew(HEAD, &[], &state(1, 3)).await.unwrap();
    log.append(&[entry(5, 2, "a")], &state(2, 3)).await.unwrap();
    assert!(matches!(
        log.find().await,
        Err(Error::Damaged { member_id: 2, .. })
    ));
}
