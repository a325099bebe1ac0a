//! For each request that a client sent, the system made no more than so many calls downstream.
//!
//! Clients that read the metrics of one instance each carry the counter of its calls as their `value`. What
//! counts is by how much it grew, as Prometheus' `increase` sees it: a counter that is less than before was
//! set back by a restart, and grew by what it is now. What an instance did after it was last read is not
//! seen, and calls for others than that client count, too: leave room for both.
//!
//! Source: the resilience lab, whose endless loop burns a core for a single transfer, also after its client
//! left, and whose remedy is six tries.

use squall_record::RunRecord;

use crate::{Judged, Retries};

/// As a scenario writes it.
pub const NAME: &str = "bounded-retries";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord, retries: &Retries) -> Judged {
    let (mut calls, mut until_us, mut unread) = (0_i64, 0, Vec::new());
    for client in &retries.calls {
        let mut last = None;
        for read in crate::of(record, client).filter(|read| read.is_ok()) {
            let Some(value) = read.value else { continue };
            until_us = until_us.max(read.ended_us());
            let grown = match last {
                None => 0,
                Some(last) if value < last => value,
                Some(last) => value - last,
            };
            calls = calls.saturating_add(grown);
            last = Some(value);
        }
        if last.is_none() {
            unread.push(client.as_str());
        }
    }
    let sent = crate::of(record, &retries.requests).filter(|one| one.sent_us <= until_us);
    let requests = sent.count() as i64;
    let allowed = i64::from(retries.at_most).saturating_mul(requests);
    let seen = format!("{calls} calls for {requests} requests");
    let judgement = match (calls > allowed, requests, unread.as_slice()) {
        (_, 0, _) => (
            None,
            format!(
                "{} sent no request before a count was read",
                retries.requests
            ),
        ),
        (true, ..) => (
            Some(false),
            format!("{seen}; {allowed} would be {} for each", retries.at_most),
        ),
        (false, _, []) => (Some(true), format!("{seen}, at most {allowed}")),
        (false, _, unread) => (
            None,
            format!("{seen}, but {} read no count", unread.join(", ")),
        ),
    };
    let each_x100 = calls.saturating_mul(100).checked_div(requests).unwrap_or(0);
    Judged::from(judgement)
        .figure("calls", calls)
        .figure("calls_per_request_x100", each_x100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{read, record, transfer};
    use squall_record::Sample;

    fn counter(at_s: u64, client: &str, value: i64) -> Sample {
        Sample {
            client: client.into(),
            ..read(at_s, value)
        }
    }

    fn judged(samples: Vec<Sample>) -> Judged {
        let retries = Retries {
            requests: "transfers".to_owned(),
            calls: vec!["calls1".to_owned(), "calls2".to_owned()],
            at_most: 24,
        };
        judge(&record(samples), &retries)
    }

    fn of_one_request(first: &[i64], second: &[i64]) -> Judged {
        let mut samples = vec![transfer(0, "a", "b", 1)];
        for (client, values) in [("calls1", first), ("calls2", second)] {
            let reads = values.iter().zip(1..);
            samples.extend(reads.map(|(value, at_s)| counter(at_s, client, *value)));
        }
        judged(samples)
    }

    #[test]
    fn a_loop_is_a_breach() {
        let good = of_one_request(&[0, 24], &[7, 7]);
        assert_eq!((good.holds, good.figures["calls"]), (Some(true), 24));
        assert_eq!(good.figures["calls_per_request_x100"], 2400);
        let both = of_one_request(&[0, 20], &[7, 12]);
        assert_eq!(both.holds, Some(false));
        assert_eq!(
            both.detail,
            "25 calls for 1 requests; 24 would be 24 for each"
        );
    }

    #[test]
    fn a_restart_hides_nothing_that_was_read() {
        let again = of_one_request(&[0, 15, 10], &[0]);
        assert_eq!((again.holds, again.figures["calls"]), (Some(false), 25));
    }

    #[test]
    fn a_request_after_the_last_count_allows_nothing() {
        let reads = [("calls1", 1, 0), ("calls1", 2, 25), ("calls2", 1, 0)];
        let mut samples = vec![transfer(0, "a", "b", 1)];
        samples.extend(reads.map(|(client, at_s, value)| counter(at_s, client, value)));
        samples.push(transfer(9, "a", "b", 1));
        assert_eq!(judged(samples).holds, Some(false));
    }

    #[test]
    fn without_requests_or_counts_nothing_is_shown() {
        assert_eq!(judged(vec![counter(0, "calls1", 1)]).holds, None);
        let one = of_one_request(&[0, 1], &[]);
        assert_eq!(one.holds, None);
        assert!(
            one.detail.ends_with("calls2 read no count"),
            "{}",
            one.detail
        );
    }
}
