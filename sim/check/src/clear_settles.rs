//! The payments that `clear` proposes settle every debt: with them every balance is 0, each is positive,
//! and there are fewer than accounts. While the balances do not sum to 0, there are none, and `clear` must
//! say so.
//!
//! Judged at each quiescent answer of `clear` beside the read of the accounts that was sent last in the
//! same quiet stretch; see `ledger` for what that is. A payment counts as a transfer of its amount
//! from its sender to its receiver. An answer that is neither a list nor the status 500 is for other
//! invariants.
//!
//! Source: the text of the SplitDim lab. Its solution compares with each debtor's initial debt, so debtors
//! pay too much: 16 to 21 payments were measured for 12 accounts; and it does not check the sum.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use squall_record::{Outcome, RunRecord, Sample};

use crate::ledger::{self, Balance, quiet};
use crate::{Clear, Judged};

/// As a scenario writes it.
pub const NAME: &str = "clear-settles";

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    sender: Cow<'a, str>,
    #[serde(borrow)]
    receiver: Cow<'a, str>,
    amount: i64,
}

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, clear: &Clear) -> Judged {
    let reads = match ledger::reads(record, &clear.accounts) {
        Ok(reads) => reads,
        Err(why) => return (None, why).into(),
    };
    let quiet = quiet::stretches(record, &clear.accounts);
    let held: BTreeMap<_, _> = reads
        .iter()
        .filter_map(|(read, held)| Some((quiet::at(&quiet, read)?, held)))
        .collect();
    let (mut total, mut wrong, mut payments) = (0_u64, 0_u64, 0);
    let mut first = None;
    for answer in crate::of(record, &clear.clear) {
        let Some(held) = quiet::at(&quiet, answer).and_then(|at| held.get(&at)) else {
            continue;
        };
        let Some(result) = settles(answer, held) else {
            continue;
        };
        total += 1;
        match result {
            Ok(count) => payments = count,
            Err(why) => {
                wrong += 1;
                first.get_or_insert_with(|| (crate::seconds(answer.sent_us), why));
            }
        }
    }
    let judged = Judged::from(match (total, first) {
        (0, _) => (
            None,
            format!(
                "{} was not answered in the same quiet stretch as {}; let both ask in a phase without \
                 transfers, with `keep_body: true`",
                clear.clear, clear.accounts.accounts
            ),
        ),
        (_, None) => (
            Some(true),
            format!("{total} of {total} answers settle every debt"),
        ),
        (_, Some((at, why))) => (
            Some(false),
            format!("{wrong} of {total} answers do not settle; the first, sent at {at}: {why}"),
        ),
    });
    judged.figure("payments", payments)
}

/// How many payments settle the balances, or what is wrong with the answer; `None` if it is none.
fn settles(answer: &Sample, held: &[Balance<'_>]) -> Option<Result<i64, String>> {
    let sum: i128 = held.iter().map(|one| i128::from(one.balance)).sum();
    if answer.outcome == Outcome::Status(500) {
        return Some(match sum {
            0 => Err("500, and the balances sum to 0".to_owned()),
            _ => Ok(0),
        });
    }
    if !answer.is_ok() {
        return None;
    }
    let payments: Vec<Payment<'_>> = ledger::body(answer)?;
    if sum != 0 {
        return Some(Err(format!(
            "the balances sum to {sum}, and it does not say so"
        )));
    }
    Some(check(&payments, held).map(|()| payments.len() as i64))
}

fn check(payments: &[Payment<'_>], held: &[Balance<'_>]) -> Result<(), String> {
    let balances = held
        .iter()
        .map(|one| (&*one.holder, i128::from(one.balance)));
    let mut balances: BTreeMap<&str, i128> = balances.collect();
    let accounts = balances.len();
    for payment in payments {
        if payment.amount <= 0 {
            let (from, to) = (&payment.sender, &payment.receiver);
            return Err(format!("{from} pays {to} {}", payment.amount));
        }
        *balances.entry(&payment.sender).or_default() += i128::from(payment.amount);
        *balances.entry(&payment.receiver).or_default() -= i128::from(payment.amount);
    }
    if let Some((name, left)) = balances.iter().find(|(_, left)| **left != 0) {
        return Err(format!("{left} is left on {name}"));
    }
    if payments.len() > accounts.saturating_sub(1) {
        return Err(format!(
            "{} payments for {accounts} accounts",
            payments.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{balances, empty, record, status, transfer};

    fn clear(at_s: u64, payments: &[(&str, &str, i64)]) -> Sample {
        let payments = payments.iter().map(|(sender, receiver, amount)| {
            format!(r#"{{"sender":"{sender}","receiver":"{receiver}","amount":{amount}}}"#)
        });
        let payments: Vec<String> = payments.collect();
        Sample {
            body: Some(format!("[{}]", payments.join(",")).into()),
            ..empty(at_s, "clear")
        }
    }

    /// An answer of `clear` when a, b and c hold this.
    fn with(held: [i64; 3], answer: Sample) -> Judged {
        let [a, b, c] = held;
        let held = balances(2, &[("a", a), ("b", b), ("c", c)]);
        judge(
            &record(vec![transfer(0, "a", "b", 1), answer, held]),
            &Clear::default(),
        )
    }

    fn refuses() -> Sample {
        Sample {
            outcome: status(0, 500).outcome,
            ..empty(1, "clear")
        }
    }

    #[test]
    fn payments_settle_every_debt() {
        let good = with([3, -1, -2], clear(1, &[("b", "a", 1), ("c", "a", 2)]));
        assert_eq!((good.holds, good.figures["payments"]), (Some(true), 2));
        assert_eq!(with([0, 0, 0], clear(1, &[])).holds, Some(true));
        for (payments, why) in [
            (&[("b", "a", 1)][..], "1.000 s: 2 is left on a"),
            (&[("b", "a", 1), ("c", "a", 3)], "-1 is left on a"),
            (&[("a", "b", -1), ("c", "a", 2)], "a pays b -1"),
            (
                &[("b", "a", 1), ("c", "a", 1), ("c", "a", 1)],
                "3 payments for 3 accounts",
            ),
        ] {
            let judged = with([3, -1, -2], clear(1, payments));
            assert_eq!(judged.holds, Some(false));
            assert!(judged.detail.ends_with(why), "{}", judged.detail);
        }
    }

    #[test]
    fn balances_that_do_not_sum_to_zero_are_told() {
        assert_eq!(with([3, -1, 0], refuses()).holds, Some(true));
        assert_eq!(with([3, -1, -2], refuses()).holds, Some(false));
        let silent = with([3, -1, 0], clear(1, &[("b", "a", 1)]));
        assert_eq!(silent.holds, Some(false));
        let why = "the balances sum to 2, and it does not say so";
        assert!(silent.detail.ends_with(why), "{}", silent.detail);
    }

    #[test]
    fn the_balances_of_another_time_show_nothing() {
        let samples = vec![
            transfer(0, "a", "b", 1),
            balances(1, &[("a", 1), ("b", -1)]),
            transfer(2, "a", "b", 1),
            clear(3, &[("b", "a", 2)]),
        ];
        assert_eq!(judge(&record(samples), &Clear::default()).holds, None);
    }
}
