//! What a watch is given is what made one state out of the other.

use etcd_client::EventType;
use etcd_client::proto::{PbCompactionRequest, PbDeleteRequest, PbPutRequest};
use proptest::prelude::*;
use squall_etcd_stub::command::Action;
use squall_etcd_stub::refusal::Refusal;
use squall_etcd_stub::store::Store;

use crate::generate::{actions, span};
use crate::model::{Model, is_within};

/// Where a watch begins: at a revision, or so much after the compaction.
#[derive(Clone, Copy, Debug)]
enum From {
    Start(i64),
    Compaction(i64),
}

proptest! {
    /// From any revision, of any keys, in pieces of any size.
    #[test]
    fn events_are_the_models(
        actions in actions(60),
        from in prop_oneof![(0_i64..40).prop_map(From::Start), (-1_i64..3).prop_map(From::Compaction)],
        (key, range_end) in span(),
        prev_kv: bool,
        bytes_max in 0_usize..200,
    ) {
        let mut store = Store::new();
        let mut model = Model::new();
        for action in &actions {
            prop_assert_eq!(store.apply(action), model.apply(action));
        }
        let from = match from {
            From::Start(revision) => revision,
            From::Compaction(later) => model.compacted.max(0) + later,
        };
        if from < model.compacted {
            let refused = store.events(from, &key, &range_end, prev_kv, bytes_max);
            prop_assert_eq!(refused, Err(Refusal::Compacted));
            return Ok(());
        }
        let mut next = from;
        let mut events = Vec::new();
        while next <= store.revision() {
            let (some, upto) = store.events(next, &key, &range_end, prev_kv, bytes_max).unwrap();
            prop_assert!(upto >= next && (upto == store.revision() || !some.is_empty()));
            prop_assert!(some.iter().all(|e| (next..=upto).contains(&e.kv.as_ref().unwrap().mod_revision)));
            next = upto + 1;
            events.extend(some);
        }
        let expected: Vec<_> = model
            .events
            .iter()
            .filter(|event| event.kv.as_ref().is_some_and(|kv| {
                kv.mod_revision >= from && is_within(&kv.key, &key, &range_end)
            }))
            .cloned()
            .map(|mut event| {
                let kv = event.kv.as_ref().unwrap();
                let is_new = kv.create_revision == kv.mod_revision;
                // What was before a compaction is gone.
                if !prev_kv || is_new || kv.mod_revision <= model.compacted {
                    event.prev_kv = None;
                }
                event
            })
            .collect();
        prop_assert_eq!(events, expected);
    }

    /// The model's own events, applied to its own states.
    #[test]
    fn events_lead_from_state_to_state(actions in actions(60)) {
        let mut store = Store::new();
        let mut model = Model::new();
        for action in &actions {
            prop_assert_eq!(store.apply(action), model.apply(action));
        }
        let from = model.compacted.max(1);
        let mut state = model.states[from as usize].clone();
        let (events, upto) = store.events(from + 1, b"\0", b"\0", false, usize::MAX).unwrap();
        prop_assert_eq!(upto, model.revision());
        let mut revision = from;
        for event in events {
            let kv = event.kv.unwrap();
            if kv.mod_revision != revision {
                prop_assert_eq!(&state, &model.states[revision as usize]);
                prop_assert_eq!(kv.mod_revision, revision + 1, "a revision without an event");
                revision += 1;
            }
            if event.r#type == EventType::Put as i32 {
                state.insert(kv.key.clone(), kv);
            } else {
                prop_assert!(state.remove(&kv.key).is_some());
            }
        }
        prop_assert_eq!(&state, model.states.last().unwrap());
    }
}

fn put(value: &[u8]) -> Action {
    Action::Put(PbPutRequest {
        key: b"a".to_vec(),
        value: value.to_vec(),
        ..Default::default()
    })
}

fn compact(revision: i64) -> Action {
    Action::Compact(PbCompactionRequest {
        revision,
        physical: false,
    })
}

/// A watch may begin at the compaction: it is told what changed there, a deletion too, but not what was before.
#[test]
fn a_compaction_keeps_its_own_revision() {
    let mut store = Store::new();
    let delete = Action::DeleteRange(PbDeleteRequest {
        key: b"a".to_vec(),
        ..Default::default()
    });
    for action in [put(b"1"), put(b"2"), compact(3)] {
        store.apply(&action).unwrap();
    }
    let (events, _) = store.events(3, b"a", b"", true, usize::MAX).unwrap();
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event.kv.as_ref().unwrap().value, b"2");
    assert_eq!(event.prev_kv, None);

    for action in [delete, compact(4)] {
        store.apply(&action).unwrap();
    }
    let (events, _) = store.events(4, b"a", b"", true, usize::MAX).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].r#type, EventType::Delete as i32);
    assert_eq!(events[0].prev_kv, None);

    for action in [put(b"3"), compact(5), put(b"4"), compact(6)] {
        store.apply(&action).unwrap();
    }
    let mut fresh = Store::new();
    fresh.apply(&put(b"4")).unwrap();
    assert_eq!(
        store.size_bytes(),
        fresh.size_bytes(),
        "old versions are kept"
    );
}
