//! Dates as HAProxy writes them, in UTC: a container's time zone, and every host's here.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment of the wall clock, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    year: i64,
    /// From 0.
    month: usize,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    /// Milliseconds of the second.
    pub(crate) millis: u32,
    /// Seconds since 1970.
    pub(crate) unix_s: u64,
}

impl Date {
    pub(crate) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let unix_s = since.as_secs();
        let (year, month, day) = civil(unix_s / 86_400);
        Self {
            year,
            month,
            day,
            hour: unix_s / 3_600 % 24,
            minute: unix_s / 60 % 60,
            second: unix_s % 60,
            millis: since.subsec_millis(),
            unix_s,
        }
    }

    /// `%t`: `21/Nov/2026:01:38:12.408`
    pub(crate) fn with_millis(self) -> impl fmt::Display {
        Shown(self, Style::Millis)
    }

    /// `%T`: `21/Nov/2026:01:38:12 +0000`
    pub(crate) fn with_zone(self) -> impl fmt::Display {
        Shown(self, Style::Zone)
    }

    /// Syslog's: `Nov 21 01:38:12`
    pub(crate) fn syslog(self) -> impl fmt::Display {
        Shown(self, Style::Syslog)
    }
}

enum Style {
    Millis,
    Zone,
    Syslog,
}

struct Shown(Date, Style);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(d, style) = self;
        let month = MONTHS[d.month];
        if let Style::Syslog = style {
            let (h, m, s) = (d.hour, d.minute, d.second);
            return write!(f, "{month} {:2} {h:02}:{m:02}:{s:02}", d.day);
        }
        write!(
            f,
            "{:02}/{month}/{:04}:{:02}:{:02}:{:02}",
            d.day, d.year, d.hour, d.minute, d.second
        )?;
        match style {
            Style::Millis => write!(f, ".{:03}", d.millis),
            _ => write!(f, " +0000"),
        }
    }
}

/// Year, month from 0 and day of a day counted from 1970-01-01, by the proleptic Gregorian
/// calendar: years are counted from March, so that the leap day is a year's last.
fn civil(days: u64) -> (i64, usize, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let month = usize::try_from(month).unwrap_or(0);
    (i64::try_from(year).unwrap_or(i64::MAX), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(unix_ms: u64) -> Date {
        Date::of(UNIX_EPOCH + Duration::from_millis(unix_ms))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_ms, expected) in [
            (0, "01/Jan/1970:00:00:00.000"),
            (951_782_400_007, "29/Feb/2000:00:00:00.007"),
            (1_757_468_213_408, "10/Sep/2025:01:36:53.408"),
            (1_798_761_599_999, "31/Dec/2026:23:59:59.999"),
        ] {
            assert_eq!(date(unix_ms).with_millis().to_string(), expected);
        }
        assert_eq!(
            date(951_782_400_000).syslog().to_string(),
            "Feb 29 00:00:00"
        );
    }
}
