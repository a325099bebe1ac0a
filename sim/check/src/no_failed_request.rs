//! Every request was answered with a status of success (200 to 299).
//!
//! Source: what the fault-tolerance lab with two databases and two backends shows in its
//! screenshots: all answers are 200 with one database or one backend down.

use squall_record::{RunRecord, Sample};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "no-failed-request";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judgement {
    crate::none(&record.samples, |s: &Sample| !s.is_ok(), "successful")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, ok, record, status};

    #[test]
    fn holds_when_all_is_well() {
        assert_eq!(judge(&record(vec![ok(0), ok(1)])).0, Some(true));
    }

    #[test]
    fn an_error_status_breaks_it() {
        let (holds, detail) = judge(&record(vec![ok(0), status(1, 502)]));
        assert_eq!(holds, Some(false));
        assert!(detail.contains("1 of 2 not successful"), "{detail}");
        assert!(detail.contains("502"), "{detail}");
    }

    #[test]
    fn a_timeout_breaks_it() {
        assert_eq!(judge(&record(vec![ok(0), fails(1)])).0, Some(false));
    }
}
