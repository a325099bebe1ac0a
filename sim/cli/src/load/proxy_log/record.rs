//! A line of the proxy's log, as far as it says whose connection it was.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The proxy's clock may be behind this machine's by so much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);
/// Time zones differ by multiples of this, in milliseconds.
const ZONE_STEP_MS: i64 = 15 * 60 * 1000;

/// What a line of HAProxy says of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) server: String,
    /// When the connection was accepted, by the proxy's clock: milliseconds within a quarter of an
    /// hour, which is the same in every time zone. A format of one's own may have none.
    accepted_ms: Option<i64>,
}

impl Record {
    /// Reads `… [21/Nov/2026:12:00:00.123] front pool/server 0/0/4 …` (management of HAProxy 2.9,
    /// 8.2.2); announcements such as `Server pool/server is DOWN` are no such lines.
    pub(super) fn of(line: &str, prefix: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut accepted_ms = None;
        let server = loop {
            let word = words.next()?;
            if let Some(date) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
                accepted_ms = in_quarter_ms(date);
            } else if let Some(server) = word.strip_prefix(prefix) {
                break server;
            }
        };
        let is_timers = |word: &str| {
            word.contains('/')
                && word
                    .chars()
                    .all(|c| c.is_ascii_digit() || "/-+".contains(c))
        };
        words.next().filter(|word| is_timers(word))?;
        Some(Self {
            server: server.to_owned(),
            accepted_ms,
        })
    }

    pub(super) fn is_older_than(&self, since: SystemTime) -> bool {
        let Some(accepted_ms) = self.accepted_ms else {
            return false;
        };
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        // The nearest of all times of its kind.
        let late = (accepted_ms - since_ms).rem_euclid(ZONE_STEP_MS);
        let tolerance = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(0);
        late >= ZONE_STEP_MS / 2 && late < ZONE_STEP_MS - tolerance
    }
}

/// Of `21/Nov/2026:12:34:56.789`, what is beyond the last quarter.
fn in_quarter_ms(date: &str) -> Option<i64> {
    let mut parts = date.split(':').skip(2);
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((minutes % 15) * 60_000 + (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "10.42.2.9:41234 [21/Nov/2026:12:00:00.123] pg_front pg_pool/pg2 1/0/4 1021 -- 1/1/0/0/0 0/0";

    #[test]
    fn a_record_says_its_server_and_an_announcement_is_none() {
        let of = |line: &str| Record::of(line, "pg_pool/").map(|record| record.server);
        assert_eq!(of(LINE).as_deref(), Some("pg2"));
        assert_eq!(
            of("<134>Nov 21 12:00:00 haproxy[8]: 10.0.0.1:1 [x] f pg_pool/<NOSRV> -1/-1/0 0 SC 1/1/0/0/0 0/0").as_deref(),
            Some("<NOSRV>")
        );
        for other in [
            "Server pg_pool/pg1 is DOWN, reason: Layer4 timeout, check duration: 2003ms.",
            "10.42.2.9:41234 [21/Nov/2026:12:00:00.123] pg_front other/pg2 1/0/4 1021 --",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_record_of_an_earlier_request_is_told_by_its_date_in_any_zone() {
        let record = Record::of(LINE, "pg_pool/").unwrap();
        // 2026-11-21 12:00:00 UTC, and the same instant for a clock in India.
        for zone_s in [0, 19_800] {
            let noon = UNIX_EPOCH + Duration::from_secs(1_795_262_400 + zone_s);
            let at = |ms: i64| match ms < 0 {
                true => noon - Duration::from_millis(ms.unsigned_abs()),
                false => noon + Duration::from_millis(ms.unsigned_abs()),
            };
            assert!(!record.is_older_than(at(100)));
            assert!(
                !record.is_older_than(at(-60_000)),
                "a request of a minute ago"
            );
            assert!(!record.is_older_than(at(900)), "the clocks differ a little");
            assert!(
                record.is_older_than(at(5_000)),
                "accepted before it was sent"
            );
        }
    }
}
