//! Which seeds are played: those of the test, unless the environment names others.

use std::ops::{Range, RangeInclusive};

use squall_host::Diagnostic;

/// The seeds of a test that names none.
pub(crate) const DEFAULT: Range<u64> = 0..10;

/// One seed, to replay what failed.
pub(crate) const ONE: &str = "SQUALL_SEED";
/// A range of seeds, to look further.
pub(crate) const MANY: &str = "SQUALL_SEEDS";

/// One seed, or a range of them.
pub trait Seeds {
    /// As a range.
    fn range(self) -> Range<u64>;
}

impl Seeds for u64 {
    fn range(self) -> Range<u64> {
        self..self.saturating_add(1)
    }
}

impl Seeds for Range<u64> {
    fn range(self) -> Range<u64> {
        self
    }
}

impl Seeds for RangeInclusive<u64> {
    fn range(self) -> Range<u64> {
        let (first, last) = self.into_inner();
        first..last.saturating_add(1)
    }
}

/// The seeds to play; `env` is the environment.
pub(crate) fn chosen(
    of_test: Range<u64>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Range<u64>, Diagnostic> {
    if let Some(text) = env(ONE) {
        let seed: Option<u64> = text.trim().parse().ok();
        return seed.map(Seeds::range).ok_or_else(|| {
            Diagnostic::new(format!("{ONE}={text} is no seed")).help(format!("write {ONE}=17"))
        });
    }
    let Some(text) = env(MANY) else {
        return Ok(of_test);
    };
    let range = text.trim().split_once("..").and_then(|(first, end)| {
        let first: u64 = first.parse().ok()?;
        match end.strip_prefix('=') {
            Some(last) => Some((first..=last.parse().ok()?).range()),
            None => Some(first..end.parse().ok()?),
        }
    });
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        Diagnostic::new(format!("{MANY}={text} is no range of seeds"))
            .help(format!("write {MANY}=0..1000; {ONE}=17 plays one"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn with(key: &str, value: &str) -> Result<Range<u64>, Diagnostic> {
        chosen(3..5, |asked| (asked == key).then(|| value.to_owned()))
    }

    #[test]
    fn the_environment_wins() {
        assert_eq!(with("", "").unwrap(), 3..5);
        assert_eq!(with(ONE, "17").unwrap(), 17..18);
        assert_eq!(with(MANY, "0..1000").unwrap(), 0..1000);
        assert_eq!(with(MANY, " 1..=3 ").unwrap(), 1..4);
        let both = chosen(3..5, |key| {
            Some(if key == ONE { "2" } else { "0..9" }.to_owned())
        });
        assert_eq!(both.unwrap(), 2..3);
    }

    #[test]
    fn what_is_no_seed_is_refused_with_what_to_write() {
        for (key, bad) in [
            (ONE, "x"),
            (ONE, "-1"),
            (ONE, ""),
            (MANY, "7"),
            (MANY, "5..5"),
            (MANY, "a..b"),
        ] {
            let error = with(key, bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{key}={bad} is no")), "{error}");
            assert!(error.contains("help: write SQUALL_SEED"), "{error}");
        }
    }
}
