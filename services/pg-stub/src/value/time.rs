//! Dates and times: microseconds and days since 1970, read and written as ISO 8601 in UTC.
//!
//! The session's time zone is always UTC. Deliberately absent: `infinity`, dates before year 1,
//! and intervals with months, whose length depends on where they start.

use std::fmt::Write;

use crate::error::PgError;

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY_US: i64 = 86_400 * SECOND_US;
/// 2000-01-01, where the wire's binary times begin, in days since 1970.
pub const WIRE_EPOCH_DAYS: i64 = 10_957;

/// Days since 1970 of a date in the proleptic Gregorian calendar; `None` if there is none such.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    if day > days_in_month(year, month) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// How many days a month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a day since 1970.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `2025-09-10`.
pub fn write_date(out: &mut String, days: i64) {
    let (year, month, day) = civil_from_days(days);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

/// `01:33:07.8225`; the fraction without its trailing zeros.
pub fn write_time(out: &mut String, us: i64) {
    let (s, fraction) = (us / SECOND_US, us % SECOND_US);
    let _ = write!(out, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

/// `2025-09-10 01:33:07.8225`.
pub fn write_timestamp(out: &mut String, us: i64) {
    write_date(out, us.div_euclid(DAY_US));
    out.push(' ');
    write_time(out, us.rem_euclid(DAY_US));
}

/// A time to the second, as the server's log shows it.
pub fn shown_utc(us: i64) -> String {
    let mut line = String::with_capacity(24);
    write_date(&mut line, us.div_euclid(DAY_US));
    line.push(' ');
    write_time(&mut line, us.rem_euclid(DAY_US) / SECOND_US * SECOND_US);
    line.push_str(" UTC");
    line
}

/// `1 day 02:03:04`, the style `postgres`.
pub fn write_interval(out: &mut String, us: i64) {
    let (days, rest) = (us / DAY_US, us % DAY_US);
    if days != 0 {
        let _ = write!(out, "{days} day{}", if days == 1 { "" } else { "s" });
    }
    if rest != 0 || days == 0 {
        if days != 0 {
            out.push(' ');
        }
        if rest < 0 {
            out.push('-');
        }
        write_time(out, rest.abs());
    }
}

/// Reads a date.
pub fn parse_date(text: &str, now_us: i64) -> Result<i64, PgError> {
    Ok(parse_parts(text, "date", now_us)?.0)
}

/// Reads a timestamp; with `zoned` its offset counts, without it is dropped (manual, 8.5.1.3).
pub fn parse_timestamp(text: &str, zoned: bool, now_us: i64) -> Result<i64, PgError> {
    let name = if zoned {
        "timestamp with time zone"
    } else {
        "timestamp"
    };
    let (days, time_us, offset_us) = parse_parts(text, name, now_us)?;
    let local = days * DAY_US + time_us;
    Ok(if zoned { local - offset_us } else { local })
}

/// Reads a time of day.
pub fn parse_time(text: &str) -> Result<i64, PgError> {
    clock(text.trim())
        .and_then(|(us, rest)| rest.is_empty().then_some(us))
        .ok_or_else(|| invalid("time", text))
}

fn invalid(name: &str, text: &str) -> PgError {
    PgError::new(
        "22007",
        format!("invalid input syntax for type {name}: \"{text}\""),
    )
}

fn parse_parts(text: &str, name: &str, now_us: i64) -> Result<(i64, i64, i64), PgError> {
    let trimmed = text.trim();
    let today = now_us.div_euclid(DAY_US);
    match trimmed.to_ascii_lowercase().as_str() {
        "now" => return Ok((today, now_us.rem_euclid(DAY_US), 0)),
        "today" => return Ok((today, 0, 0)),
        "tomorrow" => return Ok((today + 1, 0, 0)),
        "yesterday" => return Ok((today - 1, 0, 0)),
        "epoch" => return Ok((0, 0, 0)),
        _ => {}
    }
    let error = || invalid(name, text);
    let (date, rest) = match trimmed.find([' ', 'T']) {
        Some(at) => (&trimmed[..at], trimmed[at + 1..].trim_start()),
        None => (trimmed, ""),
    };
    let mut fields = date.splitn(3, '-').map(number);
    let (Some(Some(y)), Some(Some(m)), Some(Some(d))) =
        (fields.next(), fields.next(), fields.next())
    else {
        return Err(error());
    };
    let days = days_from_civil(y, m, d).ok_or_else(|| {
        PgError::new(
            "22008",
            format!("date/time field value out of range: \"{text}\""),
        )
    })?;
    if rest.is_empty() {
        return Ok((days, 0, 0));
    }
    let (time_us, zone) = clock(rest).ok_or_else(error)?;
    let offset_us = offset(zone.trim()).ok_or_else(error)?;
    Ok((days, time_us, offset_us))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `HH:MM[:SS[.ffffff]]` and what follows it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let mut parts = clock.split(':');
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(part) => match part.split_once('.') {
            None => (number(part)?, 0),
            Some((whole, digits)) => {
                let digits = digits.get(..digits.len().min(6))?;
                (number(whole)?, number(&format!("{digits:0<6}"))?)
            }
        },
    };
    if parts.next().is_some() || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    let us = ((hours * 60 + minutes) * 60 + seconds) * SECOND_US + fraction;
    (us <= DAY_US).then_some((us, rest))
}

fn offset(text: &str) -> Option<i64> {
    if text.is_empty() || is_utc(text) {
        return Some(0);
    }
    let (sign, digits) = match text.as_bytes()[0] {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((h, m)) => (number(h)?, number(m)?),
        None if digits.len() == 4 && digits.is_ascii() => {
            (number(&digits[..2])?, number(&digits[2..])?)
        }
        None => (number(digits)?, 0),
    };
    (hours <= 15 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60 * SECOND_US)
}

/// Whether a time zone's name means UTC.
pub fn is_utc(zone: &str) -> bool {
    [
        "utc",
        "z",
        "gmt",
        "etc/utc",
        "etc/gmt",
        "zulu",
        "uct",
        "universal",
    ]
    .iter()
    .any(|name| zone.eq_ignore_ascii_case(name))
}

/// Reads an interval: `1 day 2 hours`, `10 min`, `01:02:03`, `500ms`, with signs.
pub fn parse_interval(text: &str) -> Result<i64, PgError> {
    let error = || invalid("interval", text);
    let lower = text.trim().to_ascii_lowercase();
    let spaced = space_units(&lower);
    let mut words = spaced.split_whitespace().peekable();
    if words.peek().is_none() {
        return Err(error());
    }
    let mut total: f64 = 0.0;
    while let Some(word) = words.next() {
        if word == "ago" {
            total = -total;
            continue;
        }
        if word.contains(':') {
            let (sign, digits) = match word.strip_prefix('-') {
                Some(digits) => (-1.0, digits),
                None => (1.0, word.trim_start_matches('+')),
            };
            let (us, rest) = clock(digits).ok_or_else(error)?;
            if !rest.is_empty() {
                return Err(error());
            }
            total += sign * us as f64;
            continue;
        }
        let amount: f64 = word.parse().map_err(|_| error())?;
        let unit = match words.next() {
            None => SECOND_US,
            Some(unit) => unit_us(unit).ok_or_else(|| {
                if unit.starts_with("mon") || unit.starts_with('y') {
                    PgError::unsupported(format_args!("an interval in {unit}"))
                } else {
                    error()
                }
            })?,
        };
        total += amount * unit as f64;
    }
    if total.is_finite() && total.abs() < 9.0e18 {
        Ok(total.round() as i64)
    } else {
        Err(PgError::new(
            "22015",
            format!("interval field value out of range: \"{text}\""),
        ))
    }
}

/// Puts a space between a number and the unit that sticks to it, as in `500ms`.
fn space_units(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut digit_before = false;
    for c in text.chars() {
        if digit_before && c.is_ascii_alphabetic() {
            out.push(' ');
        }
        out.push(c);
        digit_before = c.is_ascii_digit() || c == '.';
    }
    out
}

/// Microseconds of a unit of a fixed length.
pub fn unit_us(unit: &str) -> Option<i64> {
    Some(match unit.trim_end_matches(',') {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => 1,
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1000,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND_US,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND_US,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600 * SECOND_US,
        "d" | "day" | "days" => DAY_US,
        "w" | "week" | "weeks" => 7 * DAY_US,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_dates_are_inverse() {
        for days in (-700_000..2_900_000).step_by(37) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), Some(days), "{y}-{m}-{d}");
        }
        assert_eq!(days_from_civil(2000, 1, 1), Some(WIRE_EPOCH_DAYS));
        assert_eq!(days_from_civil(2023, 2, 29), None);
    }

    #[test]
    fn timestamps_are_read_and_written() {
        let us = parse_timestamp("2025-09-10 01:33:07.822576+02", true, 0).unwrap();
        let mut out = String::new();
        write_timestamp(&mut out, us);
        assert_eq!(out, "2025-09-09 23:33:07.822576");
        assert!(parse_timestamp("2025-13-10", true, 0).is_err());
        assert!(parse_timestamp("nonsense", true, 0).is_err());
    }

    #[test]
    fn intervals_are_read_and_written() {
        let cases = [
            ("1 day 2 hours", "1 day 02:00:00"),
            ("90 min", "01:30:00"),
            ("500ms", "00:00:00.5"),
            ("-00:00:05", "-00:00:05"),
            ("2 days ago", "-2 days"),
        ];
        for (text, shown) in cases {
            let mut out = String::new();
            write_interval(&mut out, parse_interval(text).unwrap());
            assert_eq!(out, shown);
        }
        assert_eq!(parse_interval("1 month").unwrap_err().code, "0A000");
    }
}
