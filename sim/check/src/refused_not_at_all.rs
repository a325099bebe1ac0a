//! No transfer that was refused was applied, not even to one of its accounts.
//!
//! Refused is what a client may try again without a thought: a status of 400 to 499, 503, and what failed
//! before anything was sent; see [`squall_record::Fate`]. Judged from the last quiescent read of the
//! accounts alone; see `ledger::explain`.
//!
//! Source: measured on the resilience lab's solution: with its store away for 20 s, eight transfers were
//! answered with 400 and the balances summed to 95 and 268, since the undo of the first half fails as the
//! second half did.

use squall_record::Fate;

use crate::once::Explained;
use crate::{Accounts, Judged};

/// As a scenario writes it.
pub const NAME: &str = "refused-not-at-all";

/// Whether it holds.
pub(crate) fn judge<'a>(explained: &mut Explained<'a>, accounts: &'a Accounts) -> Judged {
    crate::once::judge(explained, accounts, Fate::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{accounts, balances, record, refused, transfer, unknown};

    fn with(held: &[(&str, i64)]) -> Judged {
        let samples = vec![
            transfer(0, "a", "b", 50),
            refused(1, "b", "c", 3),
            refused(2, "c", "a", 10),
            unknown(3, "a", "c", 100),
            balances(20, held),
        ];
        judge(&mut Explained::of(&record(samples)), &accounts())
    }

    #[test]
    fn a_refused_one_leaves_no_trace() {
        assert_eq!(with(&[("a", 50), ("b", -50)]).holds, Some(true));
        assert_eq!(
            with(&[("a", 150), ("b", -50), ("c", -100)]).holds,
            Some(true)
        );
    }

    #[test]
    fn a_refused_one_that_was_applied_is_named() {
        let sender = with(&[("a", 50), ("b", -47)]);
        assert_eq!((sender.holds, sender.figures["refused"]), (Some(false), 2));
        assert!(
            sender.detail.ends_with(
                "explained by 1: refused of transfers sent at 1.000 s (b → c, 3), applied to the sender \
                 alone"
            ),
            "{}",
            sender.detail
        );
        let whole = with(&[("a", 40), ("b", -50), ("c", 10)]);
        assert_eq!(whole.holds, Some(false));
        assert!(
            whole.detail.ends_with("(c → a, 10), applied"),
            "{}",
            whole.detail
        );
        // With the unknown one applied.
        let beside = with(&[("a", 150), ("b", -50), ("c", -103)]);
        assert_eq!(beside.holds, Some(false));
    }

    #[test]
    fn a_fault_of_others_is_not_its_fault() {
        assert_eq!(with(&[("a", 100), ("b", -100)]).holds, Some(true));
        assert_eq!(with(&[("a", 150), ("b", -50)]).holds, Some(true));
    }
}
