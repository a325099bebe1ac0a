//! Which runs a sweep has, in which order, and which of them are this machine's.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

/// What is wrong with seeds or a shard, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadGrid(String);

/// Seeds that follow each other, at least one: `0..200` (without 200), `0..=199`, or `7` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// How many there are; 2^64 at the most.
    pub fn count(self) -> u128 {
        u128::from(self.last - self.first) + 1
    }

    /// From the first to the last.
    pub fn range(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl FromStr for Seeds {
    type Err = BadGrid;

    fn from_str(text: &str) -> Result<Self, BadGrid> {
        let (first, last) = if let Some((first, last)) = text.split_once("..=") {
            (seed(first)?, seed(last)?)
        } else if let Some((first, end)) = text.split_once("..") {
            let (first, end) = (seed(first)?, seed(end)?);
            if first == end {
                return Err(BadGrid(format!(
                    "no seed is in {text}, which is without its end; write {first}..={end} or {first} for one seed"
                )));
            }
            if first > end {
                return Err(BadGrid(format!(
                    "{text} runs backwards; write {end}..{first}"
                )));
            }
            (first, end - 1)
        } else {
            let only = seed(text)?;
            (only, only)
        };
        if first > last {
            return Err(BadGrid(format!(
                "{text} runs backwards; write {last}..={first}"
            )));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last.checked_add(1)) {
            (first, _) if first == self.last => write!(f, "{first}"),
            (first, Some(end)) => write!(f, "{first}..{end}"),
            (first, None) => write!(f, "{first}..={}", self.last),
        }
    }
}

fn seed(text: &str) -> Result<u64, BadGrid> {
    // `parse` would take a plus sign.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seed) if is_number => Ok(seed),
        _ if is_number => Err(BadGrid(format!(
            "{text} is too big for a seed; the last one is {}",
            u64::MAX
        ))),
        _ if text.is_empty() => Err(BadGrid("both ends are needed: write 0..200".to_owned())),
        _ => Err(BadGrid(format!(
            "`{text}` is no seed; write whole numbers: 0..200, 0..=199 or 7"
        ))),
    }
}

/// The part of a sweep that is one machine's: number `index`, from 0, of `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    total: u32,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, total: 1 };

    /// Reads `I/N`, or `auto/N` where `index` is what the environment says.
    ///
    /// # Errors
    ///
    /// [`BadGrid`] if there is no such part.
    pub fn read(text: &str, index: Option<&str>) -> Result<Self, BadGrid> {
        let bad = || {
            BadGrid(format!(
                "`{text}` is no shard; write I/N with I from 0 to N-1, such as 0/4, or auto/4"
            ))
        };
        let (which, total) = text.split_once('/').ok_or_else(bad)?;
        let total: u32 = total.parse().map_err(|_| bad())?;
        let index: u32 = match (which, index) {
            ("auto", Some(index)) => index.parse().map_err(|_| {
                BadGrid(format!(
                    "JOB_COMPLETION_INDEX is `{index}`, which is no index"
                ))
            })?,
            ("auto", None) => {
                return Err(BadGrid(
                    "`auto` takes the index from JOB_COMPLETION_INDEX, which is not set; write 0/4 or set it".to_owned(),
                ));
            }
            (which, _) => which.parse().map_err(|_| bad())?,
        };
        if index >= total {
            return Err(BadGrid(format!(
                "there is no shard {index} of {total}; they are counted from 0"
            )));
        }
        Ok(Self { index, total })
    }

    /// How many machines there are.
    pub fn total(self) -> u32 {
        self.total
    }

    /// The runs that are this machine's: a piece without gaps, so that the outputs of all shards,
    /// one after the other, are the output of the whole. Pieces differ by one run at the most.
    pub fn of(self, grid: &Grid) -> Range<u128> {
        // At most 2^64 seeds, 2^32 shards and no more scenarios: no overflow.
        let at = |index: u32| {
            grid.count() / u128::from(self.total) * u128::from(index)
                + grid.count() % u128::from(self.total) * u128::from(index) / u128::from(self.total)
        };
        at(self.index)..at(self.index + 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.total)
    }
}

/// Every scenario with every seed: first all scenarios with the first seed, so that a sweep that is
/// cut short has been everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// How many scenarios there are.
    pub scenarios: u32,
    /// With which seeds each is played.
    pub seeds: Seeds,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The scenario, by its place in the list.
    pub scenario: usize,
    /// The seed.
    pub seed: u64,
}

impl Grid {
    /// How many runs there are.
    pub fn count(&self) -> u128 {
        self.seeds.count() * u128::from(self.scenarios)
    }

    /// The run with this number.
    pub(super) fn item(&self, number: u128) -> Item {
        let scenarios = u128::from(self.scenarios);
        // Smaller than the number of seeds, and smaller than the number of scenarios.
        Item {
            seed: self.seeds.first + (number / scenarios) as u64,
            scenario: (number % scenarios) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seeds_are_read() {
        let read = |text: &str| {
            text.parse::<Seeds>()
                .map(Seeds::range)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("0..200"), Ok(0..=199));
        assert_eq!(read("3..=3"), Ok(3..=3));
        assert_eq!(read("7"), Ok(7..=7));
        assert_eq!(read("0..=18446744073709551615"), Ok(0..=u64::MAX));
        for (text, wanted) in [
            ("5..5", "write 5..=5 or 5 for one seed"),
            ("9..3", "write 3..9"),
            ("9..=3", "write 3..=9"),
            ("0..", "both ends are needed"),
            ("..5", "both ends are needed"),
            ("", "both ends are needed"),
            ("0..18446744073709551616", "is too big for a seed"),
            ("a..b", "`a` is no seed"),
            ("-1..3", "`-1` is no seed"),
            ("+1..3", "`+1` is no seed"),
            ("1...3", "`.3` is no seed"),
            ("0..2..4", "`2..4` is no seed"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn shards_are_read() {
        let read = |text: &str, index| Shard::read(text, index).map_err(|error| error.to_string());
        assert_eq!(read("1/4", None), Ok(Shard { index: 1, total: 4 }));
        assert_eq!(read("1/4", Some("3")), Ok(Shard { index: 1, total: 4 }));
        assert_eq!(read("auto/4", Some("3")), Ok(Shard { index: 3, total: 4 }));
        for (text, index, wanted) in [
            ("4/4", None, "counted from 0"),
            ("0/0", None, "counted from 0"),
            ("auto/2", Some("2"), "counted from 0"),
            ("auto/2", None, "JOB_COMPLETION_INDEX, which is not set"),
            ("auto/2", Some("x"), "is `x`, which is no index"),
            ("2", None, "write I/N"),
            ("a/b", None, "write I/N"),
        ] {
            let error = read(text, index).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(first: u64, last: u64) {
            let seeds = Seeds { first: first.min(last), last: first.max(last) };
            prop_assert_eq!(seeds.to_string().parse::<Seeds>().unwrap(), seeds);
        }

        #[test]
        fn seeds_are_read_or_refused(text in "[0-9.=+-]{0,24}") {
            if let Ok(seeds) = text.parse::<Seeds>() {
                prop_assert!(seeds.first <= seeds.last);
            }
        }

        #[test]
        fn shards_share_everything_out(scenarios in 0_u32..5, count in 1_u64..50, total in 1_u32..40) {
            let grid = Grid { scenarios, seeds: Seeds { first: 7, last: 6 + count } };
            let mut next = 0;
            let mut lengths = Vec::new();
            for index in 0..total {
                let range = Shard { index, total }.of(&grid);
                prop_assert_eq!(range.start, next);
                next = range.end;
                lengths.push(range.end - range.start);
            }
            prop_assert_eq!(next, grid.count());
            prop_assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn the_biggest_grid_does_not_overflow() {
        let seeds = Seeds {
            first: 0,
            last: u64::MAX,
        };
        let grid = Grid {
            scenarios: u32::MAX,
            seeds,
        };
        let last = Shard {
            index: u32::MAX - 1,
            total: u32::MAX,
        };
        assert_eq!(last.of(&grid).end, grid.count());
        let item = grid.item(grid.count() - 1);
        assert_eq!(
            (item.seed, item.scenario),
            (u64::MAX, u32::MAX as usize - 1)
        );
    }
}
