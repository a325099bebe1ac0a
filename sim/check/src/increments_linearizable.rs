//! A counter counts as if it did one thing at a time: each acknowledged increment answers a value of its own, the
//! values go with time, and a read answers what was counted at an instant while it was on its way.
//!
//! A value that no increment answered, below one that was seen, must be of an increment of which nobody knows what
//! became, and which had begun by then; so many values, so many of those. An increment that was refused was not done.
//! An increment that was acknowledged without a value is somewhere: then the history is searched, and if that takes
//! too long the judgement is open.
//!
//! Source: the counter's lab promises consecutive values from any of its replicas; its unlock before the
//! read-modify-write loses 4 to 10 in 100 increments without any fault.

use squall_record::{RunRecord, Sample};

use crate::increments::History;
use crate::linear::counted::{self, Flaw, Why};
use crate::linear::counter::Counter;
use crate::linear::{self, Verdict};
use crate::{Counting, Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "increments-linearizable";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, counting: &Counting) -> Judged {
    let history = match History::of(record, counting) {
        Ok(history) => history,
        Err(why) => return Judged::from((None, why)),
    };
    let (acknowledged, unknown) = (history.acknowledged(), history.unknown());
    let answered = history.increments().any(|one| one.to_us.is_some());
    let (holds, detail, blames) = match counted::flaws(history.from, &history.operations) {
        Some(flaws) => of_flaws(&history, &flaws),
        None => searched(&history),
    };
    let judged = match (holds, answered) {
        (Some(true), false) => Judged::from((None, "no increment was acknowledged".to_owned())),
        _ => Judged::from((holds, detail)),
    };
    let samples = blames.into_iter().map(|place| history.samples[place].0);
    judged
        .blame(samples)
        .figure("acknowledged", acknowledged)
        .figure("unknown", unknown)
        .figure("doubled", history.doubled())
}

type Found = (Option<bool>, String, Vec<usize>);

fn of_flaws(history: &History<'_>, flaws: &[Flaw]) -> Found {
    let Some(first) = flaws.first() else {
        return (Some(true), right(history), Vec::new());
    };
    let others = match flaws.len() - 1 {
        0 => String::new(),
        others => format!("; {others} more"),
    };
    let (what, blames) = told(history, &first.why);
    (Some(false), format!("{what}{others}"), blames)
}

fn right(history: &History<'_>) -> String {
    let (acknowledged, unknown) = (history.acknowledged(), history.unknown());
    let reads = history.operations.len() as i64 - acknowledged - unknown;
    format!(
        "{acknowledged} increments acknowledged, {unknown} unknown, {reads} reads: all in order"
    )
}

/// A flaw in words, and the operations that it is about.
fn told(history: &History<'_>, why: &Why) -> (String, Vec<usize>) {
    let one = |place: usize| history.samples[place].1;
    match why {
        Why::Twice { value, increments } => {
            let sent = increments.iter().map(|place| seconds(one(*place).sent_us));
            let sent: Vec<String> = sent.collect();
            let sent = sent.join(" and ");
            let many = increments.len();
            let what = format!("{many} increments answered {value}, sent at {sent}");
            (what, increments.clone())
        }
        Why::TooLow { operation } => {
            let what = format!(
                "{}, and the count began at {}",
                answer(one(*operation)),
                history.from
            );
            (what, vec![*operation])
        }
        Why::AgainstTime { before, after } => {
            let (late, early) = (one(*before), one(*after));
            let what = format!(
                "{}, though {} by {}",
                answer(late),
                answer(early),
                seconds(early.ended_us())
            );
            (what, vec![*after, *before])
        }
        Why::Unexplained {
            first,
            last,
            seen_by,
        } => {
            let values = match first == last {
                true => first.to_string(),
                false => format!("{first} to {last}"),
            };
            let seen = one(*seen_by);
            let what = format!(
                "nothing explains the count of {values}: by {} {}, and too few increments without an answer had begun",
                seconds(seen.ended_us()),
                answer(seen)
            );
            (what, vec![*seen_by])
        }
    }
}

/// `increments sent at 1.200 s answered 13`.
fn answer(sample: &Sample) -> String {
    let value = sample
        .value
        .map_or("nothing".to_owned(), |value| value.to_string());
    let sent = seconds(sample.sent_us);
    format!("{}, sent at {sent}, answered {value}", sample.client)
}

/// By a search, for what the answers alone do not say.
fn searched(history: &History<'_>) -> Found {
    let counter = Counter { from: history.from };
    match linear::check(&counter, &history.operations, linear::MOST_STEPS) {
        Verdict::Linear { .. } => (Some(true), right(history), Vec::new()),
        Verdict::Open { steps } => {
            let why = "some increments were acknowledged without a value";
            let detail = format!("not known after {steps} steps of a search: {why}");
            (None, detail, Vec::new())
        }
        Verdict::Broken(broken) => {
            let misfit = history.samples[broken.misfit].1;
            let (what, count) = (answer(misfit), broken.state);
            let detail = format!(
                "{what}, and no order of what was done before fits; at best it was {count} then"
            );
            (Some(false), detail, vec![broken.misfit])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Start;
    use crate::samples::{fails, fetch, increment, record, status};

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
    fn consecutive_values_are_right() {
        let good = judged(vec![
            fetch(0, 0),
            increment(1, 2),
            increment(1, 1),
            fetch(3, 2),
        ]);
        assert_eq!(good.holds, Some(true));
        assert_eq!(
            good.detail,
            "2 increments acknowledged, 0 unknown, 2 reads: all in order"
        );
    }

    #[test]
    fn two_that_answer_the_same_are_found_and_blamed() {
        let bad = judged(vec![
            increment(0, 1),
            fetch(1, 1),
            increment(2, 2),
            increment(2, 2),
        ]);
        assert_eq!(bad.holds, Some(false));
        assert_eq!(
            bad.detail,
            "2 increments answered 2, sent at 2.000 s and 2.000 s"
        );
        assert_eq!((bad.blames, bad.figures["doubled"]), (vec![2, 3], 1));
    }

    #[test]
    fn a_stale_read_is_found() {
        let bad = judged(vec![increment(0, 1), increment(1, 2), fetch(2, 1)]);
        let detail = "fetches, sent at 2.000 s, answered 1, \
                      though increments, sent at 1.000 s, answered 2 by 1.001 s";
        assert_eq!((bad.holds, bad.detail.as_str()), (Some(false), detail));
    }

    #[test]
    fn a_gap_needs_an_increment_that_nobody_knows_of_and_that_began_in_time() {
        let gap = |unknown: Sample| judged(vec![increment(0, 1), unknown, increment(2, 3)]);
        assert_eq!(gap(lost(1)).holds, Some(true));
        assert_eq!(gap(lost(3)).holds, Some(false), "it began too late");
        let refused = Sample {
            client: "increments".into(),
            ..status(1, 503)
        };
        let bad = gap(refused);
        let detail = "nothing explains the count of 2: by 2.001 s increments, sent at 2.000 s, answered 3, \
                      and too few increments without an answer had begun";
        assert_eq!((bad.holds, bad.detail.as_str()), (Some(false), detail));
    }

    #[test]
    fn a_count_can_begin_anywhere() {
        let samples = vec![fetch(0, 41), increment(1, 42)];
        let from = |from| {
            let counting = Counting {
                from,
                ..Counting::default()
            };
            judge(&record(samples.clone()), &counting).holds
        };
        assert_eq!(from(Start::At(0)), Some(false));
        assert_eq!(from(Start::At(41)), Some(true));
        assert_eq!(from(Start::At(42)), Some(false));
        assert_eq!(from(Start::FirstRead), Some(true));
    }

    #[test]
    fn what_shows_nothing_is_not_a_success() {
        assert_eq!(judged(vec![]).holds, None);
        assert_eq!(judged(vec![fetch(0, 0), lost(1)]).holds, None);
        let counting = Counting {
            from: Start::FirstRead,
            ..Counting::default()
        };
        assert_eq!(judge(&record(vec![increment(0, 1)]), &counting).holds, None);
    }

    #[test]
    fn an_answer_without_a_value_is_somewhere() {
        let without = |at_s| Sample {
            value: None,
            ..increment(at_s, 0)
        };
        let good = judged(vec![increment(0, 1), without(1), increment(2, 3)]);
        assert_eq!(good.holds, Some(true));
        let bad = judged(vec![increment(0, 1), without(1), increment(2, 2)]);
        assert_eq!((bad.holds, bad.blames), (Some(false), vec![2]));
    }
}
