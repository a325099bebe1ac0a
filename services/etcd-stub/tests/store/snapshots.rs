//! A snapshot is the store; anything else is refused in words.

use etcd_client::proto::PbKeyValue;
use proptest::prelude::*;
use prost::Message;
use squall_etcd_stub::store::Store;

use crate::generate::{Step, actions, steps};

/// The head of a snapshot, as the format has it.
#[derive(Clone, PartialEq, prost::Message)]
struct Head {
    #[prost(int64, tag = "1")]
    revision: i64,
    #[prost(int64, tag = "2")]
    compacted: i64,
    #[prost(uint64, tag = "3")]
    leases: u64,
    #[prost(uint64, tag = "4")]
    versions: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseRecord {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl_s: i64,
}

/// A snapshot of whatever is said to be in it.
fn forge(revision: i64, compacted: i64, leases: &[i64], versions: &[PbKeyValue]) -> Vec<u8> {
    let head = Head {
        revision,
        compacted,
        leases: leases.len() as u64,
        versions: versions.len() as u64,
    };
    let mut body = head.encode_length_delimited_to_vec();
    for &id in leases {
        body.extend(LeaseRecord { id, ttl_s: 60 }.encode_length_delimited_to_vec());
    }
    for kv in versions {
        body.extend(kv.encode_length_delimited_to_vec());
    }
    let length = (body.len() as u64).to_le_bytes();
    let mut snapshot = [b"SQETCD\0\x01", &length[..], &body, &[0; 4]].concat();
    seal(&mut snapshot);
    snapshot
}

/// A version of the key `a`.
fn a(create_revision: i64, mod_revision: i64, version: i64, lease: i64) -> PbKeyValue {
    PbKeyValue {
        key: b"a".to_vec(),
        create_revision,
        mod_revision,
        version,
        lease,
        ..Default::default()
    }
}

fn store(actions: &[squall_etcd_stub::command::Action]) -> Store {
    let mut store = Store::new();
    for action in actions {
        let _refused = store.apply(action);
    }
    store
}

/// Puts the right checksum under a snapshot that was changed, so that what is behind it is reached.
fn seal(snapshot: &mut [u8]) {
    let Some(end) = snapshot.len().checked_sub(4) else {
        return;
    };
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&snapshot[..end]);
    snapshot[end..].copy_from_slice(&crc.to_le_bytes());
}

proptest! {
    #[test]
    fn a_restored_store_is_the_same(before in actions(60), after in steps(30)) {
        let mut one = store(&before);
        let snapshot = one.snapshot();
        let mut other = Store::restore(&snapshot).unwrap();
        prop_assert_eq!(other.snapshot(), snapshot);
        for step in &after {
            match step {
                Step::Do(action) => prop_assert_eq!(one.apply(action), other.apply(action)),
                Step::Range(range) => prop_assert_eq!(one.range(range), other.range(range)),
                Step::ReadTxn(txn) => prop_assert_eq!(one.read_txn(txn), other.read_txn(txn)),
            }
        }
        prop_assert_eq!(one.snapshot(), other.snapshot());
        prop_assert_eq!(one.size_bytes(), other.size_bytes());
        prop_assert_eq!(
            one.events(one.compacted(), b"\0", b"\0", true, usize::MAX),
            other.events(one.compacted(), b"\0", b"\0", true, usize::MAX)
        );
    }

    #[test]
    fn damage_is_told(actions in actions(40), at: prop::sample::Index, flip in 1_u8.., cut: prop::sample::Index) {
        let snapshot = store(&actions).snapshot();
        let mut flipped = snapshot.to_vec();
        flipped[at.index(snapshot.len())] ^= flip;
        prop_assert!(Store::restore(&flipped).is_err());
        prop_assert!(Store::restore(&snapshot[..cut.index(snapshot.len())]).is_err());
        let longer = [&snapshot[..], &[flip]].concat();
        prop_assert!(Store::restore(&longer).is_err());
    }

    /// Numbers near those that fit.
    #[test]
    fn an_invented_snapshot_does_no_harm(
        revision in 1_i64..6,
        compacted in -1_i64..6,
        versions in proptest::collection::vec((0_i64..6, 0_i64..6, 0_i64..3, 0_i64..2), 0..4),
        after in steps(20),
    ) {
        let versions: Vec<_> = versions.into_iter().map(|(c, m, v, l)| a(c, m, v, l)).collect();
        check_harmless(&forge(revision, compacted, &[1], &versions), &after)?;
    }

    /// Whoever made it, with a right checksum: refused, or a store that can be used.
    #[test]
    fn a_forged_snapshot_does_no_harm(
        before in actions(40),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        after in steps(20),
    ) {
        let mut snapshot = store(&before).snapshot().to_vec();
        for (at, byte) in changes {
            let body = 16..snapshot.len() - 4;
            snapshot[body.start + at.index(body.len())] = byte;
        }
        seal(&mut snapshot);
        check_harmless(&snapshot, &after)?;
    }
}

/// Refused, or a store that can be used.
fn check_harmless(snapshot: &[u8], after: &[Step]) -> Result<(), TestCaseError> {
    let Ok(mut store) = Store::restore(snapshot) else {
        return Ok(());
    };
    for step in after {
        match step {
            Step::Do(action) => drop(store.apply(action)),
            Step::Range(range) => drop(store.range(range)),
            Step::ReadTxn(txn) => drop(store.read_txn(txn)),
        }
    }
    let again = Store::restore(&store.snapshot());
    prop_assert!(again.is_ok(), "{:?}", again.err());
    Ok(())
}

#[test]
fn what_cannot_be_is_told() {
    let good = forge(3, -1, &[7], &[a(2, 2, 1, 0), a(2, 3, 2, 7)]);
    assert!(Store::restore(&good).is_ok());
    let no_key = PbKeyValue {
        key: Vec::new(),
        ..a(2, 2, 1, 0)
    };
    let cases = [
        ("revision 0", forge(0, -1, &[], &[])),
        ("compacted at 3", forge(2, 3, &[], &[])),
        ("compacted at -2", forge(2, -2, &[], &[])),
        (
            "revision 9223372036854775807",
            forge(i64::MAX, -1, &[], &[]),
        ),
        ("lease 7 is out of order", forge(2, -1, &[7, 7], &[])),
        ("lease 0 is out of order", forge(2, -1, &[0], &[])),
        ("has no key", forge(2, -1, &[], &[no_key])),
        (
            "out of order",
            forge(3, -1, &[], &[a(3, 3, 1, 0), a(2, 2, 1, 0)]),
        ),
        ("out of order", forge(2, -1, &[], &[a(3, 3, 1, 0)])),
        (
            "a deletion with more",
            forge(3, -1, &[], &[a(2, 2, 1, 0), a(2, 3, 0, 0)]),
        ),
        ("deletes what was not", forge(3, -1, &[], &[a(0, 2, 0, 0)])),
        (
            "does not follow",
            forge(3, -1, &[], &[a(2, 2, 1, 0), a(2, 3, 3, 0)]),
        ),
        (
            "does not follow",
            forge(3, -1, &[], &[a(2, 2, 1, 0), a(3, 3, 2, 0)]),
        ),
        ("does not follow", forge(3, -1, &[], &[a(2, 3, 1, 0)])),
        ("does not follow", forge(3, 3, &[], &[a(2, 2, i64::MAX, 0)])),
        ("below 0", forge(2, -1, &[], &[a(2, 2, -1, 0)])),
        (
            "lease 9, which it does not",
            forge(2, -1, &[7], &[a(2, 2, 1, 9)]),
        ),
    ];
    for (words, forged) in cases {
        let told = Store::restore(&forged).map(|_| ()).unwrap_err();
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
}

#[test]
fn an_empty_one_is_told() {
    for bytes in [&b""[..], b"SQETCD", b"SQETCD\0\x01", &[0; 100]] {
        assert!(Store::restore(bytes).is_err());
    }
    assert!(Store::restore(&Store::new().snapshot()).is_ok());
}
