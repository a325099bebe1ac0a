//! A count that only grows is never seen to shrink: a read that is sent after another was answered
//! counts at least as many.
//!
//! The reads of a client carry the count as their `value`.
//!
//! Source: "monotonic reads" of the consistency models of replicated stores; what shows an
//! uncommitted row that is then undone, and a replica that lags.

use squall_record::RunRecord;

use crate::{Counted, Judgement};

/// As a scenario writes it.
pub const NAME: &str = "reads-go-forward";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, counted: &Counted) -> Judgement {
    let reads = crate::of(record, &counted.reads).filter(|read| read.is_ok());
    let mut seen: Vec<(u64, i64)> = reads
        .filter_map(|read| Some((read.ended_us(), read.value?)))
        .collect();
    seen.sort_unstable();
    // From each answer on: the most that was seen up to then.
    let mut most = i64::MIN;
    for (_, value) in &mut seen {
        most = most.max(*value);
        *value = most;
    }
    crate::reads(record, counted, |read, value| {
        let before = seen.partition_point(|(at, _)| *at <= read.sent_us);
        let most = seen[..before].last().map_or(value, |(_, most)| *most);
        (value < most).then(|| format!("after {most} were seen"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{counted, read, record};

    #[test]
    fn what_was_seen_stays() {
        let good = record(vec![read(0, 1), read(2, 1), read(4, 3)]);
        assert_eq!(judge(&good, &counted()).0, Some(true));
        let back = record(vec![read(0, 2), read(2, 1)]);
        let (holds, detail) = judge(&back, &counted());
        assert_eq!(holds, Some(false));
        assert!(detail.ends_with("counts 1 after 2 were seen"), "{detail}");
    }
}
