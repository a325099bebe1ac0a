//! The state machine against a model that is written down as simply as the contract is.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Request {
    Put(Entry, bool),
    Transaction(Option<u8>, Vec<Entry>),
    Reset,
}

fn entry() -> impl Strategy<Value = Entry> {
    let key = prop_oneof![Just("a"), Just("b"), Just("c d"), Just("")];
    let value = prop_oneof![Just(""), Just("1"), Just("2\n")];
    (key, value, 0i64..4).prop_map(|(key, value, version)| Entry {
        key: key.to_owned(),
        value: value.to_owned(),
        version,
    })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        4 => (entry(), any::<bool>()).prop_map(|(entry, accept)| Request::Put(entry, accept)),
        6 => (proptest::option::of(0u8..12), vec(entry(), 0..4))
            .prop_map(|(id, puts)| Request::Transaction(id, puts)),
        1 => Just(Request::Reset),
    ]
}

/// Values and versions; what was applied under which idempotency key, oldest first.
#[derive(Default)]
struct Model {
    entries: HashMap<String, (String, i64)>,
    applied: Vec<(u8, Vec<Entry>)>,
}

const KEYS_MAX: usize = 5;

impl Model {
    fn fits(&self, put: &Entry) -> bool {
        self.entries
            .get(&put.key)
            .is_none_or(|(_, version)| *version == put.version)
    }

    fn set(&mut self, put: &Entry) {
        let (value, version) = self.entries.entry(put.key.clone()).or_default();
        *value = put.value.clone();
        *version += 1;
    }

    fn answer(&mut self, request: &Request) -> &'static str {
        match request {
            Request::Reset => {
                self.entries.clear();
                "done"
            }
            Request::Put(put, accept) => {
                let same = self
                    .entries
                    .get(&put.key)
                    .is_some_and(|(value, _)| *value == put.value);
                if *accept && same {
                    return "equal";
                }
                if !self.fits(put) {
                    return "mismatch";
                }
                self.set(put);
                "done"
            }
            Request::Transaction(id, puts) => {
                let known = self.applied.iter().find(|(known, _)| Some(*known) == *id);
                match known {
                    Some((_, content)) if content == puts => return "repeated",
                    Some(_) => return "reused",
                    None => {}
                }
                let absent = |put: &Entry| !self.entries.contains_key(&put.key);
                let fits = |put: &Entry| {
                    let by_any = id.is_none() || !absent(put) || put.version == 0;
                    by_any && self.fits(put)
                };
                if !puts.iter().all(fits) {
                    return "mismatch";
                }
                puts.iter().for_each(|put| self.set(put));
                if let Some(id) = id {
                    self.applied.push((*id, puts.clone()));
                    let surplus = self.applied.len().saturating_sub(KEYS_MAX);
                    self.applied.drain(..surplus);
                }
                "done"
            }
        }
    }
}

fn list(store: &Store) -> Vec<(String, String, i64)> {
    let entries = store.entries().0;
    entries
        .map(|e| (e.key.to_owned(), e.value.to_owned(), e.version))
        .collect()
}

/// What the store says, and the operation if there is one.
fn decide(store: &Store, request: &Request) -> Result<Operation, &'static str> {
    match request {
        Request::Reset => Ok(Operation::Reset),
        Request::Put(put, accept) => match store.put(put.clone(), *accept) {
            Decision::Change(operation) => Ok(operation),
            Decision::Answer(NoPut::Equal, _) => Err("equal"),
            Decision::Answer(NoPut::Mismatch, _) => Err("mismatch"),
        },
        Request::Transaction(id, puts) => {
            let id = id.map(|id| format!("id-{id}"));
            match store.transaction(id, puts.clone()) {
                Decision::Change(operation) => Ok(operation),
                Decision::Answer(NoTransaction::Repeated, _) => Err("repeated"),
                Decision::Answer(NoTransaction::Reused, _) => Err("reused"),
                Decision::Answer(NoTransaction::Mismatch(current), _) => {
                    for entry in &current {
                        let (value, version, _) = store.get(&entry.key);
                        assert_eq!((&entry.value, entry.version), (&value, version));
                        let sent = puts.iter().find(|put| *put.key == *entry.key).unwrap();
                        assert!(puts.len() > 1 || sent.version != version);
                    }
                    assert!(!current.is_empty());
                    Err("mismatch")
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_the_contract_says(requests in vec(request(), 0..60)) {
        let (mut model, mut store) = (Model::default(), Store::new(KEYS_MAX));
        let mut operations = Vec::new();
        for (batch, request) in requests.iter().enumerate() {
            let expected = model.answer(request);
            match decide(&store, request) {
                Ok(operation) => {
                    prop_assert_eq!(expected, "done");
                    operations.push(operation.clone());
                    store.apply(operation, batch as u64).unwrap();
                }
                Err(said) => prop_assert_eq!(said, expected),
            }
            let mut entries: Vec<_> = model.entries.clone().into_iter()
                .map(|(key, (value, version))| (key, value, version))
                .collect();
            entries.sort();
            prop_assert_eq!(list(&store), entries);
            prop_assert_eq!(store.repeats().in_order().len(), model.applied.len());
        }
        // Operations, written and read, lead to the same state.
        let mut again = Store::new(KEYS_MAX);
        for operation in operations {
            let text = serde_json::to_string(&operation).unwrap();
            let read: Operation = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &operation);
            again.apply(read, 0).unwrap();
        }
        prop_assert_eq!(list(&again), list(&store));
        let repeats = |store: &Store| store.repeats().in_order().cloned().collect::<Vec<_>>();
        prop_assert_eq!(repeats(&again), repeats(&store));
    }
}

#[test]
fn answers_rest_on_the_batch_that_made_what_they_say() {
    let mut store = Store::new(8);
    let put = |key: &str, version| Entry {
        key: key.to_owned(),
        value: "1".to_owned(),
        version,
    };
    let apply = |store: &mut Store, puts: Vec<Entry>, id: Option<&str>, batch| match store
        .transaction(id.map(str::to_owned), puts)
    {
        Decision::Change(operation) => store.apply(operation, batch).unwrap(),
        other => panic!("{other:?}"),
    };
    apply(&mut store, vec![put("a", 0)], None, 3);
    apply(&mut store, vec![put("b", 0)], Some("x"), 4);
    assert_eq!(
        (store.get("a").2, store.get("b").2, store.get("c").2),
        (3, 4, 0)
    );
    assert_eq!(store.entries().1, 4);
    match store.transaction(Some("x".to_owned()), vec![put("b", 0)]) {
        Decision::Answer(NoTransaction::Repeated, 4) => {}
        other => panic!("{other:?}"),
    }
    match store.transaction(None, vec![put("a", 7), put("b", 7)]) {
        Decision::Answer(NoTransaction::Mismatch(current), 4) => assert_eq!(current.len(), 2),
        other => panic!("{other:?}"),
    }
    store.apply(Operation::Reset, 5).unwrap();
    assert_eq!(store.get("a").2, 5);
    // A transaction that was applied before the reset is not applied after it.
    let again = store.transaction(Some("x".to_owned()), vec![put("b", 0)]);
    assert_eq!(again, Decision::Answer(NoTransaction::Repeated, 4));
}
