//! Wall-clock time in the forms that nginx writes. Always UTC.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// Time since 1970, from the machine's (perhaps skewed) clock; zero before that.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// nginx's whole-second clock.
pub(crate) fn now_s() -> i64 {
    since_epoch().as_secs() as i64
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// A moment in the Gregorian calendar.
struct Civil {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

fn civil(epoch_s: u64) -> Civil {
    let days = epoch_s / 86_400;
    let second = epoch_s % 86_400;
    // Years from March, so that the leap day is the last of its year; eras of 400 years.
    let from_march = days + 719_468;
    let day_of_era = from_march % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12;
    Civil {
        year: from_march / 146_097 * 400 + year_of_era + u64::from(month < 2),
        month: month as usize,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        weekday: (days % 7) as usize,
        hour: second / 3600,
        minute: second / 60 % 60,
        second: second % 60,
    }
}

/// `$time_local`: `21/Nov/2026:01:37:20 +0000`.
pub(crate) fn local(out: &mut String) {
    let t = civil(since_epoch().as_secs());
    let _ = write!(
        out,
        "{:02}/{}/{}:{:02}:{:02}:{:02} +0000",
        t.day, MONTHS[t.month], t.year, t.hour, t.minute, t.second
    );
}

/// `$time_iso8601`: `2026-11-21T01:37:20+00:00`.
pub(crate) fn iso8601(out: &mut String) {
    let t = civil(since_epoch().as_secs());
    let _ = write!(
        out,
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
        t.year,
        t.month + 1,
        t.day,
        t.hour,
        t.minute,
        t.second
    );
}

/// `$msec`: seconds with milliseconds.
pub(crate) fn msec(out: &mut String) {
    let now = since_epoch();
    let _ = write!(out, "{}.{:03}", now.as_secs(), now.subsec_millis());
}

fn http_date(epoch_s: u64) -> String {
    let t = civil(epoch_s);
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        DAYS[t.weekday], t.day, MONTHS[t.month], t.year, t.hour, t.minute, t.second
    )
}

/// The `Date` header, written once a second.
///
/// hyper has a cache of its own, for each thread; it would carry one run's time into the next run
/// of the same process, so edge does not use it.
#[derive(Debug)]
pub(crate) struct DateHeader(Mutex<(u64, HeaderValue)>);

impl DateHeader {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((u64::MAX, HeaderValue::from_static(""))))
    }

    pub(crate) fn get(&self) -> HeaderValue {
        let now_s = since_epoch().as_secs();
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.0 != now_s {
            let value = HeaderValue::from_str(&http_date(now_s));
            *cached = (now_s, value.expect("a date is visible ASCII"));
        }
        cached.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(http_date(1_795_225_040), "Sat, 21 Nov 2026 01:37:20 GMT");
        assert_eq!(http_date(4_102_444_799), "Thu, 31 Dec 2099 23:59:59 GMT");
    }
}
