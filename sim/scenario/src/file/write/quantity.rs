//! Quantities as a scenario writes them: the shortest text that reads as the same value.

use std::time::Duration;

use crate::units;

/// `90s`, `2m`, `1.5s`, `200us`.
pub fn duration(time: Duration) -> String {
    const UNITS_NS: [(&str, u128); 6] = [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let ns = time.as_nanos();
    if ns == 0 {
        return "0".to_owned();
    }
    // Up to two minutes, seconds are what people think in.
    let fewest = |unit: u128| if unit > 1_000_000_000 { 2 * unit } else { unit };
    for (unit, unit_ns) in UNITS_NS {
        if ns >= fewest(unit_ns) && ns.is_multiple_of(unit_ns) && ns < 100_000 * unit_ns {
            return format!("{}{unit}", ns / unit_ns);
        }
        // With decimals where that is short.
        if unit_ns <= 1_000_000_000 && unit_ns > 1 && ns >= unit_ns && ns < 100 * unit_ns {
            let thousandth = unit_ns / 1000;
            if ns.is_multiple_of(thousandth) {
                let text = format!("{}.{:03}", ns / unit_ns, ns % unit_ns / thousandth);
                return format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'));
            }
        }
    }
    let (mut text, mut left) = (String::new(), ns);
    for (unit, unit_ns) in UNITS_NS {
        if left >= unit_ns {
            text.push_str(&format!("{}{unit}", left / unit_ns));
            left %= unit_ns;
        }
    }
    text
}

/// `25%`, `12.5%`.
pub fn percent(fraction: f64) -> String {
    let value = 100.0 * fraction;
    let reads = |text: &String| units::percent(text) == Ok(fraction);
    let rounded = (0..=17).map(|decimals| format!("{value:.decimals$}%"));
    // Where multiplying rounded, a neighbour is the one.
    let near = [value, value.next_up(), value.next_down()].map(|value| format!("{value}%"));
    let found = rounded.chain(near).find(reads);
    found.unwrap_or_else(|| format!("{value}%"))
}

/// A rate by the time from one request to the next: `50/s`, `90/m`.
pub fn rate(period: Duration) -> String {
    const UNITS: [(&str, f64); 3] = [("s", 1e9), ("m", 60e9), ("h", 3600e9)];
    let count = |unit_ns: f64| unit_ns / period.as_nanos() as f64;
    let reads = |text: &String| units::rate(text) == Ok(period);
    let whole = UNITS.map(|(unit, ns)| format!("{}/{unit}", count(ns).round()));
    let decimal = (1..=3).map(|decimals| format!("{:.decimals$}/s", count(1e9)));
    let exact = UNITS.map(|(unit, ns)| format!("{}/{unit}", count(ns)));
    let all = whole.into_iter().chain(decimal).chain(exact);
    let found = all.into_iter().find(reads);
    found.unwrap_or_else(|| format!("{}/h", count(3600e9)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_written_as_people_write_them() {
        for (ns, wanted) in [
            (0, "0"),
            (200_000, "200us"),
            (500_000_000, "500ms"),
            (1_500_000_000, "1.5s"),
            (90_000_000_000, "90s"),
            (120_000_000_000, "2m"),
            (7_200_000_000_000, "2h"),
            (3_601_000_000_000, "3601s"),
            (1_000_000_001, "1s1ns"),
        ] {
            assert_eq!(duration(Duration::from_nanos(ns)), wanted);
        }
        assert_eq!(percent(0.25), "25%");
        assert_eq!(percent(0.125), "12.5%");
        assert_eq!(rate(Duration::from_millis(20)), "50/s");
        assert_eq!(rate(Duration::from_secs(60)), "1/m");
        assert_eq!(rate(Duration::from_secs(2)), "30/m");
        assert_eq!(rate(Duration::from_nanos(333_333_333)), "3/s");
    }

    proptest! {
        #[test]
        fn a_duration_reads_as_it_was(ns in 0_u64..9_000_000_000_000_000) {
            let time = Duration::from_nanos(ns);
            prop_assert_eq!(units::duration(&duration(time)), Ok(time));
        }

        #[test]
        fn a_percentage_reads_as_it_was(number in 0_u32..=1_000_000) {
            let fraction = units::percent(&format!("{}%", f64::from(number) / 1e4)).unwrap();
            prop_assert_eq!(units::percent(&percent(fraction)), Ok(fraction));
        }

        #[test]
        fn a_rate_reads_as_it_was(ns in 1_000_u64..500_000_000_000_000) {
            let period = Duration::from_nanos(ns);
            prop_assert_eq!(units::rate(&rate(period)), Ok(period));
        }
    }
}
