//! Which transfers were applied, going by the balances alone: the sender's half and the receiver's half
//! of each.
//!
//! At best everything acknowledged was applied once, nothing refused, and of the unknown ones each whole
//! and once, or not at all. If the balances cannot be that, as little as possible is given up, in this
//! order:
//!
//! 1. one transfer went wrong, or two, or three: refused ones that were applied, whole or in half; as many
//!    unknown ones of which a half was applied, or more than once; both;
//! 2. any number of them did;
//! 3. acknowledged ones went wrong, too.
//!
//! Balances are sums, so this is an explanation and not the truth: among many refused transfers some will
//! add up to whatever an acknowledged one lost. Hence the order, and hence nothing is said to hold when
//! only many others can explain the balances.

use squall_record::Fate;

use super::Ledger;
use super::blame::{self, BLAMED_MAX, Few};
use super::system::{Found, System, Variable};

/// What the search for the best case may cost; a node is some tens of nanoseconds.
const NODES: u64 = 1_000_000;

/// What each search for somebody to blame may cost.
const NODES_BLAME: u64 = 100_000;

/// How the balances came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Explanation {
    /// As they should; these unknown transfers were applied, by their places in the ledger.
    Right(Vec<usize>),
    /// These few went wrong.
    Few(Few),
    /// Transfers of these fates went wrong, more than can be named.
    Many(Vec<Fate>),
    /// Acknowledged ones went wrong: no others can explain the balances, as far as was searched.
    Beyond,
    /// The search is too long.
    Open,
}

/// Explains the balances of a ledger.
pub(crate) fn explain(ledger: &Ledger<'_>) -> Explanation {
    let residual = ledger.residual();
    let right = Variables::of(ledger, &[]);
    let system = right.system(ledger);
    match system.solve(&residual, &mut { NODES }) {
        Found::Yes(values) => return Explanation::Right(right.done(&values)),
        Found::RanOut => return Explanation::Open,
        Found::No => {}
    }
    let has = |fate| ledger.transfers.iter().any(|one| one.fate == fate);
    let relaxed: Vec<&[Fate]> = [
        &[Fate::Refused][..],
        &[Fate::Unknown],
        &[Fate::Refused, Fate::Unknown],
    ]
    .into_iter()
    .filter(|fates| fates.iter().all(|fate| has(*fate)))
    .collect();
    let few = |fates: &[Fate], count| blame::search(ledger, &system, &residual, fates, count);
    let fewest = (1..=BLAMED_MAX).find_map(|count| {
        let mut relaxed = relaxed.iter();
        relaxed.find_map(|fates| few(fates, count))
    });
    if let Some(few) = fewest {
        return Explanation::Few(few);
    }
    for fates in &relaxed {
        let system = Variables::of(ledger, fates).system(ledger);
        if let Found::Yes(_) = system.solve(&residual, &mut { NODES_BLAME }) {
            return Explanation::Many(fates.to_vec());
        }
    }
    let mut counts = 1..=BLAMED_MAX;
    match counts.find_map(|count| few(&[Fate::Acknowledged], count)) {
        Some(few) => Explanation::Few(few),
        None => Explanation::Beyond,
    }
}

/// How many accounts are not within what the acknowledged transfers and any of the unknown ones, each
/// taken alone, could have made of them.
pub(crate) fn wrong_accounts(ledger: &Ledger<'_>) -> usize {
    let system = Variables::of(ledger, &[]).system(ledger);
    let residual = ledger.residual().into_iter().enumerate();
    residual
        .filter(|(account, beyond)| {
            let (least, most) = system.bounds(*account);
            *beyond < least || *beyond > most
        })
        .count()
}

/// What may have been done, and which transfer each is of.
struct Variables {
    list: Vec<Variable>,
    of: Vec<usize>,
}

impl Variables {
    /// Of the unknown transfers, whole; but of those of the relaxed fates the halves for themselves.
    fn of(ledger: &Ledger<'_>, relaxed: &[Fate]) -> Self {
        let mut variables = Self {
            list: Vec::new(),
            of: Vec::new(),
        };
        for (index, one) in ledger.transfers.iter().enumerate() {
            // The largest amount has a negative one, the least has no positive: it cannot be applied.
            let (plus, Some(minus)) = (one.amount, one.amount.checked_neg()) else {
                continue;
            };
            let (sender, receiver) = ((one.sender, plus), (one.receiver, minus));
            let mut add = |adds: Vec<(usize, i64)>, most| {
                variables.list.push(Variable { adds, most });
                variables.of.push(index);
            };
            match (one.fate, relaxed.contains(&one.fate)) {
                _ if plus == 0 => {}
                (Fate::Unknown, false) if one.sender == one.receiver => {}
                (Fate::Unknown, false) => add(vec![sender, receiver], 1),
                (Fate::Unknown | Fate::Refused, true) => {
                    let most = if one.fate == Fate::Unknown { 2 } else { 1 };
                    add(vec![sender], most);
                    add(vec![receiver], most);
                }
                (Fate::Refused, false) | (Fate::Acknowledged, _) => {}
            }
        }
        variables
    }

    fn system(&self, ledger: &Ledger<'_>) -> System {
        System::new(ledger.names.len(), &self.list)
    }

    /// The transfers that were done according to a solution.
    fn done(&self, values: &[u32]) -> Vec<usize> {
        let done = self.of.iter().zip(values).filter(|(_, value)| **value > 0);
        done.map(|(index, _)| *index).collect()
    }
}
