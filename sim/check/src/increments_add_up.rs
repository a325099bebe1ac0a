//! When all is quiet the count is what it was at first, one more for each acknowledged increment, and at the most one
//! more for each of which nobody knows what became.
//!
//! That is judged at the last read that is quiet: no increment was on its way while it was. What the others do that
//! are unknown may come later; then they are allowed for all the same.
//!
//! Deliberately blind to who was answered which value: `increments-linearizable` looks at that.
//!
//! Source: the counter's lab, whose original loses 4 to 10 in 100 increments, each of which was answered with 200.

use squall_record::RunRecord;

use crate::increments::History;
use crate::linear::Operation;
use crate::linear::counter::Action;
use crate::{Counting, Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "increments-add-up";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, counting: &Counting) -> Judged {
    let history = match History::of(record, counting) {
        Ok(history) => history,
        Err(why) => return Judged::from((None, why)),
    };
    let increments = record.samples.iter();
    let increments = increments.filter(|sample| sample.client.as_str() == counting.increments);
    let spans: Vec<(u64, u64)> = increments
        .map(|sample| (sample.sent_us, sample.ended_us()))
        .collect();
    let reads = history.operations.iter().zip(&history.samples).rev();
    let quiet = reads.filter_map(|(one, (place, _))| match *one {
        Operation {
            action: Action::Read(Some(value)),
            from_us,
            to_us: Some(to_us),
        } => Some((from_us, to_us, value, *place)),
        _ => None,
    });
    let mut quiet = quiet.filter(|(from_us, to_us, ..)| {
        let mut spans = spans.iter();
        spans.all(|(sent_us, ended_us)| ended_us < from_us || to_us < sent_us)
    });
    let Some((from_us, to_us, value, place)) = quiet.next() else {
        let reads = counting.reads.as_deref().unwrap_or("a client");
        let detail = format!("no read of {reads} has a value while no increment is on its way");
        return Judged::from((None, detail));
    };
    let before = history.increments().filter(|one| one.from_us <= to_us);
    let (mut acknowledged, mut unknown) = (0_i64, 0_i64);
    for one in before {
        match one.to_us {
            Some(_) => acknowledged += 1,
            None => unknown += 1,
        }
    }
    let counted = value.saturating_sub(history.from);
    let lost = acknowledged.saturating_sub(counted).max(0);
    let invented = counted.saturating_sub(acknowledged + unknown).max(0);
    let holds = lost == 0 && invented == 0;
    let at = seconds(from_us);
    let seen = format!("{counted} counted at {at}, {acknowledged} acknowledged, {unknown} unknown");
    let detail = match (lost, invented) {
        (0, 0) => seen,
        (0, _) => format!("{invented} from nowhere: {seen}"),
        _ => format!("{lost} lost: {seen}"),
    };
    let holds = (acknowledged + unknown > 0).then_some(holds);
    let judged = Judged::from((holds, detail));
    let blames = (holds == Some(false)).then_some(place);
    judged
        .blame(blames)
        .figure("counted", counted)
        .figure("lost", lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, fetch, increment, record};
    use squall_record::Sample;

    fn judged(samples: Vec<Sample>) -> Judged {
        judge(&record(samples), &Counting::default())
    }

    fn lost(at_s: u64) -> Sample {
        Sample {
            client: "increments".into(),
            ..fails(at_s)
        }
    }

    #[test]
    fn what_was_acknowledged_is_counted() {
        let counts = |value| {
            judged(vec![
                increment(0, 1),
                increment(1, 2),
                lost(2),
                fetch(3, value),
            ])
        };
        assert_eq!(counts(2).holds, Some(true));
        assert_eq!(counts(3).holds, Some(true));
        let few = counts(1);
        let detail = "1 lost: 1 counted at 3.000 s, 2 acknowledged, 1 unknown";
        assert_eq!((few.holds, few.detail.as_str()), (Some(false), detail));
        assert_eq!((few.figures["lost"], few.blames), (1, vec![3]));
        let many = counts(4);
        assert_eq!(many.holds, Some(false));
        assert!(many.detail.starts_with("1 from nowhere"), "{}", many.detail);
    }

    #[test]
    fn only_a_quiet_read_tells() {
        let mut slow = increment(0, 1);
        slow.latency_us = 5_000_000;
        let during = judged(vec![slow.clone(), fetch(2, 1)]);
        assert_eq!(during.holds, None);
        let after = judged(vec![slow, fetch(2, 1), fetch(6, 0), increment(7, 1)]);
        assert_eq!(after.holds, Some(false));
    }

    #[test]
    fn without_increments_nothing_is_shown() {
        assert_eq!(judged(vec![fetch(0, 0)]).holds, None);
        assert_eq!(judged(vec![]).holds, None);
    }
}
