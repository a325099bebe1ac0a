//! A number out of Prometheus' text format.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats>. Deliberately no parser of all of it: comments,
//! types and timestamps are passed over, and so is a line that makes no sense.

/// Whole numbers up to this are exact in the format's floats.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The sum over all series of this name; none if there is no such series, or if the sum is no whole number.
pub(super) fn sum(text: &str, name: &str) -> Option<i64> {
    let values: Vec<f64> = text
        .lines()
        .filter_map(|line| series(line.trim_start(), name))
        .collect();
    let sum: f64 = values.iter().sum();
    let is_exact = sum.fract() == 0.0 && sum.abs() <= WHOLE_MAX;
    // Checked to be whole and in range.
    (!values.is_empty() && is_exact).then_some(sum as i64)
}

/// The value in a line, if it is one of this name's series.
fn series(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    if !rest.starts_with([' ', '\t', '{']) {
        return None;
    }
    let rest = rest.trim_start();
    let value = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels)?,
        None => rest,
    };
    value.split_whitespace().next()?.parse().ok()
}

/// What follows the labels: a `}` in a value is none.
fn after_labels(labels: &str) -> Option<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in labels.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '}' if !is_quoted => return Some(&labels[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP calls_total Calls { and } \"quotes\".
# TYPE calls_total counter
calls_total{path=\"/api/{x} 7\",code=\"2\\\"00}\"} 3
calls_total{path=\"/b\"} 4 1395066363000
calls_total_more 100
calls 1e3
spaced {a=\"b\"}\t12
share 0.25
infinite +Inf
nothing NaN
broken{a=\"b
broken
huge 1e300
below -5
";

    #[test]
    fn the_series_of_a_name_are_added_up() {
        assert_eq!(sum(TEXT, "calls_total"), Some(7));
        assert_eq!(sum(TEXT, "calls"), Some(1000));
        assert_eq!(sum(TEXT, "spaced"), Some(12));
        assert_eq!(sum(TEXT, "below"), Some(-5));
    }

    #[test]
    fn what_is_no_whole_number_is_none() {
        for name in [
            "share", "infinite", "nothing", "broken", "huge", "absent", "call",
        ] {
            assert_eq!(sum(TEXT, name), None, "{name}");
        }
        assert_eq!(sum("", "calls"), None);
    }
}
