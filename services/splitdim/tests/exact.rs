//! Transfers while the store loses requests and answers, is late, repeats, and lies: exact in mode
//! `transactionalkvstore`, and not in the seed's.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::memory::Memory;
use common::store::{FakeStore, Fate};
use common::{Service, start};
use proptest::prelude::*;
use squall_resilient::Random;
use tokio::time::sleep;

const SENDERS: u64 = 3;

/// What a client knows of its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Applied,
    Refused,
    Unknown,
}

/// Many clients at two instances, the senders few, each receiver new; then calm. What is wrong in the
/// end, and how many transfers ended how.
async fn story(mode: &str, seed: u64, trouble: f64) -> (Vec<String>, [usize; 3]) {
    let net = Memory::default();
    let store = FakeStore::start(&net);
    let instances: Vec<Service> = (0..2).map(|n| start(&net, 8_000 + n, mode, &[])).collect();
    store.trouble(seed, trouble);
    let mut random = Random::from_seed(seed);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8_usize {
        let (host, port) = (
            instances[client % 2].host.clone(),
            instances[client % 2].port,
        );
        let mut random = Random::from_seed(random.bits());
        clients.spawn(async move {
            let mut done = Vec::new();
            for n in 0..12 {
                let sender = format!("s{}", random.bits() % SENDERS);
                let receiver = format!("r{client}.{n}");
                let amount = (random.bits() % 100) as i64 + 1;
                let body =
                    serde_json::json!({"sender": sender, "receiver": receiver, "amount": amount});
                let body = body.to_string();
                let asked = common::ask(&host, port, "POST", "/api/transfer", body.as_bytes());
                let known = match asked.await.map(|answer| answer.status) {
                    Some(200) => Known::Applied,
                    Some(503) => Known::Refused,
                    _ => Known::Unknown,
                };
                done.push((sender, receiver, amount, known));
                sleep(Duration::from_millis(random.bits() % 300)).await;
            }
            done
        });
    }
    let transfers = clients.join_all().await.concat();
    store.fate(|_| Fate::Done);
    sleep(Duration::from_secs(120)).await;
    let mut wrong = Vec::new();
    let mut senders = BTreeMap::new();
    let mut counts = [0; 3];
    for (sender, receiver, amount, known) in transfers {
        counts[known as usize] += 1;
        let times = -store.balance(&receiver) / amount;
        *senders.entry(sender.clone()).or_insert(0) += times * amount;
        let right = match known {
            Known::Applied => times == 1,
            Known::Refused => times == 0,
            Known::Unknown => times == 0 || times == 1,
        };
        if !right {
            wrong.push(format!("{sender} {receiver} {known:?}: {times} times"));
        }
    }
    for (sender, balance) in senders {
        if store.balance(&sender) != balance {
            wrong.push(format!(
                "{sender}: {} for {balance}",
                store.balance(&sender)
            ));
        }
    }
    (wrong, counts)
}

/// On a clock that stands until everybody waits.
fn play(mode: &str, seed: u64, trouble: f64) -> (Vec<String>, [usize; 3]) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story(mode, seed, trouble))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transactions_are_exact_whatever_the_store_does(seed: u64, trouble in 0.0..0.9) {
        let (wrong, counts) = play("transactionalkvstore", seed, trouble);
        prop_assert!(wrong.is_empty(), "{wrong:?} {counts:?}");
    }
}

#[test]
fn without_trouble_everything_is_acknowledged() {
    for mode in ["transactionalkvstore", "resilientkvstore", "kvstore"] {
        let (wrong, counts) = play(mode, 1, 0.0);
        assert_eq!((wrong, counts), (Vec::new(), [96, 0, 0]), "{mode}");
    }
}

#[test]
fn the_seeds_modes_are_not_exact_when_answers_are_lost() {
    for mode in ["resilientkvstore", "kvstore"] {
        let (wrong, _) = play(mode, 1, 0.3);
        assert!(!wrong.is_empty(), "{mode}");
    }
}
