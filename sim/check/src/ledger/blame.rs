//! The fewest transfers that must have gone wrong for the balances to be what they are, by trying: one,
//! then two, then three. For a report that can name them; nothing rests on a search that finds none.

use std::collections::{BTreeMap, BTreeSet};

use squall_record::Fate;

use super::Ledger;
use super::system::{Found, System};

/// The most transfers that are blamed one by one.
pub(crate) const BLAMED_MAX: usize = 3;

/// What a search may cost.
const NODES: u64 = 100_000;

/// What one solution of the rest may cost.
const NODES_EACH: u64 = 10_000;

/// What happened to a transfer beyond what is right for it: how often more, or less, each half was
/// applied. An unknown one may beside that have been applied once or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deviation {
    /// By its place in the ledger.
    pub(crate) transfer: usize,
    pub(crate) sender: i8,
    pub(crate) receiver: i8,
}

/// The transfers to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few {
    pub(crate) deviations: Vec<Deviation>,
    /// Whether no other transfers, and as few, would explain the balances.
    pub(crate) is_unique: bool,
}

/// Looks for so many transfers of these fates that can be to blame, with the others as in `system`. That
/// fewer are not enough was found out before.
pub(crate) fn search(
    ledger: &Ledger<'_>,
    system: &System,
    residual: &[i128],
    fates: &[Fate],
    count: usize,
) -> Option<Few> {
    let mut trial = Trial::new(ledger, system, residual, fates);
    trial.search(count);
    let is_unique = trial.found.len() == 1 && trial.nodes > 0;
    let (_, deviations) = trial.found.pop_first()?;
    Some(Few {
        deviations,
        is_unique,
    })
}

struct Trial<'a> {
    ledger: &'a Ledger<'a>,
    system: &'a System,
    candidates: Vec<Deviation>,
    /// For each account: the candidates that change it.
    of_account: Vec<Vec<usize>>,
    /// What is still to be explained.
    open: Vec<i128>,
    /// The accounts that the system cannot bring to it.
    wrong: BTreeSet<usize>,
    chosen: Vec<Deviation>,
    /// By the transfers to blame; no more than two.
    found: BTreeMap<Vec<usize>, Vec<Deviation>>,
    nodes: u64,
}

impl<'a> Trial<'a> {
    fn new(ledger: &'a Ledger<'a>, system: &'a System, residual: &[i128], fates: &[Fate]) -> Self {
        let transfers = ledger.transfers.iter().enumerate();
        let of_fates = transfers.filter(|(_, one)| fates.contains(&one.fate));
        let candidates: Vec<Deviation> = of_fates
            .filter(|(_, one)| one.amount != 0)
            .flat_map(|(transfer, one)| {
                let possible: &[(i8, i8)] = match one.fate {
                    Fate::Acknowledged => &[(-1, -1), (1, 1), (-1, 0), (0, -1), (1, 0), (0, 1)],
                    Fate::Refused | Fate::Unknown => &[(1, 1), (1, 0), (0, 1)],
                };
                possible.iter().map(move |&(sender, receiver)| Deviation {
                    transfer,
                    sender,
                    receiver,
                })
            })
            .collect();
        let mut of_account = vec![Vec::new(); residual.len()];
        for (index, one) in candidates.iter().enumerate() {
            for (account, _) in ledger.effect(one) {
                of_account[account].push(index);
            }
        }
        let wrong = (0..residual.len()).filter(|a| !system.is_within_reach(*a, residual[*a]));
        Self {
            ledger,
            system,
            candidates,
            of_account,
            open: residual.to_vec(),
            wrong: wrong.collect(),
            chosen: Vec::new(),
            found: BTreeMap::new(),
            nodes: NODES,
        }
    }

    /// Blames up to so many more.
    fn search(&mut self, left: usize) {
        if self.wrong.len() > 2 * left {
            return;
        }
        if self.wrong.is_empty() && !self.chosen.is_empty() && self.solves() {
            let mut transfers: Vec<usize> = self.chosen.iter().map(|one| one.transfer).collect();
            transfers.sort_unstable();
            let chosen = self.chosen.clone();
            self.found.entry(transfers).or_insert(chosen);
            return;
        }
        // One of those that change a wrong account must be to blame. Where no account tells, any of all
        // may be, and two of all are too many to try.
        if left == 0 || (self.wrong.is_empty() && left > 1) {
            return;
        }
        let account = self.wrong.first().copied();
        let count = account.map_or(self.candidates.len(), |a| self.of_account[a].len());
        for at in 0..count {
            if self.nodes == 0 || self.found.len() > 1 {
                return;
            }
            let one = self.candidates[account.map_or(at, |a| self.of_account[a][at])];
            if self
                .chosen
                .iter()
                .any(|other| other.transfer == one.transfer)
            {
                continue;
            }
            self.nodes -= 1;
            self.apply(&one, 1);
            self.chosen.push(one);
            self.search(left - 1);
            self.chosen.pop();
            self.apply(&one, -1);
        }
    }

    fn solves(&mut self) -> bool {
        let mut each = self.nodes.min(NODES_EACH);
        self.nodes -= each;
        let found = self.system.solve(&self.open, &mut each);
        self.nodes += each;
        matches!(found, Found::Yes(_))
    }

    fn apply(&mut self, one: &Deviation, times: i128) {
        for (account, adds) in self.ledger.effect(one) {
            self.open[account] -= adds * times;
            match self.system.is_within_reach(account, self.open[account]) {
                true => self.wrong.remove(&account),
                false => self.wrong.insert(account),
            };
        }
    }
}

impl Ledger<'_> {
    /// What a deviation adds to which accounts; none with 0.
    pub(crate) fn effect(&self, one: &Deviation) -> impl Iterator<Item = (usize, i128)> + use<> {
        let transfer = &self.transfers[one.transfer];
        let amount = i128::from(transfer.amount);
        let mut sender = (transfer.sender, amount * i128::from(one.sender));
        let mut receiver = (transfer.receiver, -amount * i128::from(one.receiver));
        if sender.0 == receiver.0 {
            sender.1 += std::mem::take(&mut receiver.1);
        }
        [sender, receiver]
            .into_iter()
            .filter(|(_, adds)| *adds != 0)
    }
}
