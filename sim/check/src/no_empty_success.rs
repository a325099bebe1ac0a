//! A success says what successes say: where some of a client's successful answers carry the
//! backend, the database or the value that the client reads, all of them do.
//!
//! Source: a lab's original answers 200 with `{"error": …}` when its database fails, so that
//! whoever only counts statuses sees nothing.

use std::collections::BTreeMap;

use squall_record::{Name, RunRecord, Sample};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "no-empty-success";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judgement {
    let mut usual: BTreeMap<&Name, [bool; 3]> = BTreeMap::new();
    for sample in record.samples.iter().filter(|sample| sample.is_ok()) {
        let usual = usual.entry(&sample.client).or_default();
        for (any, this) in usual.iter_mut().zip(carried(sample)) {
            *any |= this;
        }
    }
    let ok = record.samples.iter().filter(|sample| sample.is_ok());
    let empty = |sample: &Sample| usual.get(&sample.client) != Some(&carried(sample));
    crate::none(ok, empty, "as complete as others")
}

fn carried(sample: &Sample) -> [bool; 3] {
    [
        sample.backend.is_some(),
        sample.database.is_some(),
        sample.value.is_some(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{by, fails, ok, record, status};

    #[test]
    fn successes_that_say_nothing_beside_others_that_do() {
        let (holds, detail) = judge(&record(vec![by(0, "a"), ok(1), by(2, "b")]));
        assert_eq!(holds, Some(false));
        assert!(
            detail
                .starts_with("1 of 3 not as complete as others; the first: load, sent at 1.000 s"),
            "{detail}"
        );
    }

    #[test]
    fn failures_need_not_say_anything() {
        let record = record(vec![by(0, "a"), fails(1), status(2, 503)]);
        assert_eq!(judge(&record).0, Some(true));
    }

    #[test]
    fn a_client_that_reads_nothing_misses_nothing() {
        assert_eq!(judge(&record(vec![ok(0), ok(1)])).0, Some(true));
    }
}
