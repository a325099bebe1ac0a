//! Records there and back, and that no part of one is another.

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>()
            .prop_filter("NaN is no value of SQLite's", |f| !f.is_nan())
            .prop_map(Value::Real),
        ".{0,20}".prop_map(Value::Text),
        vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let row = (
        ("[a-z]{1,8}", any::<i64>()),
        proptest::option::of(vec(value(), 0..4)),
    );
    prop_oneof![
        ".{0,60}".prop_map(Change::Schema),
        vec(row, 0..5).prop_map(|rows| Change::Rows(rows.into_iter().collect())),
    ]
}

fn sequence() -> impl Strategy<Value = Sequence> {
    (any::<i64>(), any::<bool>(), any::<i64>(), any::<i64>()).prop_map(
        |(last, called, increment, start)| Sequence {
            last,
            called,
            increment,
            start,
            logged: None,
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    (any::<u32>(), any::<bool>(), any::<[bool; 3]>()).prop_map(|(oid, password, flags)| Role {
        oid,
        verifier: password.then(|| Verifier::impossible("x")),
        login: flags[0],
        superuser: flags[1],
        replication: flags[2],
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let sequences = vec(("[a-z]{1,8}", proptest::option::of(sequence())), 0..3);
    prop_oneof![
        (any::<u32>(), vec(change(), 0..4), sequences).prop_map(
            |(database, changes, sequences)| Entry::Commit {
                database,
                changes,
                sequences
            }
        ),
        (".{0,20}", proptest::option::of(role()))
            .prop_map(|(name, role)| Entry::Role { name, role }),
        (".{0,20}", proptest::option::of(any::<u32>()))
            .prop_map(|(name, oid)| Entry::Database { name, oid }),
        (any::<u64>(), any::<bool>()).prop_map(|(redo, shutdown)| Entry::Checkpoint {
            redo: Lsn(redo),
            shutdown
        }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(timeline, previous)| Entry::EndOfRecovery { timeline, previous }),
    ]
}

fn record() -> impl Strategy<Value = WalRecord> {
    (any::<u64>(), any::<u64>(), any::<i64>(), entry()).prop_map(
        |(lsn, durable, time_us, entry)| WalRecord {
            lsn: Lsn(lsn),
            durable: Lsn(durable),
            time_us,
            entry,
        },
    )
}

proptest! {
    #[test]
    fn there_and_back(record in record()) {
        let bytes = record.encode();
        prop_assert_eq!(bytes.len() % ALIGNMENT, 0);
        let (again, length) = WalRecord::decode(&bytes, record.lsn).unwrap();
        prop_assert_eq!((again, length), (record, bytes.len()));
    }

    #[test]
    fn a_torn_record_is_no_record(record in record(), cut in any::<proptest::sample::Index>(), zeros in 0..64usize) {
        let bytes = record.encode();
        let mut torn = bytes[..cut.index(bytes.len())].to_vec();
        prop_assert!(WalRecord::decode(&torn, record.lsn).is_err());
        // A file can be longer than what was written of it; then there are zeros.
        torn.resize(torn.len() + zeros, 0);
        if torn.len() < bytes.len() || torn[..bytes.len()] != bytes[..] {
            prop_assert!(WalRecord::decode(&torn, record.lsn).is_err());
        }
    }

    #[test]
    fn a_changed_bit_is_seen(record in record(), place in any::<proptest::sample::Index>(), bit in 0..8u8) {
        let mut bytes = record.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(WalRecord::decode(&bytes, record.lsn).is_err());
    }

    #[test]
    fn a_record_elsewhere_is_none(record in record(), by in 1..1000u64) {
        let at = Lsn(record.lsn.0.wrapping_add(by));
        prop_assert!(WalRecord::decode(&record.encode(), at).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = WalRecord::decode(&bytes, Lsn(0));
        let _ = read_entry(&mut Reader(&bytes));
    }
}
