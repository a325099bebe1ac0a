//! Whole numbers within bounds that add up to given sums: which of these transfers were applied, when
//! each account must come to what it holds?
//!
//! Depth first, account by account, the one that the fewest undecided transfers touch first. After each
//! decision every account must still be able to come to its sum; what the rest can add up to is known for
//! each account as a set of sums, or as bounds where the set would be too large. So an account that only
//! one transfer touches decides it, and a tree of transfers needs no search at all. It is subset sum in
//! many dimensions, and a dense tangle of very many unknown transfers is out of reach: then it says so.
//!
//! Deliberately not a linear or SAT solver, which would bring threads, floats or megabytes for a handful
//! of unknown transfers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::reach::Reach;

/// What may be done `0..=most` times: what it adds to one or two accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Each account once, none with 0.
    pub(crate) adds: Vec<(usize, i64)>,
    pub(crate) most: u32,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// So often is each variable done.
    Yes(Vec<u32>),
    /// There is no solution.
    No,
    /// Nobody knows.
    RanOut,
}

/// Variables that add up to the sums of accounts.
pub(crate) struct System {
    /// How many variables there were before equal ones were joined.
    count: usize,
    /// Equal variables as one, in the order of deciding them.
    joined: Vec<Joined>,
    /// They share no account with each other.
    parts: Vec<Part>,
    /// For each account: what its undecided variables can add up to, after so many are decided.
    reach: Vec<Vec<Reach>>,
}

/// Consecutive ones of `joined`.
struct Part {
    range: Range<usize>,
    /// Those that they touch.
    accounts: BTreeSet<usize>,
    /// Whether each takes from one account what it gives to another.
    is_even: bool,
}

struct Joined {
    adds: Vec<(usize, i64)>,
    most: u32,
    /// Which variables it stands for, with the bound of each.
    of: Vec<(usize, u32)>,
    /// For each of `adds`: how many variables of that account are decided once this one is.
    decided: Vec<usize>,
}

impl System {
    pub(crate) fn new(accounts: usize, variables: &[Variable]) -> Self {
        let mut equal: BTreeMap<_, Vec<(usize, u32)>> = BTreeMap::new();
        for (index, variable) in variables.iter().enumerate() {
            let same = equal.entry(variable.adds.as_slice()).or_default();
            same.push((index, variable.most));
        }
        let joined = equal.into_iter().map(|(adds, of)| Joined {
            adds: adds.to_vec(),
            most: of.iter().map(|(_, most)| most).sum(),
            of,
            decided: Vec::new(),
        });
        let mut joined: Vec<Joined> = joined.collect();
        // Once the large ones are decided, what is left fits into sets.
        let size = |one: &Joined| one.adds.iter().map(|(_, adds)| adds.unsigned_abs()).max();
        joined.sort_by_key(|one| Reverse(size(one)));
        let accounts_of =
            |one: &Joined| -> Vec<usize> { one.adds.iter().map(|(account, _)| *account).collect() };
        let (mut joined, parts) = super::order::order(accounts, joined, accounts_of);
        let is_even = |one: &Joined| {
            one.adds
                .iter()
                .map(|(_, adds)| i128::from(*adds))
                .sum::<i128>()
                == 0
        };
        let parts = parts.into_iter().map(|range| Part {
            accounts: joined[range.clone()].iter().flat_map(accounts_of).collect(),
            is_even: joined[range.clone()].iter().all(is_even),
            range,
        });
        let parts = parts.collect();
        let mut of_account = vec![Vec::new(); accounts];
        for one in &mut joined {
            for &(account, adds) in &one.adds {
                of_account[account].push((adds, one.most));
                one.decided.push(of_account[account].len());
            }
        }
        Self {
            count: variables.len(),
            joined,
            parts,
            reach: of_account
                .iter()
                .map(|list| Reach::of_rests(list))
                .collect(),
        }
    }

    /// Whether an account, looked at alone, can come to this sum.
    pub(crate) fn is_within_reach(&self, account: usize, sum: i128) -> bool {
        self.reach[account][0].contains(sum)
    }

    /// The least and the most that an account can come to.
    pub(crate) fn bounds(&self, account: usize) -> (i128, i128) {
        self.reach[account][0].bounds()
    }

    /// Searches for a way to come to the sums, one for each account. Takes what it does from `nodes`, and
    /// no more than is there.
    pub(crate) fn solve(&self, sums: &[i128], nodes: &mut u64) -> Found {
        let each = |(account, sum): (usize, &i128)| self.is_within_reach(account, *sum);
        if !sums.iter().enumerate().all(each) {
            return Found::No;
        }
        let lost = |part: &Part| {
            part.accounts
                .iter()
                .map(|account| sums[*account])
                .sum::<i128>()
        };
        if self
            .parts
            .iter()
            .any(|part| part.is_even && lost(part) != 0)
        {
            return Found::No;
        }
        let mut values = vec![0; self.joined.len()];
        // Who searches again and again pays for the start, too.
        *nodes = nodes.saturating_sub(values.len() as u64);
        let mut has_run_out = false;
        for part in &self.parts {
            // Whether most of them were done or most were not is not known: both ends get their half.
            let budget = *nodes / 2;
            let mut solved = None;
            for downwards in [false, true] {
                let mut left = budget;
                solved = self.solve_part(part, sums, downwards, &mut left, &mut values);
                *nodes -= budget - left;
                if solved.is_some() {
                    break;
                }
            }
            match solved {
                Some(true) => {}
                Some(false) => return Found::No,
                None => has_run_out = true,
            }
        }
        match has_run_out {
            true => Found::RanOut,
            false => Found::Yes(self.shared_out(&values)),
        }
    }

    /// Whether there is a solution of one part, left in `values`; `None` when the budget is used up.
    fn solve_part(
        &self,
        part: &Part,
        sums: &[i128],
        downwards: bool,
        nodes: &mut u64,
        values: &mut [u32],
    ) -> Option<bool> {
        let each = part.accounts.iter();
        let mut open: BTreeMap<usize, i128> =
            each.map(|account| (*account, sums[*account])).collect();
        let (first, end) = (part.range.start, part.range.end);
        // How many values of each were tried, up to the one that is decided now.
        let mut tried = vec![0_u32; end - first];
        let mut at = first;
        while at < end {
            let one = &self.joined[at];
            let mut is_decided = false;
            while tried[at - first] <= one.most {
                *nodes = nodes.checked_sub(1)?;
                let turn = tried[at - first];
                tried[at - first] += 1;
                let value = if downwards { one.most - turn } else { turn };
                if self.fits(one, value, &open) {
                    values[at] = value;
                    one.take(value, &mut open);
                    is_decided = true;
                    break;
                }
            }
            if is_decided {
                at += 1;
                continue;
            }
            tried[at - first] = 0;
            if at == first {
                return Some(false);
            }
            at -= 1;
            self.joined[at].give_back(values[at], &mut open);
        }
        Some(true)
    }

    /// Whether each account that it touches can still come to its sum.
    fn fits(&self, one: &Joined, value: u32, open: &BTreeMap<usize, i128>) -> bool {
        let mut touched = one.adds.iter().zip(&one.decided);
        touched.all(|(&(account, adds), &decided)| {
            let rest = open[&account] - i128::from(adds) * i128::from(value);
            self.reach[account][decided].contains(rest)
        })
    }

    /// Values of the variables that were joined: the first of equal ones get theirs first.
    fn shared_out(&self, values: &[u32]) -> Vec<u32> {
        let mut all = vec![0; self.count];
        for (one, value) in self.joined.iter().zip(values) {
            let mut left = *value;
            for &(index, most) in &one.of {
                all[index] = left.min(most);
                left -= all[index];
            }
        }
        all
    }
}

impl Joined {
    fn take(&self, value: u32, open: &mut BTreeMap<usize, i128>) {
        for (account, adds) in &self.adds {
            *open.entry(*account).or_default() -= i128::from(*adds) * i128::from(value);
        }
    }

    fn give_back(&self, value: u32, open: &mut BTreeMap<usize, i128>) {
        for (account, adds) in &self.adds {
            *open.entry(*account).or_default() += i128::from(*adds) * i128::from(value);
        }
    }
}
