//! The search for an explanation, on random histories: what was really done is found, and what is found
//! could really have been done.

use proptest::collection::vec;
use proptest::prelude::*;
use squall_record::{Fate, Sample};

use super::Ledger;
use super::blame::{Deviation, Few};
use super::explain::{Explanation, explain};
use crate::samples;

/// A transfer, and how often each half of it was applied.
#[derive(Clone, Debug)]
struct Done {
    pair: (usize, usize),
    amount: i64,
    fate: Fate,
    sender: i64,
    receiver: i64,
}

/// As it should be: what was acknowledged once, what was refused never, the others once or never.
fn right(accounts: usize) -> impl Strategy<Value = Done> {
    let fate = prop_oneof![
        3 => Just(Fate::Acknowledged),
        1 => Just(Fate::Refused),
        2 => Just(Fate::Unknown),
    ];
    let pair = (0..accounts, 0..accounts);
    let amount = prop_oneof![9 => 1..100_i64, 1 => -5..5_i64, 1 => (1_i64 << 40)..(1 << 41)];
    (pair, amount, fate, any::<bool>()).prop_map(|(pair, amount, fate, was_done)| {
        let times = match fate {
            Fate::Acknowledged => 1,
            Fate::Refused => 0,
            Fate::Unknown => i64::from(was_done),
        };
        Done {
            pair,
            amount,
            fate,
            sender: times,
            receiver: times,
        }
    })
}

fn history() -> impl Strategy<Value = Vec<Done>> {
    (2..12_usize).prop_flat_map(|accounts| vec(right(accounts), 1..60))
}

/// Calls `check` with the ledger of a history.
fn with_ledger<T>(history: &[Done], check: impl FnOnce(&Ledger<'_>) -> T) -> T {
    let name = |account: usize| format!("u{account}");
    let mut held = [0_i64; 12];
    let mut sent: Vec<Sample> = Vec::new();
    for (one, at_s) in history.iter().zip(0..) {
        let (sender, receiver) = one.pair;
        held[sender] += one.amount * one.sender;
        held[receiver] -= one.amount * one.receiver;
        let make = match one.fate {
            Fate::Acknowledged => samples::transfer,
            Fate::Refused => samples::refused,
            Fate::Unknown => samples::unknown,
        };
        sent.push(make(at_s, &name(sender), &name(receiver), one.amount));
    }
    let names: Vec<String> = (0..held.len()).map(name).collect();
    let held: Vec<(&str, i64)> = names.iter().map(String::as_str).zip(held).collect();
    sent.push(samples::balances(100_000, &held));
    let record = samples::record(sent);
    let accounts = samples::accounts();
    check(&Ledger::read(&record, &accounts).unwrap())
}

/// What the balances are beyond what was acknowledged, these unknown ones and these deviations.
fn left(ledger: &Ledger<'_>, done: &[usize], deviations: &[Deviation]) -> Vec<i128> {
    let mut left = ledger.residual();
    let whole = done.iter().map(|transfer| Deviation {
        transfer: *transfer,
        sender: 1,
        receiver: 1,
    });
    for one in whole.chain(deviations.iter().copied()) {
        for (account, adds) in ledger.effect(&one) {
            left[account] -= adds;
        }
    }
    left
}

/// Whether some choice of the unknown ones comes to the sums, by trying all.
fn any_choice(ledger: &Ledger<'_>, deviations: &[Deviation]) -> bool {
    let unknown = ledger.transfers.iter().enumerate();
    let unknown: Vec<usize> = unknown
        .filter(|(_, one)| one.fate == Fate::Unknown)
        .map(|(index, _)| index)
        .collect();
    (0..1_u32 << unknown.len()).any(|choice| {
        let chosen = unknown.iter().enumerate();
        let chosen = chosen.filter(|(bit, _)| choice >> bit & 1 == 1);
        let done: Vec<usize> = chosen.map(|(_, index)| *index).collect();
        left(ledger, &done, deviations)
            .iter()
            .all(|left| *left == 0)
    })
}

proptest! {
    #[test]
    fn what_is_right_is_explained(history in history()) {
        with_ledger(&history, |ledger| {
            let explanation = explain(ledger);
            let Explanation::Right(done) = &explanation else {
                panic!("{explanation:?}")
            };
            for transfer in done {
                assert_eq!(ledger.transfers[*transfer].fate, Fate::Unknown);
            }
            let left = left(ledger, done, &[]);
            assert!(left.iter().all(|left| *left == 0), "{left:?}");
        });
    }

    /// Small enough to try all choices beside the search.
    #[test]
    fn what_went_wrong_is_never_right(
        history in vec(right(5), 1..14),
        wrong in vec((any::<prop::sample::Index>(), -1..=2_i64, -1..=2_i64), 0..4),
    ) {
        let mut history = history;
        for (index, sender, receiver) in wrong {
            let one = index.get_mut(&mut history);
            one.sender += sender;
            one.receiver += receiver;
        }
        with_ledger(&history, |ledger| {
            let explanation = explain(ledger);
            let is_right = matches!(explanation, Explanation::Right(_));
            assert_eq!(is_right, any_choice(ledger, &[]), "{explanation:?}");
            match &explanation {
                Explanation::Right(done) => {
                    assert!(left(ledger, done, &[]).iter().all(|left| *left == 0));
                }
                Explanation::Few(Few { deviations, .. }) => {
                    assert!(any_choice(ledger, deviations), "{explanation:?}");
                }
                Explanation::Many(_) | Explanation::Beyond => {}
                Explanation::Open => panic!("it ran out"),
            }
        });
    }

    /// One that went wrong is enough to explain, so nobody blames more than one.
    #[test]
    fn the_fewest_are_blamed(history in history(), which in any::<prop::sample::Index>(), half in 0..3_u8) {
        let mut history = history;
        let others = history.iter_mut().filter(|one| one.fate != Fate::Acknowledged);
        let mut others: Vec<_> = others.filter(|one| one.pair.0 != one.pair.1).collect();
        if others.is_empty() {
            return Ok(());
        }
        let one = which.get_mut(&mut others);
        one.sender += i64::from(half != 0);
        one.receiver += i64::from(half != 1);
        with_ledger(&history, |ledger| match explain(ledger) {
            Explanation::Right(done) => {
                assert!(left(ledger, &done, &[]).iter().all(|left| *left == 0));
            }
            Explanation::Few(few) => {
                assert_eq!(few.deviations.len(), 1);
                assert_ne!(ledger.transfers[few.deviations[0].transfer].fate, Fate::Acknowledged);
            }
            other => panic!("{other:?}"),
        });
    }
}

/// Twenty users, as in the scenarios; amounts from 1 to 100, spread without a generator.
fn many(count: usize, fate: impl Fn(usize) -> Fate) -> Vec<Done> {
    let each = (0..count).map(|index| {
        let sender = index * 7 % 20;
        let fate = fate(index);
        let times = match fate {
            Fate::Acknowledged => 1,
            Fate::Refused => 0,
            Fate::Unknown => i64::from(index * index % 7 < 3),
        };
        Done {
            pair: (sender % 12, (sender + 1 + index * 13 % 11) % 12),
            amount: (index * index * 31 % 100) as i64 + 1,
            fate,
            sender: times,
            receiver: times,
        }
    });
    each.collect()
}

#[test]
fn forty_unknown_ones_among_thousands_are_told() {
    let history = many(8000, |index| match index % 200 {
        0 => Fate::Unknown,
        1 => Fate::Refused,
        _ => Fate::Acknowledged,
    });
    with_ledger(&history, |ledger| {
        assert!(matches!(explain(ledger), Explanation::Right(_)));
    });
}

/// It ends, within its budget, whatever it finds.
#[test]
fn huge_damage_among_very_many_unknown_ones_ends() {
    let mut history = many(2000, |index| match index % 3 {
        0 => Fate::Unknown,
        1 => Fate::Refused,
        _ => Fate::Acknowledged,
    });
    for one in history.iter_mut().step_by(5) {
        one.receiver = 0;
    }
    with_ledger(&history, |ledger| {
        assert!(!matches!(explain(ledger), Explanation::Few(_)));
    });
}

/// Whole transfers keep the sum, so no choice of them has to be tried.
#[test]
fn money_that_is_missing_among_very_many_unknown_ones_is_never_open() {
    let mut history = many(300, |_| Fate::Unknown);
    history[10].sender += 1;
    with_ledger(&history, |ledger| {
        assert!(matches!(explain(ledger), Explanation::Few(few) if few.deviations.len() == 1));
    });
}
