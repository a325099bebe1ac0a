//! Quantities as Chaos Mesh and Istio write them: Go's durations, percentages that are strings,
//! rates in bytes. Deliberately not a scenario's own quantities, which look alike and differ.

use std::time::Duration;

use crate::yaml::{BadQuantity, Node, Problems, Value};

/// Go's units (time.ParseDuration), the long ones first so that `ms` is not taken for `m`.
const UNITS_NS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// 100 years; Go's own limit is 290.
const DURATION_NS_MAX: f64 = 100.0 * 365.0 * 24.0 * 3600e9;

/// Reads a Go duration that may be below zero: whether it is, and how long.
///
/// # Errors
/// What is wrong with it.
pub fn signed_duration(text: &str) -> Result<(bool, Duration), BadQuantity> {
    const HELP: &str = "write a number with its unit, as in 300ms, 1.5s, 2m or 1h30m";
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no duration: {why}"), HELP);
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok((false, Duration::ZERO));
    }
    if rest.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut total_ns = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| bad("a number is missing"))?;
        let (unit, factor_ns) = UNITS_NS
            .iter()
            .find(|(unit, _)| after.starts_with(unit))
            .ok_or_else(|| bad("the unit is missing"))?;
        total_ns += number * factor_ns;
        rest = &after[unit.len()..];
    }
    if total_ns > DURATION_NS_MAX {
        return Err(bad("it is longer than 100 years"));
    }
    // Within the bound it fits, and it is never below zero.
    Ok((negative, Duration::from_nanos(total_ns.round() as u64)))
}

/// Reads a Go duration.
///
/// # Errors
/// What is wrong with it; below zero is.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    match signed_duration(text)? {
        (false, duration) => Ok(duration),
        (true, duration) if duration.is_zero() => Ok(duration),
        (true, _) => Err(BadQuantity::new(
            format!("`{text}` is below zero"),
            "write how long, without a sign",
        )),
    }
}

/// Reads a rate: whole numbers of `bps`, `kbps`, `mbps`, `gbps`, `tbps`, which are **bytes** a second
/// in steps of 1024 (networkchaos_webhook.go, `ConvertUnitToBytes`).
///
/// # Errors
/// What is wrong with it.
pub fn bytes_per_second(text: &str) -> Result<u64, BadQuantity> {
    const HELP: &str = "write for example 1mbps: one mega*byte* (1048576 bytes) a second";
    let bad = |why: &str| BadQuantity::new(format!("`{text}` is no rate: {why}"), HELP);
    let lower = text.trim().to_ascii_lowercase();
    let units = ["tbps", "gbps", "mbps", "kbps", "bps"];
    let (power, number) = units
        .iter()
        .zip((0..5_u32).rev())
        .find_map(|(unit, power)| Some((power, lower.strip_suffix(unit)?.trim())))
        .ok_or_else(|| bad("the unit is none of bps, kbps, mbps, gbps, tbps"))?;
    let number: u64 = number
        .parse()
        .map_err(|_| bad("what stands before the unit is no whole number"))?;
    let bytes = number.checked_mul(1024_u64.pow(power));
    match bytes {
        Some(0) => Err(bad("nothing would pass; that is a partition")),
        Some(bytes) => Ok(bytes),
        None => Err(bad("it is too large")),
    }
}

/// Readers of a node that must be of one kind; each notes what is wrong.
pub(crate) trait Typed {
    /// Chaos Mesh's percentages: from 0 to 100, and strings. As a fraction.
    fn percentage(&self, what: &str, problems: &mut Problems) -> Option<f64>;
    /// A whole number between these, not quoted.
    fn integer(&self, what: &str, min: u64, max: u64, problems: &mut Problems) -> Option<u64>;
    /// `true` or `false`, not quoted.
    fn boolean(&self, what: &str, problems: &mut Problems) -> Option<bool>;
    /// A string, quoted where it would be something else.
    fn string(&self, what: &str, problems: &mut Problems) -> Option<&str>;
    /// A Go duration.
    fn duration(&self, what: &str, problems: &mut Problems) -> Option<Duration>;
    /// One of these words.
    fn word(
        &self,
        what: &str,
        words: &[&'static str],
        problems: &mut Problems,
    ) -> Option<&'static str>;
}

impl Typed for Node {
    fn percentage(&self, what: &str, problems: &mut Problems) -> Option<f64> {
        let text = match &self.value {
            Value::Text(text) => text,
            Value::Number(number) => {
                let message = format!("{what} is the number {number}: percentages are strings");
                problems.add(self.line, message, format!("write '{number}' with quotes"));
                return None;
            }
            _ => {
                let message = format!("{what} is {}", self.value.kind());
                problems.add(
                    self.line,
                    message,
                    "write a percentage in quotes, as in '25'",
                );
                return None;
            }
        };
        let number: Option<f64> = text.trim().parse().ok();
        match number {
            Some(number) if (0.0..=100.0).contains(&number) => Some(number / 100.0),
            Some(_) => {
                let message = format!("{what} is `{text}`, and percentages go from 0 to 100");
                problems.add(self.line, message, "write for example '25'");
                None
            }
            None => {
                let help = match text.trim().strip_suffix('%') {
                    Some(number) => format!("leave the % out: '{}'", number.trim()),
                    None => "write for example '25'".to_owned(),
                };
                problems.add(
                    self.line,
                    format!("{what} is `{text}`, which is no number"),
                    help,
                );
                None
            }
        }
    }

    fn integer(&self, what: &str, min: u64, max: u64, problems: &mut Problems) -> Option<u64> {
        match &self.value {
            Value::Number(number) => {
                let read = number.parse().ok().filter(|n| (min..=max).contains(n));
                if read.is_none() {
                    let message = format!("{what} is {number}");
                    let help = format!("write a whole number from {min} to {max}");
                    problems.add(self.line, message, help);
                }
                read
            }
            other => {
                let message = format!("{what} is {}, not a number", other.kind());
                problems.add(self.line, message, "write a whole number, without quotes");
                None
            }
        }
    }

    fn boolean(&self, what: &str, problems: &mut Problems) -> Option<bool> {
        if let Value::Bool(value) = self.value {
            return Some(value);
        }
        let message = format!("{what} is {}", self.value.kind());
        problems.add(self.line, message, "write true or false, without quotes");
        None
    }

    fn string(&self, what: &str, problems: &mut Problems) -> Option<&str> {
        match &self.value {
            Value::Text(text) if !text.trim().is_empty() => return Some(text),
            Value::Text(_) => {
                problems.add(self.line, format!("{what} is empty"), "give it a value")
            }
            Value::Number(number) => {
                let help = format!("write '{number}' with quotes");
                problems.add(self.line, format!("{what} is a number, not a string"), help);
            }
            Value::Bool(value) => {
                let help = format!("write '{value}' with quotes");
                problems.add(
                    self.line,
                    format!("{what} is a boolean, not a string"),
                    help,
                );
            }
            other => {
                let message = format!("{what} is {}, not a string", other.kind());
                problems.add(self.line, message, "write one value");
            }
        }
        None
    }

    fn duration(&self, what: &str, problems: &mut Problems) -> Option<Duration> {
        if let Value::Number(number) = &self.value
            && number != "0"
        {
            let message = format!("{what} is {number}, a duration without its unit");
            problems.add(self.line, message, format!("write for example {number}s"));
            return None;
        }
        let text = self.text().unwrap_or_default();
        problems.quantity(self.line, duration(text).map_err(|bad| named(what, bad)))
    }

    fn word(
        &self,
        what: &str,
        words: &[&'static str],
        problems: &mut Problems,
    ) -> Option<&'static str> {
        let text = self.string(what, problems)?;
        let known = words.iter().find(|word| **word == text);
        if known.is_none() {
            problems.add(
                self.line,
                format!("{what} is `{text}`"),
                crate::yaml::suggestion(text, words),
            );
        }
        known.copied()
    }
}

pub(crate) fn named(what: &str, bad: BadQuantity) -> BadQuantity {
    BadQuantity::new(format!("{what}: {}", bad.message), bad.help)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanos) in [
            ("0", 0),
            ("300ms", 300_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("+2us", 2_000),
        ] {
            assert_eq!(duration(text).unwrap().as_nanos(), nanos, "{text}");
        }
        for text in [
            "",
            "5",
            "1d",
            "1 s",
            "s",
            "-1s",
            "1h 30m",
            "1e3s",
            "99999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(
            signed_duration("-10m30s").unwrap(),
            (true, Duration::from_secs(630))
        );
    }

    #[test]
    fn a_megabit_is_not_written_mbps() {
        for (text, bytes) in [
            ("1bps", 1),
            ("1kbps", 1024),
            ("1mbps", 1_048_576),
            ("2 GBPS", 2_147_483_648),
        ] {
            assert_eq!(bytes_per_second(text).unwrap(), bytes, "{text}");
        }
        for text in ["1mbit", "1", "1.5mbps", "0bps", "99999999999tbps", "-1bps"] {
            assert!(bytes_per_second(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = (signed_duration(&text), duration(&text), bytes_per_second(&text));
        }

        #[test]
        fn a_duration_that_is_written_reads_the_same(millis in 0_u64..10_000_000_000) {
            let text = format!("{}s{}ms", millis / 1000, millis % 1000);
            prop_assert_eq!(duration(&text).unwrap(), Duration::from_millis(millis));
        }
    }
}
