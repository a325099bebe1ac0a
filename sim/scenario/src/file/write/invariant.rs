//! What must hold over the whole run, with the parameters that are not as they would be anyway.

use std::time::Duration;

use squall_check::{Accounts, Clear, Counted, Counting, Invariant, Retries, Start};

use super::fault::Entries;
use super::quantity::percent;
use super::time;
use super::tree::Tree;
use crate::file::invariant::{
    ANSWER_DEADLINE, BALANCE_TOLERANCE, CALLS_AT_MOST, FIRST_READ, RECOVERS_WITHIN,
};

pub(super) fn invariant(invariant: &Invariant) -> Tree {
    let parameters: Entries = match invariant {
        Invariant::EveryRequestAnswered
        | Invariant::NoFailedRequest
        | Invariant::NoServerError
        | Invariant::NoEmptySuccess
        | Invariant::OneLeaderATerm
        | Invariant::CommittedKept
        | Invariant::EtcdReads
        | Invariant::LeasesLast
        | Invariant::WatchComplete => Vec::new(),
        Invariant::Recovers { within } => duration("within", *within, RECOVERS_WITHIN),
        Invariant::BalancedAfterRecovery { within, tolerance } => {
            let mut entries = duration("within", *within, RECOVERS_WITHIN);
            if *tolerance != BALANCE_TOLERANCE {
                entries.push(("tolerance".to_owned(), Tree::text(percent(*tolerance))));
            }
            entries
        }
        Invariant::NoLostWrite(counted)
        | Invariant::NoRepeatedWrite(counted)
        | Invariant::ReadsGoForward(counted) => of_counted(counted),
        Invariant::BalancesSumToZero(accounts)
        | Invariant::AcknowledgedExactlyOnce(accounts)
        | Invariant::RefusedNotAtAll(accounts)
        | Invariant::UnknownAtMostOnce(accounts) => of_accounts(accounts),
        Invariant::ClearSettles(clear) => {
            let mut entries = client("clear", &clear.clear, &Clear::default().clear);
            entries.extend(of_accounts(&clear.accounts));
            entries
        }
        Invariant::AnsweredWithin {
            client: name,
            deadline,
        } => {
            let mut entries = client("client", name, &Accounts::default().transfers);
            entries.extend(duration("deadline", *deadline, ANSWER_DEADLINE));
            entries
        }
        Invariant::BoundedRetries(retries) => of_retries(retries),
        Invariant::IncrementsLinearizable(counting) | Invariant::IncrementsAddUp(counting) => {
            of_counting(counting)
        }
    };
    match parameters.is_empty() {
        true => Tree::text(invariant.name()),
        false => Tree::one(invariant.name(), Tree::Map(parameters)),
    }
}

fn of_counted(counted: &Counted) -> Entries {
    vec![
        ("writes".to_owned(), Tree::text(&*counted.writes)),
        ("reads".to_owned(), Tree::text(&*counted.reads)),
    ]
}

fn of_accounts(accounts: &Accounts) -> Entries {
    let usual = Accounts::default();
    let mut entries = client("transfers", &accounts.transfers, &usual.transfers);
    entries.extend(client("accounts", &accounts.accounts, &usual.accounts));
    entries.extend(duration("settle", accounts.settle, usual.settle));
    entries
}

fn of_counting(counting: &Counting) -> Entries {
    let usual = Counting::default();
    let mut entries = client("increments", &counting.increments, &usual.increments);
    if let (Some(reads), Some(usual)) = (&counting.reads, &usual.reads) {
        entries.extend(client("reads", reads, usual));
    }
    if counting.from != usual.from {
        let from = match counting.from {
            Start::At(from) => from.to_string(),
            Start::FirstRead => FIRST_READ.to_owned(),
        };
        entries.push(("from".to_owned(), Tree::text(from)));
    }
    entries
}

fn of_retries(retries: &Retries) -> Entries {
    let usual = Accounts::default();
    let mut entries = client("requests", &retries.requests, &usual.transfers);
    let calls = retries.calls.iter().map(|name| Tree::text(&**name));
    entries.push(("calls".to_owned(), Tree::List(calls.collect())));
    if retries.at_most != CALLS_AT_MOST {
        let at_most = retries.at_most.to_string();
        entries.push(("at_most".to_owned(), Tree::text(at_most)));
    }
    entries
}

fn client(key: &str, name: &str, usual: &str) -> Entries {
    let entry = (name != usual).then(|| (key.to_owned(), Tree::text(name)));
    entry.into_iter().collect()
}

fn duration(key: &str, is: Duration, usual: Duration) -> Entries {
    let entry = (is != usual).then(|| (key.to_owned(), time(is)));
    entry.into_iter().collect()
}
