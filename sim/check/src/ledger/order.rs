//! In which order to decide: what shares no account apart from each other, and within that the account
//! with the fewest undecided pairs first, so that what is forced is decided before what must be guessed.

use std::collections::BTreeSet;
use std::ops::Range;

/// Orders things that touch one or two accounts each. Those that touch one come last in their part: what
/// they can add is known exactly, so nothing that is decided before them depends on which of them do it.
pub(crate) fn order<T>(
    accounts: usize,
    things: Vec<T>,
    touches: impl Fn(&T) -> Vec<usize>,
) -> (Vec<T>, Vec<Range<usize>>) {
    let touched: Vec<Vec<usize>> = things.iter().map(touches).collect();
    let parts = parts(accounts, &touched);
    let rank = ranks(accounts, &touched);
    let mut keyed: Vec<_> = things
        .into_iter()
        .zip(&touched)
        .enumerate()
        .map(|(index, (thing, touched))| {
            let part = touched.first().map_or(0, |account| parts[*account]);
            let is_single = touched.len() < 2;
            let first = touched.iter().map(|account| rank[*account]).min();
            ((part, is_single, first, index), thing)
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    let ends = (1..=keyed.len())
        .filter(|end| *end == keyed.len() || keyed[*end].0.0 != keyed[*end - 1].0.0);
    let mut start = 0;
    let ranges = ends.map(|end| std::mem::replace(&mut start, end)..end);
    let ranges = ranges.collect();
    (keyed.into_iter().map(|(_, thing)| thing).collect(), ranges)
}

/// For each account: the least account that it is connected with.
fn parts(accounts: usize, touched: &[Vec<usize>]) -> Vec<usize> {
    fn root(of: &mut [usize], mut account: usize) -> usize {
        while of[account] != account {
            of[account] = of[of[account]];
            account = of[account];
        }
        account
    }
    let mut of: Vec<usize> = (0..accounts).collect();
    for pair in touched {
        if let [a, b] = pair[..] {
            let (a, b) = (root(&mut of, a), root(&mut of, b));
            of[a.max(b)] = a.min(b);
        }
    }
    (0..accounts)
        .map(|account| root(&mut of, account))
        .collect()
}

/// For each account: as which it is decided, the one with the fewest undecided pairs each time.
fn ranks(accounts: usize, touched: &[Vec<usize>]) -> Vec<usize> {
    let mut others = vec![Vec::new(); accounts];
    for pair in touched {
        if let [a, b] = pair[..] {
            others[a].push(b);
            others[b].push(a);
        }
    }
    let mut undecided: Vec<usize> = others.iter().map(Vec::len).collect();
    let mut queue: BTreeSet<(usize, usize)> = (0..accounts).map(|a| (undecided[a], a)).collect();
    let mut ranks = vec![accounts; accounts];
    let mut next = 0;
    while let Some((_, account)) = queue.pop_first() {
        ranks[account] = next;
        next += 1;
        for &other in &others[account] {
            if queue.remove(&(undecided[other], other)) {
                undecided[other] -= 1;
                queue.insert((undecided[other], other));
            }
        }
    }
    ranks
}
