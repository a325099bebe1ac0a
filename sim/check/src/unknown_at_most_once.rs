//! A transfer of which its client cannot know what became was applied whole and once, or not at all.
//!
//! Judged from the last quiescent read of the accounts alone; see `ledger::explain`.
//!
//! Source: measured on the resilience lab's solution: one of two instances killed, 4 or 5 transfers without
//! an answer, and balances that sum to 74 to 170: transfers that stopped halfway.

use squall_record::Fate;

use crate::once::Explained;
use crate::{Accounts, Judged};

/// As a scenario writes it.
pub const NAME: &str = "unknown-at-most-once";

/// Whether it holds.
pub(crate) fn judge<'a>(explained: &mut Explained<'a>, accounts: &'a Accounts) -> Judged {
    crate::once::judge(explained, accounts, Fate::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{accounts, balances, record, refused, transfer, unknown};

    fn with(held: &[(&str, i64)]) -> Judged {
        let samples = vec![
            transfer(0, "a", "b", 50),
            unknown(1, "b", "c", 3),
            unknown(2, "c", "a", 10),
            refused(3, "a", "c", 100),
            balances(20, held),
        ];
        judge(&mut Explained::of(&record(samples)), &accounts())
    }

    #[test]
    fn whole_once_or_not_at_all() {
        for held in [
            [("a", 50), ("b", -50), ("c", 0)],
            [("a", 50), ("b", -47), ("c", -3)],
            [("a", 40), ("b", -50), ("c", 10)],
            [("a", 40), ("b", -47), ("c", 7)],
        ] {
            assert_eq!(with(&held).holds, Some(true));
        }
    }

    #[test]
    fn in_half_or_twice_is_a_breach() {
        let half = with(&[("a", 50), ("b", -47)]);
        assert_eq!((half.holds, half.figures["unknown"]), (Some(false), 2));
        assert!(
            half.detail.ends_with("(b → c, 3), applied in half"),
            "{}",
            half.detail
        );
        let twice = with(&[("a", 30), ("b", -50), ("c", 20)]);
        assert_eq!(twice.holds, Some(false));
        assert!(
            twice.detail.ends_with("(c → a, 10), applied twice"),
            "{}",
            twice.detail
        );
    }

    #[test]
    fn more_than_can_be_named_are_told_by_their_fate() {
        let pairs = [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")];
        let sent = pairs.map(|(sender, receiver)| unknown(0, sender, receiver, 5));
        let mut samples = sent.to_vec();
        samples.push(transfer(1, "a", "b", 1));
        let twice = [
            ("a", 11),
            ("b", -11),
            ("c", 10),
            ("d", -10),
            ("e", 10),
            ("f", -10),
        ];
        let held = [&twice[..], &[("g", 10), ("h", -5)]].concat();
        samples.push(balances(20, &held));
        let judged = judge(&mut Explained::of(&record(samples)), &accounts());
        assert_eq!(judged.holds, Some(false));
        let many = "more than 3 unknown ones";
        assert!(judged.detail.contains(many), "{}", judged.detail);
    }

    #[test]
    fn a_refused_one_that_was_applied_is_not_its_fault() {
        assert_eq!(
            with(&[("a", 150), ("b", -50), ("c", -100)]).holds,
            Some(true)
        );
    }
}
