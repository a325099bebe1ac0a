//! Whenever nothing is on its way, all balances together are 0: what one account has more, others have
//! less.
//!
//! Judged at every quiescent read of the accounts; see `ledger` for what that is.
//!
//! Source: the resilience lab of SplitDim, whose `clear` fails if the balances do not sum to zero. There
//! a transfer whose second half fails leaves money behind; a key-value store that takes an equal value at
//! a stale version loses updates of two instances that write the same balance at once.

use squall_record::RunRecord;

use crate::{Accounts, Judged, ledger};

/// As a scenario writes it.
pub const NAME: &str = "balances-sum-to-zero";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, accounts: &Accounts) -> Judged {
    let reads = match ledger::reads(record, accounts) {
        Ok(reads) => reads,
        Err(why) => return (None, why).into(),
    };
    let sum = |held: &[ledger::Balance<'_>]| held.iter().map(|one| i128::from(one.balance)).sum();
    let sums = reads.iter().map(|(read, held)| (*read, sum(held)));
    let sums: Vec<(_, i128)> = sums.collect();
    let count = sums.len();
    let wrong: Vec<_> = sums.iter().filter(|(_, sum)| *sum != 0).collect();
    let judged = Judged::from(match wrong.first() {
        None => (
            Some(true),
            format!("0 in {count} of {count} quiescent reads"),
        ),
        Some((read, sum)) => (
            Some(false),
            format!(
                "{} of {count} quiescent reads do not sum to 0; the first, sent at {}, sums to {sum}",
                wrong.len(),
                crate::seconds(read.sent_us)
            ),
        ),
    });
    let last = sums.last().map_or(0, |(_, sum)| *sum);
    judged
        .figure("sum", last as i64)
        .figure("reads", count as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{accounts, balances, empty, record, status, transfer, unknown};

    #[test]
    fn money_that_is_left_behind_breaks_it() {
        let good = record(vec![
            transfer(0, "a", "b", 5),
            balances(1, &[("a", 5), ("b", -5)]),
        ]);
        let judged = judge(&good, &accounts());
        assert_eq!(judged.holds, Some(true));
        assert_eq!((judged.figures["sum"], judged.figures["reads"]), (0, 1));
        let halfway = record(vec![transfer(0, "a", "b", 5), balances(1, &[("a", 5)])]);
        let judged = judge(&halfway, &accounts());
        assert_eq!(judged.holds, Some(false));
        assert_eq!(judged.figures["sum"], 5);
        assert!(
            judged.detail.ends_with("sent at 1.000 s, sums to 5"),
            "{}",
            judged.detail
        );
    }

    #[test]
    fn a_wrong_sum_that_is_right_again_is_still_a_breach() {
        let samples = vec![
            transfer(0, "a", "b", 5),
            balances(1, &[("a", 5)]),
            transfer(2, "a", "b", 5),
            balances(3, &[("a", 5), ("b", -5)]),
        ];
        let judged = judge(&record(samples), &accounts());
        assert_eq!((judged.holds, judged.figures["sum"]), (Some(false), 0));
    }

    #[test]
    fn a_read_while_a_transfer_may_still_happen_is_no_proof() {
        let mut slow = transfer(0, "a", "b", 5);
        slow.latency_us = 2_000_000;
        let crossed = record(vec![slow, balances(1, &[("a", 5)])]);
        let mut long = balances(1, &[("a", 5)]);
        long.latency_us = 2_000_000;
        let overtaken = record(vec![
            transfer(0, "a", "b", 5),
            long,
            transfer(2, "b", "a", 5),
        ]);
        // 1 ms of its own and 15 s to settle.
        let unsettled = record(vec![unknown(0, "a", "b", 5), balances(15, &[("a", 5)])]);
        for record in [crossed, overtaken, unsettled] {
            let judged = judge(&record, &accounts());
            assert_eq!(judged.holds, None, "{}", judged.detail);
            assert!(judged.detail.contains("load: off"), "{}", judged.detail);
        }
        let settled = record(vec![unknown(0, "a", "b", 5), balances(16, &[("a", 5)])]);
        assert_eq!(judge(&settled, &accounts()).holds, Some(false));
    }

    #[test]
    fn without_transfers_or_answers_nothing_is_shown() {
        let before = record(vec![balances(0, &[]), transfer(1, "a", "b", 5)]);
        assert_eq!(judge(&before, &accounts()).holds, None);
        assert_eq!(
            judge(&record(vec![balances(0, &[])]), &accounts()).holds,
            None
        );
        let mut failed = balances(1, &[("a", 5)]);
        failed.outcome = status(0, 500).outcome;
        let failed = record(vec![transfer(0, "a", "b", 5), failed]);
        assert_eq!(judge(&failed, &accounts()).holds, None);
        let unkept = record(vec![transfer(0, "a", "b", 5), empty(1, "accounts")]);
        let judged = judge(&unkept, &accounts());
        assert_eq!(judged.holds, None);
        assert!(judged.detail.contains("keep_body"), "{}", judged.detail);
    }
}
