//! A snapshot is the store; anything else is refused in words.

use proptest::prelude::*;
use squall_etcd_stub::store::Store;

use crate::generate::{Step, actions, steps};

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
        let Ok(mut store) = Store::restore(&snapshot) else {
            return Ok(());
        };
        for step in &after {
            match step {
                Step::Do(action) => drop(store.apply(action)),
                Step::Range(range) => drop(store.range(range)),
                Step::ReadTxn(txn) => drop(store.read_txn(txn)),
            }
        }
        let again = Store::restore(&store.snapshot());
        prop_assert!(again.is_ok(), "{:?}", again.err());
    }
}

#[test]
fn an_empty_one_is_told() {
    for bytes in [&b""[..], b"SQETCD", b"SQETCD\0\x01", &[0; 100]] {
        assert!(Store::restore(bytes).is_err());
    }
    assert!(Store::restore(&Store::new().snapshot()).is_ok());
}
