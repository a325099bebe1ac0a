//! No answer was a server error (500 to 599). A request without an answer is not counted: that is
//! the matter of [`crate::every_request_answered`].
//!
//! Source: a backend that turns every failure of its database into a 500 tells its clients less
//! than it knows; the labs' originals do so.

use squall_record::{Outcome, RunRecord};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "no-server-error";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judgement {
    let error = |outcome| matches!(outcome, Outcome::Status(500..=599));
    crate::none(
        &record.samples,
        |s| error(s.outcome),
        "free of server errors",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, ok, record, status};

    #[test]
    fn other_failures_do_not_count() {
        let record = record(vec![ok(0), fails(1), status(2, 404)]);
        assert_eq!(judge(&record).0, Some(true));
    }

    #[test]
    fn a_503_breaks_it() {
        assert_eq!(judge(&record(vec![ok(0), status(1, 503)])).0, Some(false));
    }
}
