//! From a stated time after the scenario last broke or mended something, every backend that served
//! at any time in the run serves again, and each does about its even share.
//!
//! Source: a lab's original never sends traffic to a backend that came back under a new address,
//! because its proxy looked the name up once; success alone does not show that.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_record::{RunRecord, Sample};

use crate::Judgement;

/// As a scenario writes it.
pub const NAME: &str = "balanced-after-recovery";

/// Whether it holds. `tolerance` is how far a share may be from even, from 0 to 1.
pub(crate) fn judge(record: &RunRecord, within: Duration, tolerance: f64) -> Judgement {
    let (after, from_us) = crate::after_last_change(record, within);
    let from = crate::seconds(from_us);
    let mut counts: BTreeMap<&str, u64> = served(&record.samples).map(|name| (name, 0)).collect();
    let mut total = 0;
    for name in served(after) {
        *counts.entry(name).or_default() += 1;
        total += 1;
    }
    if total == 0 {
        return (
            None,
            format!("no answer after {from} says which backend served it"),
        );
    }
    let even = 1.0 / counts.len() as f64;
    let share = |count: u64| count as f64 / total as f64;
    let holds = counts
        .values()
        .all(|count| (share(*count) - even).abs() <= tolerance);
    let shares: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} {:.1}%", 100.0 * share(*count)))
        .collect();
    (
        Some(holds),
        format!("from {from} on: {}", shares.join(", ")),
    )
}

fn served<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> impl Iterator<Item = &'a str> {
    let ok = samples.into_iter().filter(|sample| sample.is_ok());
    ok.filter_map(|sample| Some(sample.backend.as_ref()?.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{by, ok, record, repair};

    fn run(backends: &[(u64, &str)]) -> RunRecord {
        let mut record = record(backends.iter().map(|(at_s, who)| by(*at_s, who)).collect());
        record.happenings = vec![repair(10)];
        record
    }

    #[test]
    fn even_shares_hold() {
        let record = run(&[
            (0, "a"),
            (1, "b"),
            (11, "a"),
            (12, "b"),
            (13, "a"),
            (14, "b"),
        ]);
        let (holds, detail) = judge(&record, Duration::ZERO, 0.1);
        assert_eq!(holds, Some(true));
        assert_eq!(detail, "from 10.000 s on: a 50.0%, b 50.0%");
    }

    #[test]
    fn a_backend_that_never_comes_back_breaks_it() {
        let record = run(&[(0, "a"), (1, "b"), (11, "a"), (12, "a")]);
        assert_eq!(
            judge(&record, Duration::ZERO, 0.1),
            (Some(false), "from 10.000 s on: a 100.0%, b 0.0%".to_owned())
        );
    }

    #[test]
    fn answers_that_name_no_backend_show_nothing() {
        assert_eq!(judge(&record(vec![ok(0)]), Duration::ZERO, 0.1).0, None);
    }
}
