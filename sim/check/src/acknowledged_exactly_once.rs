//! Every transfer that was answered with success was applied to both accounts, and once.
//!
//! Judged from the last quiescent read of the accounts alone, by a search for an explanation of the
//! balances; see `ledger::explain` for what is blamed when there are several.
//!
//! Source: measured on the resilience lab's solution: with one put in ten applied and its answer lost, all
//! answers were 200 and 20 of 20 accounts wrong; without any fault a fifth of the effects was lost when two
//! instances wrote the same balance at once.

use squall_record::Fate;

use crate::once::Explained;
use crate::{Accounts, Judged};

/// As a scenario writes it.
pub const NAME: &str = "acknowledged-exactly-once";

/// Whether it holds.
pub(crate) fn judge<'a>(explained: &mut Explained<'a>, accounts: &'a Accounts) -> Judged {
    crate::once::judge(explained, accounts, Fate::Acknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{accounts, balances, empty, record, refused, transfer};

    #[test]
    fn what_was_acknowledged_is_there_once() {
        let sent = || vec![transfer(0, "a", "b", 5), transfer(1, "b", "c", 3)];
        let with = |held: &[(&str, i64)]| {
            let mut samples = sent();
            samples.push(balances(2, held));
            judge(&mut Explained::of(&record(samples)), &accounts())
        };
        let good = with(&[("a", 5), ("b", -2), ("c", -3)]);
        assert_eq!(good.holds, Some(true));
        assert_eq!(
            (good.figures["acknowledged"], good.figures["wrong_accounts"]),
            (2, 0)
        );
        for (held, why) in [
            ([("a", 5), ("b", -5), ("c", 0)], "(b → c, 3), not applied"),
            (
                [("a", 10), ("b", -7), ("c", -3)],
                "(a → b, 5), applied twice",
            ),
            (
                [("a", 5), ("b", -5), ("c", -3)],
                "(b → c, 3), not applied to the sender",
            ),
            (
                [("a", 5), ("b", -2), ("c", -6)],
                "(b → c, 3), applied twice to the receiver",
            ),
        ] {
            let judged = with(&held);
            assert_eq!(judged.holds, Some(false));
            assert!(judged.detail.ends_with(why), "{}", judged.detail);
        }
        let huge = with(&[("a", 1000), ("b", 2000), ("c", -3)]);
        assert_eq!(
            (huge.holds, huge.figures["wrong_accounts"]),
            (Some(false), 2)
        );
        assert!(
            huge.detail
                .ends_with("the first, a, holds 1000, and what was acknowledged makes 5"),
            "{}",
            huge.detail
        );
    }

    #[test]
    fn an_account_that_nobody_touched_is_empty() {
        let stray = vec![
            transfer(0, "a", "b", 5),
            balances(1, &[("a", 5), ("b", -5), ("x", 1)]),
        ];
        assert_eq!(
            judge(&mut Explained::of(&record(stray)), &accounts()).holds,
            Some(false)
        );
    }

    #[test]
    fn many_refused_ones_leave_it_open() {
        let mut samples = vec![transfer(0, "z", "y", 5)];
        samples.extend([1, 2, 4, 8, 16].map(|n| refused(n as u64, "a", "b", n)));
        samples.push(balances(20, &[("z", 5), ("y", -5), ("a", 30), ("b", -1)]));
        assert_eq!(
            judge(&mut Explained::of(&record(samples)), &accounts()).holds,
            None
        );
    }

    #[test]
    fn without_what_was_sent_nothing_is_shown() {
        let samples = vec![empty(0, "transfers"), balances(1, &[])];
        let judged = judge(&mut Explained::of(&record(samples)), &accounts());
        assert_eq!(judged.holds, None);
        assert!(judged.detail.contains("let it draw"), "{}", judged.detail);
    }
}
