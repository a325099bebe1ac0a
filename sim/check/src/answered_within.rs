//! Every request of a client has an answer, or a failure that says that none will come, no later than a
//! deadline.
//!
//! A connection that is refused, reset or closed is such a failure; a timeout is the client's own and says
//! nothing of the system. One at the deadline or later is a breach. One before it leaves the question open,
//! unless the client never got anything else.
//!
//! Source: the resilience lab, whose `Transfer` tries for ever: with the store away, `curl` hangs until its
//! user gives up.

use std::time::Duration;

use squall_record::{Failure, Outcome, RunRecord, Sample};

use crate::Judged;

/// As a scenario writes it.
pub const NAME: &str = "answered-within";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, client: &str, deadline: Duration) -> Judged {
    let deadline_us = u64::try_from(deadline.as_micros()).unwrap_or(u64::MAX);
    let gave_up = |one: &Sample| one.outcome == Outcome::Failure(Failure::Timeout);
    let is_late = |one: &Sample| match gave_up(one) {
        true => one.latency_us >= deadline_us,
        false => one.latency_us > deadline_us,
    };
    let samples = || crate::of(record, client);
    let within = format!("over within {}", crate::seconds(deadline_us));
    let early = samples()
        .filter(|one| gave_up(one) && !is_late(one))
        .count();
    let judgement = match crate::none(samples(), is_late, &within) {
        (Some(true), _) if early == samples().count() => (
            Some(false),
            format!("{client} was never answered, {early} times, and gave up before the deadline"),
        ),
        (Some(true), detail) if early > 0 => (
            None,
            format!(
                "{detail}, but {early} were given up before that; give {client} a longer `timeout`"
            ),
        ),
        judgement => judgement,
    };
    let longest_us = samples().map(|one| one.latency_us).max().unwrap_or(0);
    Judged::from(judgement).figure("longest_ms", longest_us.div_ceil(1000) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{fails, ok, record, status};

    const DEADLINE: Duration = Duration::from_secs(12);

    /// With what became of it after so many milliseconds.
    fn after(ms: u64, mut sample: Sample) -> Sample {
        sample.latency_us = ms * 1000;
        sample
    }

    fn judged(samples: Vec<Sample>) -> Judged {
        judge(&record(samples), "load", DEADLINE)
    }

    fn refused() -> Sample {
        let outcome = Outcome::Failure(Failure::Refused);
        Sample { outcome, ..ok(0) }
    }

    #[test]
    fn answers_and_plain_failures_in_time_hold() {
        let good = judged(vec![after(12_000, status(0, 504)), after(1, refused())]);
        assert_eq!(good.holds, Some(true));
        assert_eq!(good.detail, "2 of 2 over within 12.000 s");
        assert_eq!(good.figures["longest_ms"], 12_000);
    }

    #[test]
    fn a_late_answer_is_a_breach() {
        let late = judged(vec![after(12_001, ok(0)), ok(1)]);
        assert_eq!(late.holds, Some(false));
        assert!(
            late.detail.contains("200 after 12.001 s"),
            "{}",
            late.detail
        );
        assert_eq!(judged(vec![after(12_001, refused())]).holds, Some(false));
    }

    #[test]
    fn a_client_that_waited_in_vain_shows_a_breach() {
        assert_eq!(
            judged(vec![ok(0), after(12_000, fails(1))]).holds,
            Some(false)
        );
    }

    #[test]
    fn a_client_that_gave_up_early_shows_nothing_but_that_it_got_nothing() {
        let open = judged(vec![ok(0), after(5000, fails(1))]);
        assert_eq!(open.holds, None);
        assert!(
            open.detail.ends_with("give load a longer `timeout`"),
            "{}",
            open.detail
        );
        assert_eq!(judged(vec![after(5000, fails(1))]).holds, Some(false));
    }

    #[test]
    fn without_requests_nothing_is_shown() {
        assert_eq!(judge(&record(vec![ok(0)]), "other", DEADLINE).holds, None);
    }
}
