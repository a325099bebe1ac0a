//! What was acknowledged is there: a read that is sent after so many writes were answered with
//! success counts at least as many.
//!
//! The writes of one client each add one to a count that starts at 0; the reads of another carry
//! the count as their `value`. Not for a system that forgets on purpose, as a database in memory
//! does when it is restarted.
//!
//! Source: the original of the key-value store acknowledges a `put` and loses it at the next
//! restart if the value has a space; and every log that is written after the answer.

use squall_record::RunRecord;

use crate::{Counted, Judgement};

/// As a scenario writes it.
pub const NAME: &str = "no-lost-write";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, counted: &Counted) -> Judgement {
    let writes = crate::of(record, &counted.writes).filter(|write| write.is_ok());
    let mut acknowledged: Vec<u64> = writes.map(|write| write.ended_us()).collect();
    acknowledged.sort_unstable();
    crate::reads(record, counted, |read, value| {
        let least = acknowledged.partition_point(|at| *at <= read.sent_us);
        (value < least as i64).then(|| format!("after {least} writes were acknowledged"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{counted, read, record, write, write_fails};

    #[test]
    fn a_write_may_show_before_its_answer_but_not_later() {
        let good = record(vec![write(0, 2), read(1, 1), read(3, 1)]);
        assert_eq!(judge(&good, &counted()).0, Some(true));
        let lost = record(vec![write(0, 2), read(3, 0)]);
        let (holds, detail) = judge(&lost, &counted());
        assert_eq!(holds, Some(false));
        assert_eq!(
            detail,
            "1 of 1 reads wrong; the first, sent at 3.000 s, counts 0 after 1 writes were acknowledged"
        );
    }

    #[test]
    fn a_write_without_an_answer_promises_nothing() {
        let record = record(vec![write_fails(0), read(3, 0)]);
        assert_eq!(judge(&record, &counted()).0, Some(true));
    }

    #[test]
    fn without_reads_nothing_is_shown() {
        assert_eq!(judge(&record(vec![write(0, 1)]), &counted()).0, None);
    }
}
