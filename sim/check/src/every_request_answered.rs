//! Every request got an HTTP answer, whatever its status: none hung, was refused or cut off.
//!
//! Source: the fault-tolerance lab with two databases and two backends, whose promise is that "the
//! application remains available" while one of either is gone.

use squall_record::{Outcome, RunRecord};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "every-request-answered";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judgement {
    let unanswered = |outcome| !matches!(outcome, Outcome::Status(_));
    crate::none(&record.samples, |s| unanswered(s.outcome), "answered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, ok, record, status};

    #[test]
    fn a_server_error_is_an_answer() {
        let record = record(vec![ok(0), status(1, 500)]);
        assert_eq!(judge(&record), (Some(true), "2 of 2 answered".to_owned()));
    }

    #[test]
    fn a_timeout_is_none() {
        let (holds, detail) = judge(&record(vec![ok(0), fails(1), fails(2)]));
        assert_eq!(holds, Some(false));
        assert!(detail.starts_with("2 of 3 not answered; the first: load, sent at 1.000 s"));
    }

    #[test]
    fn without_requests_nothing_is_shown() {
        assert_eq!(judge(&record(vec![])).0, None);
    }
}
