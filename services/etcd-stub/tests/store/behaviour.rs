//! Every answer is the model's, and so is what is there afterwards.

use proptest::prelude::*;
use squall_etcd_stub::command::Action;
use squall_etcd_stub::store::{self, Store};

use crate::generate::{Step, actions, range, steps};
use crate::model::Model;

proptest! {
    #[test]
    fn answers_as_the_model_does(steps in steps(60)) {
        let mut store = Store::new();
        let mut model = Model::new();
        for step in &steps {
            match step {
                Step::Do(action) => {
                    let before = store.snapshot();
                    let reply = store.apply(action);
                    prop_assert_eq!(&reply, &model.apply(action), "{:?}", action);
                    if reply.is_err() {
                        prop_assert_eq!(store.snapshot(), before, "a refusal changed something");
                    }
                }
                Step::Range(range) => {
                    prop_assert_eq!(store.range(range), model.range(range), "{:?}", range);
                }
                Step::ReadTxn(txn) => {
                    prop_assert!(store::is_read_only(txn));
                    prop_assert_eq!(store.read_txn(txn), model.read_txn(txn), "{:?}", txn);
                }
            }
            prop_assert_eq!(store.revision(), model.revision());
            prop_assert_eq!(store.compacted(), model.compacted.max(0));
            let leases: Vec<_> = store.leases().map(|(id, l)| (id, l.ttl_s, l.keys.clone())).collect();
            let expected: Vec<_> = model
                .leases
                .iter()
                .map(|(&id, &ttl_s)| (id, ttl_s, model.keys_of(id)))
                .collect();
            prop_assert_eq!(leases, expected);
        }
    }

    #[test]
    fn every_revision_reads_as_it_was(actions in actions(60), reads in proptest::collection::vec(range(), 20)) {
        let mut store = Store::new();
        let mut model = Model::new();
        for action in &actions {
            prop_assert_eq!(store.apply(action), model.apply(action));
        }
        for revision in -1..=model.revision() + 2 {
            for read in &reads {
                let read = etcd_client::proto::PbRangeRequest { revision, ..read.clone() };
                prop_assert_eq!(store.range(&read), model.range(&read), "{:?}", read);
            }
        }
    }

    #[test]
    fn the_same_commands_give_the_same_bytes(actions in actions(80)) {
        let [mut one, mut other] = [Store::new(), Store::new()];
        for action in &actions {
            prop_assert_eq!(one.apply(action), other.apply(action));
        }
        prop_assert_eq!(one.snapshot(), other.snapshot());
        prop_assert_eq!(one.hash(), other.hash());
        prop_assert_eq!(one.hash_kv(0), other.hash_kv(0));
    }

    /// Of keys alone, back to the compaction: it does not change with what comes later.
    #[test]
    fn the_hash_of_a_revision_stays(actions in actions(60)) {
        let mut store = Store::new();
        let mut hashes = Vec::new();
        for action in actions.iter().filter(|action| !matches!(action, Action::Compact(_))) {
            let _refused = store.apply(action);
            hashes.push((store.revision(), store.hash_kv(0).unwrap()));
        }
        for (revision, hash) in hashes {
            prop_assert_eq!(store.hash_kv(revision).unwrap(), hash);
        }
    }
}
