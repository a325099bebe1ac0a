//! Transfers between accounts, read from a record: who sent what to whom, what is known of each
//! transfer, and what the accounts held whenever nothing was on its way.
//!
//! | module | idea |
//! |---|---|
//! | [`quiet`] | the stretches of a run in which no transfer can change a balance |
//! | [`explain`] | which transfers were applied, going by the balances, and who is to blame |
//! | [`blame`] | the fewest transfers to blame, by trying |
//! | `system` | whole numbers within bounds that add up to given sums; in which `order`, and what is in `reach` |
//!
//! A transfer adds its amount to the sender and takes it from the receiver, as SplitDim's do.
//! Deliberately absent: any judgement; the invariants make those.

pub(crate) mod blame;
pub(crate) mod explain;
mod order;
pub(crate) mod quiet;
mod reach;
mod system;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use squall_record::{Fate, RunRecord, Sample};

use crate::Accounts;

/// How long a service may go on with a transfer of which nobody knows what became, unless a scenario
/// says otherwise: longer than the 10 s after which our service gives up.
pub const SETTLE: Duration = Duration::from_secs(15);

/// What a client `transfers` sends.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(borrow)]
    receiver: Cow<'a, str>,
    amount: i64,
}

/// An element of what a client `accounts` is answered.
#[derive(Deserialize)]
pub(crate) struct Balance<'a> {
    /// Whose.
    #[serde(borrow)]
    pub(crate) holder: Cow<'a, str>,
    /// What others owe, or a negative number: what is owed to others.
    pub(crate) balance: i64,
}

/// One transfer; accounts by their numbers.
pub(crate) struct Transfer<'a> {
    pub(crate) sample: &'a Sample,
    pub(crate) fate: Fate,
    pub(crate) sender: usize,
    pub(crate) receiver: usize,
    pub(crate) amount: i64,
}

/// All that was sent up to a quiescent read, and what that says.
pub(crate) struct Ledger<'a> {
    /// By their numbers.
    pub(crate) names: Vec<String>,
    /// In the order of sending.
    pub(crate) transfers: Vec<Transfer<'a>>,
    /// What each account holds; 0 where the read does not name it.
    pub(crate) balances: Vec<i64>,
    /// When the read was sent.
    pub(crate) read_us: u64,
}

/// The quiescent reads of the accounts, in order: successful, and with an answer that can be read.
pub(crate) fn reads<'a>(
    record: &'a RunRecord,
    accounts: &'a Accounts,
) -> Result<Vec<(&'a Sample, Vec<Balance<'a>>)>, String> {
    let quiet = quiet::stretches(record, accounts);
    if quiet.is_empty() {
        return Err(format!("{} sent no request", accounts.transfers));
    }
    let reads = crate::of(record, &accounts.accounts).filter(|read| read.is_ok());
    let mut unread = 0;
    let found: Vec<_> = reads
        .filter(|read| quiet::at(&quiet, read).is_some())
        .filter_map(|read| {
            let balances = body(read);
            unread += usize::from(balances.is_none());
            Some((read, balances?))
        })
        .collect();
    match (found.is_empty(), unread) {
        (false, _) => Ok(found),
        (true, 0) => Err(format!(
            "no read of {} is quiescent: none was sent {:?} or more after the last transfer of unknown \
             fate and before the next transfer; end with a phase longer than that in which \
             `{}: {{load: off}}`",
            accounts.accounts, accounts.settle, accounts.transfers
        )),
        (true, unread) => Err(format!(
            "none of {unread} quiescent reads of {} is a list of balances; give it `keep_body: true`",
            accounts.accounts
        )),
    }
}

/// The JSON that a client kept of an answer.
pub(crate) fn body<'a, T: Deserialize<'a>>(sample: &'a Sample) -> Option<T> {
    serde_json::from_str(sample.body.as_ref()?.as_str()).ok()
}

impl<'a> Ledger<'a> {
    /// The ledger at the last quiescent read, or why there is none.
    pub(crate) fn read(record: &'a RunRecord, accounts: &'a Accounts) -> Result<Self, String> {
        let mut reads = reads(record, accounts)?;
        let Some((read, held)) = reads.pop() else {
            return Err("no quiescent read".to_owned());
        };
        let mut numbers = BTreeMap::new();
        let mut transfers = Vec::new();
        for sample in
            crate::of(record, &accounts.transfers).filter(|one| one.sent_us < read.sent_us)
        {
            let request = sample.request.as_ref().map(|text| text.as_str());
            let fate = sample.fate();
            match request.and_then(|text| serde_json::from_str::<Request<'_>>(text).ok()) {
                Some(request) => transfers.push(Transfer {
                    sample,
                    fate,
                    sender: number(&mut numbers, request.sender),
                    receiver: number(&mut numbers, request.receiver),
                    amount: request.amount,
                }),
                None if fate == Fate::Refused => {} // it moves nothing that could be looked for
                None => {
                    return Err(format!(
                        "{} sent at {} what is no transfer, or did not keep it; let it draw its `body`: \
                         {{\"sender\":…,\"receiver\":…,\"amount\":…}}",
                        sample.client,
                        crate::seconds(sample.sent_us)
                    ));
                }
            }
        }
        let mut balances = vec![0; numbers.len()];
        for Balance { holder, balance } in held {
            let account = number(&mut numbers, holder);
            balances.resize(numbers.len().max(balances.len()), 0);
            balances[account] = balance;
        }
        let mut names = vec![String::new(); numbers.len()];
        for (name, number) in numbers {
            names[number] = name.into_owned();
        }
        Ok(Self {
            names,
            transfers,
            balances,
            read_us: read.sent_us,
        })
    }

    /// How many transfers have this fate.
    pub(crate) fn count(&self, fate: Fate) -> i64 {
        let of_fate = self.transfers.iter().filter(|one| one.fate == fate);
        of_fate.count() as i64
    }

    /// What the balances are beyond the effect of everything that was acknowledged.
    pub(crate) fn residual(&self) -> Vec<i128> {
        let mut residual: Vec<i128> = self.balances.iter().copied().map(i128::from).collect();
        for one in self
            .transfers
            .iter()
            .filter(|one| one.fate == Fate::Acknowledged)
        {
            residual[one.sender] -= i128::from(one.amount);
            residual[one.receiver] += i128::from(one.amount);
        }
        residual
    }

    /// How a transfer is called in what a user reads.
    pub(crate) fn describe(&self, transfer: usize) -> String {
        let one = &self.transfers[transfer];
        format!(
            "{} of {} sent at {} ({} → {}, {})",
            one.fate,
            one.sample.client,
            crate::seconds(one.sample.sent_us),
            self.names[one.sender],
            self.names[one.receiver],
            one.amount
        )
    }
}

/// The number of an account, a new one for a new name.
fn number<'a>(numbers: &mut BTreeMap<Cow<'a, str>, usize>, name: Cow<'a, str>) -> usize {
    let next = numbers.len();
    *numbers.entry(name).or_insert(next)
}
