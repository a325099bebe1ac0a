//! Parts of dates and times.

use rusqlite::types::Value;
use rust_decimal::Decimal;

use super::Registrar;
use crate::error::PgError;
use crate::value::time::{DAY_US, SECOND_US, civil_from_days, days_from_civil, unit_us};
use crate::value::{decimal, out_of_range};

pub(super) fn register(r: &Registrar<'_>) -> rusqlite::Result<()> {
    r.strict("pg_date_trunc", 2, |a| {
        let us = a.int(1);
        let days = us.div_euclid(DAY_US);
        let (year, month, _) = civil_from_days(days);
        let start = |y, m| days_from_civil(y, m, 1).map(|d| d * DAY_US);
        let unit = a.text(0).to_ascii_lowercase();
        let cut = match unit.as_str() {
            "year" => start(year, 1),
            "quarter" => start(year, (month - 1) / 3 * 3 + 1),
            "month" => start(year, month),
            // Day 0 was a Thursday; weeks begin on Monday.
            "week" => Some((days - (days + 3).rem_euclid(7)) * DAY_US),
            other => unit_us(other).map(|unit| us - us.rem_euclid(unit)),
        };
        cut.map(Value::Integer).ok_or_else(|| unknown_unit(&unit))
    })?;
    // The third argument is 1 for an interval.
    r.strict("pg_extract", 3, |a| {
        let unit = a.text(0).to_ascii_lowercase();
        part(&unit, a.int(1), a.int(2) != 0)
            .map(decimal::to_value)
            .ok_or_else(|| unknown_unit(&unit))
    })?;
    r.strict("pg_to_timestamp", 1, |a| {
        let us = a.real(0) * SECOND_US as f64;
        if us.is_finite() && us.abs() < 2.5e17 {
            Ok(Value::Integer(us.round() as i64))
        } else {
            Err(out_of_range(crate::sql::types::Ty::Timestamp))
        }
    })?;
    r.strict("pg_scale_interval", 2, |a| {
        let us = a.int(0) as f64 * a.real(1);
        if us.is_finite() && us.abs() < 9.0e18 {
            Ok(Value::Integer(us.round() as i64))
        } else {
            Err(out_of_range(crate::sql::types::Ty::Interval))
        }
    })
}

fn unknown_unit(unit: &str) -> PgError {
    PgError::new(
        "22023",
        format!("unit \"{unit}\" not recognized for type timestamp with time zone"),
    )
}

fn part(unit: &str, us: i64, interval: bool) -> Option<Decimal> {
    let days = us.div_euclid(DAY_US);
    let clock = us.rem_euclid(DAY_US);
    let micros = |value: i64| Decimal::from_i128_with_scale(i128::from(value), 6);
    if unit == "epoch" {
        return Some(micros(us));
    }
    if interval {
        let rest = us % DAY_US;
        return Some(match unit {
            "day" => Decimal::from(us / DAY_US),
            "hour" => Decimal::from(rest / (3600 * SECOND_US)),
            "minute" => Decimal::from(rest / (60 * SECOND_US) % 60),
            "second" => micros(rest % (60 * SECOND_US)),
            "month" | "year" => Decimal::ZERO,
            _ => return None,
        });
    }
    let (year, month, day) = civil_from_days(days);
    Some(match unit {
        "year" => Decimal::from(year),
        "quarter" => Decimal::from((month - 1) / 3 + 1),
        "month" => Decimal::from(month),
        "day" => Decimal::from(day),
        "hour" => Decimal::from(clock / (3600 * SECOND_US)),
        "minute" => Decimal::from(clock / (60 * SECOND_US) % 60),
        "second" => micros(clock % (60 * SECOND_US)),
        "milliseconds" => Decimal::from_i128_with_scale(i128::from(clock % (60 * SECOND_US)), 3),
        "microseconds" => Decimal::from(clock % (60 * SECOND_US)),
        "dow" => Decimal::from((days + 4).rem_euclid(7)),
        "isodow" => Decimal::from((days + 3).rem_euclid(7) + 1),
        "doy" => Decimal::from(days - days_from_civil(year, 1, 1)? + 1),
        _ => return None,
    })
}
