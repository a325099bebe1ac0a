//! Nothing is done twice: a read counts no more than the writes that were sent before its answer,
//! whatever became of them.
//!
//! The writes of one client each add one to a count that starts at 0; the reads of another carry
//! the count as their `value`. A write that failed may or may not have had its effect, so each one
//! leaves room for one repetition that is not seen.
//!
//! Source: RFC 9110, 9.2.2: a proxy must not repeat a request that is not idempotent;
//! nginx's `proxy_next_upstream` does not, unless `non_idempotent` is set.

use squall_record::{Failure, Outcome, RunRecord};

use crate::{Counted, Judgement};

/// As a scenario writes it.
pub const NAME: &str = "no-repeated-write";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, counted: &Counted) -> Judgement {
    let never_left = Outcome::Failure(Failure::Overload);
    let writes = crate::of(record, &counted.writes).filter(|write| write.outcome != never_left);
    let sent: Vec<u64> = writes.map(|write| write.sent_us).collect();
    crate::reads(record, counted, |read, value| {
        let most = sent.partition_point(|at| *at <= read.ended_us());
        (value > most as i64).then(|| format!("though {most} writes were sent"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{counted, read, record, write, write_fails};

    #[test]
    fn one_effect_for_each_write_at_most() {
        let good = record(vec![write(0, 1), write_fails(1), read(5, 2)]);
        assert_eq!(judge(&good, &counted()).0, Some(true));
        let twice = record(vec![write(0, 1), read(5, 2)]);
        let (holds, detail) = judge(&twice, &counted());
        assert_eq!(holds, Some(false));
        assert!(
            detail.ends_with("counts 2 though 1 writes were sent"),
            "{detail}"
        );
    }
}
