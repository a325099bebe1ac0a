//! From a stated time after the scenario last broke or mended something, every request succeeds.
//!
//! The liveness half of a fault's test: first the faults, then their end, then the demand that the
//! system is well again within a bound. A fault that is never undone counts as the last change, so
//! the system must then do without what it lost.
//!
//! Source: the labs' restore steps (`docker-compose restart backend1`), each followed by the claim
//! that traffic returns.

use std::time::Duration;

use squall_record::{RunRecord, Sample};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "recovers";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, within: Duration) -> Judgement {
    let (samples, from_us) = crate::after_last_change(record, within);
    let from = crate::seconds(from_us);
    match crate::none(samples, |s: &Sample| !s.is_ok(), "successful") {
        (None, _) => (None, format!("no request was sent after {from}")),
        (holds, detail) => (holds, format!("from {from} on: {detail}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, fault, ok, record, repair};

    const WITHIN: Duration = Duration::from_secs(2);

    #[test]
    fn failures_before_the_bound_are_forgiven() {
        let mut record = record(vec![ok(0), fails(10), fails(21), ok(22), ok(23)]);
        record.happenings = vec![fault(10), repair(20)];
        let (holds, detail) = judge(&record, WITHIN);
        assert_eq!(holds, Some(true));
        assert_eq!(detail, "from 22.000 s on: 2 of 2 successful");
    }

    #[test]
    fn a_failure_after_it_is_not() {
        let mut record = record(vec![ok(0), ok(22), fails(23)]);
        record.happenings = vec![fault(10), repair(20)];
        assert_eq!(judge(&record, WITHIN).0, Some(false));
    }

    #[test]
    fn a_run_that_ends_too_early_shows_nothing() {
        let mut record = record(vec![ok(0), ok(21)]);
        record.happenings = vec![repair(20)];
        assert_eq!(
            judge(&record, WITHIN),
            (None, "no request was sent after 22.000 s".to_owned())
        );
    }

    #[test]
    fn without_any_change_it_speaks_of_the_start() {
        assert_eq!(judge(&record(vec![fails(0), ok(3)]), WITHIN).0, Some(true));
    }
}
