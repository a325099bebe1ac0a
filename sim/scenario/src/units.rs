//! Quantities as a scenario writes them: `1m30s`, `25%`, `50/s`, and comparisons with them.
//!
//! Every quantity is written with its unit, so that a file never leaves one to be guessed.
//! Errors are sentences for the user; the caller knows the line.

use std::fmt;
use std::time::Duration;

pub use squall_chaos::yaml::BadQuantity;

/// The units of time, the long ones first so that `ms` is not taken for `m`.
const UNITS_NS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("min", 60e9),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// The longest time that a scenario may speak of: 1000 days.
const DURATION_NS_MAX: f64 = 1000.0 * 24.0 * 3600e9;

/// Reads a duration such as `200us`, `1.5s`, `1m30s`; `0` needs no unit.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    const HELP: &str = "write a number with its unit, as in 200us, 500ms, 1.5s, 2m or 1m30s";
    let text = text.trim();
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no duration: {why}"), HELP);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total_ns) = (text, 0.0);
    if rest.is_empty() {
        return Err(bad("it is empty"));
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(|| bad("a number is missing"))?;
        let (unit, factor_ns) = UNITS_NS
            .iter()
            .find(|(unit, _)| after.starts_with(unit))
            .ok_or_else(|| bad("the unit is missing"))?;
        total_ns += number * factor_ns;
        rest = after[unit.len()..].trim_start();
    }
    if total_ns > DURATION_NS_MAX {
        return Err(bad("it is longer than 1000 days"));
    }
    // Within the bound above this is exact to the nanosecond, and never negative.
    Ok(Duration::from_nanos(total_ns.round() as u64))
}

/// Reads a share such as `25%` or `12.5%` as a fraction from 0 to 1.
pub fn percent(text: &str) -> Result<f64, BadQuantity> {
    const HELP: &str = "write a percentage from 0% to 100%, as in 25%";
    let text = text.trim();
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no percentage: {why}"), HELP);
    let number = text
        .strip_suffix('%')
        .ok_or_else(|| bad("the % is missing"))?;
    match leading_number(number.trim_end()) {
        Some((number, "")) if number <= 100.0 => Ok(number / 100.0),
        Some((_, "")) => Err(bad("it is more than all")),
        _ => Err(bad("what stands before the % is no number")),
    }
}

/// Reads a duration that may be below zero, such as `-5m`: whether it is, and how long.
pub fn signed_duration(text: &str) -> Result<(bool, Duration), BadQuantity> {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => duration(rest).map(|duration| (true, duration)),
        None => duration(text.strip_prefix('+').unwrap_or(text)).map(|duration| (false, duration)),
    }
}

/// Reads how far a clock's oscillator is off: `100ppm`, `-20.5ppm`.
pub fn drift_ppm(text: &str) -> Result<f64, BadQuantity> {
    const HELP: &str = "write millionths, as in 100ppm or -50ppm; at most 100000ppm, a tenth";
    const MAX: f64 = 100_000.0;
    let text = text.trim();
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no drift: {why}"), HELP);
    let number = text
        .strip_suffix("ppm")
        .ok_or_else(|| bad("it does not end in ppm"))?;
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1.0, number),
        None => (1.0, number.strip_prefix('+').unwrap_or(number)),
    };
    match leading_number(number.trim_end()) {
        Some((number, "")) if number <= MAX => Ok(sign * number),
        Some((_, "")) => Err(bad("it is too much")),
        _ => Err(bad("what stands before ppm is no number")),
    }
}

/// Reads a number of bytes: `1500`, `64kB`, `1MB`, `1MiB`.
pub fn bytes(text: &str) -> Result<u64, BadQuantity> {
    const HELP: &str = "write a number with its unit, as in 1500B, 64kB, 1MB or 1MiB";
    amount(text, &SIZES, 1e15, "size", HELP)
}

/// Units of sizes, in bytes.
pub(crate) const SIZES: [(&str, f64); 6] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("B", 1.0),
];

/// Units of what passes in a second, in bytes.
pub(crate) const BANDWIDTHS: [(&str, f64); 7] = [
    ("kbit", 125.0),
    ("mbit", 125e3),
    ("gbit", 125e6),
    ("bit", 0.125),
    ("kB/s", 1e3),
    ("MB/s", 1e6),
    ("B/s", 1.0),
];

/// Reads what passes over time in tc(8)'s words for bits (`10mbit`, decimal), as bytes a second.
/// Its `mbps`, which is megabytes, is refused: nobody reads it so.
pub fn bandwidth(text: &str) -> Result<u64, BadQuantity> {
    const HELP: &str = "write bits or bytes a second, as in 10mbit, 512kbit, 1gbit or 2MB/s";
    let bytes = amount(text, &BANDWIDTHS, 1e12, "bandwidth", HELP)?;
    match bytes {
        0 => Err(BadQuantity::new(
            format!("`{}` lets nothing pass", text.trim()),
            "write `partition` for that",
        )),
        bytes => Ok(bytes),
    }
}

fn amount(
    text: &str,
    units: &[(&str, f64)],
    max: f64,
    what: &str,
    help: &str,
) -> Result<u64, BadQuantity> {
    let text = text.trim();
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no {what}: {why}"), help);
    let (number, unit) = leading_number(text).ok_or_else(|| bad("a number is missing"))?;
    let (_, factor) = units
        .iter()
        .find(|(name, _)| *name == unit.trim())
        .ok_or_else(|| bad("the unit is missing or unknown"))?;
    let bytes = number * factor;
    match bytes <= max {
        // Below the bound a float counts bytes exactly.
        true => Ok(bytes.round() as u64),
        false => Err(bad("it is too much")),
    }
}

/// The fastest pace of a client: a million requests a second.
const PERIOD_MIN: Duration = Duration::from_micros(1);

/// Reads a rate such as `50/s`, `600/m` or `0.5/s` as the time from one request to the next.
pub fn rate(text: &str) -> Result<Duration, BadQuantity> {
    const HELP: &str = "write how many in which time, as in 50/s or 600/m";
    let text = text.trim();
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no rate: {why}"), HELP);
    let (count, unit) = text
        .split_once('/')
        .ok_or_else(|| bad("the / is missing"))?;
    let unit = unit.trim();
    let (_, unit_ns) = UNITS_NS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| bad("what stands after the / is no unit of time"))?;
    match leading_number(count.trim_end()) {
        Some((count, "")) if count > 0.0 => {
            let period_ns = (unit_ns / count).round();
            if period_ns < PERIOD_MIN.as_nanos() as f64 {
                return Err(bad("it is more than a million requests a second"));
            }
            if period_ns > DURATION_NS_MAX {
                return Err(bad("it is less than one request in 1000 days"));
            }
            Ok(Duration::from_nanos(period_ns as u64))
        }
        Some((_, "")) => Err(BadQuantity::new(
            format!("`{text}` sends nothing"),
            "write `off` for no load",
        )),
        _ => Err(bad("what stands before the / is no number")),
    }
}

/// A number without a sign at the start of a text, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// What a comparison compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fractions, written as percentages.
    Share,
    /// Times, compared in nanoseconds.
    Time,
    /// How many.
    Count,
}

impl Kind {
    fn read(self, text: &str) -> Result<f64, BadQuantity> {
        match self {
            Self::Share => percent(text),
            Self::Time => duration(text).map(|duration| duration.as_nanos() as f64),
            Self::Count => text.trim().parse::<u32>().map(f64::from).map_err(|_| {
                BadQuantity::new(
                    format!("`{}` is no count", text.trim()),
                    "write a whole number, as in 100",
                )
            }),
        }
    }
}

/// A condition on a quantity: `100%`, `>= 99%`, `< 1s`, `40%..60%` (both ends belong to it).
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    low: Option<End>,
    high: Option<End>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    value: f64,
    belongs: bool,
}

impl Comparison {
    /// Reads a condition on quantities of one kind. A bare quantity means "exactly".
    pub fn read(text: &str, kind: Kind) -> Result<Self, BadQuantity> {
        let text = text.trim();
        let end = |value, belongs| Some(End { value, belongs });
        let (low, high) = if let Some((low, high)) = text.split_once("..") {
            let (low, high) = (kind.read(low)?, kind.read(high)?);
            if low > high {
                return Err(BadQuantity::new(
                    format!("`{text}` is empty: it ends before it begins"),
                    "write the smaller one first",
                ));
            }
            (end(low, true), end(high, true))
        } else if let Some(rest) = text.strip_prefix(">=") {
            (end(kind.read(rest)?, true), None)
        } else if let Some(rest) = text.strip_prefix("<=") {
            (None, end(kind.read(rest)?, true))
        } else if let Some(rest) = text.strip_prefix('>') {
            (end(kind.read(rest)?, false), None)
        } else if let Some(rest) = text.strip_prefix('<') {
            (None, end(kind.read(rest)?, false))
        } else {
            let value = kind.read(text.strip_prefix('=').unwrap_or(text))?;
            (end(value, true), end(value, true))
        };
        Ok(Self {
            low,
            high,
            text: text.to_owned(),
        })
    }

    /// The least and the most whole number that meet it; nothing does when the first is the greater.
    pub fn whole_numbers(&self) -> (usize, usize) {
        let least = self.low.map_or(0.0, |end| {
            end.value.ceil() + f64::from(u8::from(!end.belongs && end.value.fract() == 0.0))
        });
        let most = self.high.map_or(f64::INFINITY, |end| {
            end.value.floor() - f64::from(u8::from(!end.belongs && end.value.fract() == 0.0))
        });
        // Below zero there is none; casts of floats stop at the ends of the type.
        match most < 0.0 {
            true => (1, 0),
            false => (least as usize, most as usize),
        }
    }

    /// Whether a value of the kind that it was read for meets it.
    pub fn holds(&self, value: f64) -> bool {
        let above = |end: End| value > end.value || (end.belongs && value == end.value);
        let below = |end: End| value < end.value || (end.belongs && value == end.value);
        self.low.is_none_or(above) && self.high.is_none_or(below)
    }
}

impl fmt::Display for Comparison {
    /// As the scenario states it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("200us", 200_000),
            ("200µs", 200_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("2min", 120_000_000_000),
            ("1h 1m 1s", 3_661_000_000_000),
            ("3ns", 3),
        ] {
            assert_eq!(duration(text).unwrap().as_nanos(), nanos, "{text}");
        }
        for text in [
            "", "5", "s", "-1s", "1.s", ".5s", "1e3s", "5 weeks", "1000001h", "1s5",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        let error = duration("30").unwrap_err();
        assert_eq!(error.message, "`30` is no duration: the unit is missing");
        assert!(error.help.contains("500ms"));
    }

    #[test]
    fn percentages_have_their_sign() {
        assert_eq!(percent("25%").unwrap(), 0.25);
        assert_eq!(percent("100 %").unwrap(), 1.0);
        assert_eq!(percent("12.5%").unwrap(), 0.125);
        for text in ["25", "101%", "-1%", "%", "a%", "1.2.3%"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_become_periods() {
        assert_eq!(rate("50/s").unwrap(), Duration::from_millis(20));
        assert_eq!(rate("600/m").unwrap(), Duration::from_millis(100));
        assert_eq!(rate("0.5 / s").unwrap(), Duration::from_secs(2));
        for text in ["50", "50/", "/s", "50/fortnight", "2000000/s", "0/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert!(rate("0/s").unwrap_err().help.contains("off"));
    }

    #[test]
    fn sizes_bandwidths_and_drifts_have_their_units() {
        assert_eq!(bytes("64kB").unwrap(), 64_000);
        assert_eq!(bytes("1.5 MiB").unwrap(), 1_572_864);
        assert_eq!(bandwidth("10mbit").unwrap(), 1_250_000);
        assert_eq!(bandwidth("2MB/s").unwrap(), 2_000_000);
        assert_eq!(drift_ppm("-20.5ppm").unwrap(), -20.5);
        assert_eq!(
            signed_duration("-5m").unwrap(),
            (true, Duration::from_secs(300))
        );
        for text in ["1mbps", "10", "0bit", "fast", "9e9gbit"] {
            assert!(bandwidth(text).is_err(), "{text}");
        }
        for text in ["1", "1kb", "-1B"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["1", "ppm", "1e3ppm", "200000ppm"] {
            assert!(drift_ppm(text).is_err(), "{text}");
        }
    }

    #[test]
    fn comparisons_know_which_ends_belong_to_them() {
        let share = |text| Comparison::read(text, Kind::Share).unwrap();
        assert!(share("100%").holds(1.0) && !share("100%").holds(0.999));
        assert!(share(">= 99%").holds(0.99) && !share("> 99%").holds(0.99));
        assert!(share("< 1%").holds(0.0) && !share("< 1%").holds(0.01));
        assert!(share("40%..60%").holds(0.4) && share("40%..60%").holds(0.6));
        assert!(!share("40%..60%").holds(0.61));
        let time = Comparison::read("< 1s", Kind::Time).unwrap();
        assert!(time.holds(999e6) && !time.holds(1e9));
        assert!(Comparison::read("10", Kind::Count).unwrap().holds(10.0));
        for (text, kind) in [
            ("60%..40%", Kind::Share),
            ("< 5", Kind::Time),
            (">", Kind::Count),
            ("1.5", Kind::Count),
            ("", Kind::Share),
        ] {
            assert!(Comparison::read(text, kind).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = (duration(&text), percent(&text), rate(&text));
            let _ = (signed_duration(&text), drift_ppm(&text), bytes(&text), bandwidth(&text));
            for kind in [Kind::Share, Kind::Time, Kind::Count] {
                let _ = Comparison::read(&text, kind);
            }
        }

        #[test]
        fn a_duration_that_is_written_reads_the_same(nanos in 0_u64..1_000_000_000_000_000) {
            let expected = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&format!("{nanos}ns")).unwrap(), expected);
            let split = format!("{}s{}ns", nanos / 1_000_000_000, nanos % 1_000_000_000);
            prop_assert_eq!(duration(&split).unwrap(), expected);
        }

        #[test]
        fn a_percentage_lies_between_nothing_and_all(tenths in 0_u32..=1000) {
            let fraction = percent(&format!("{}.{}%", tenths / 10, tenths % 10)).unwrap();
            prop_assert!((fraction - f64::from(tenths) / 1000.0).abs() < 1e-9);
        }

        #[test]
        fn a_rate_is_the_inverse_of_its_period(per_s in 1_u32..1_000_000) {
            let period = rate(&format!("{per_s}/s")).unwrap();
            prop_assert!((period.as_secs_f64() * f64::from(per_s) - 1.0).abs() < 1e-3);
        }
    }
}
