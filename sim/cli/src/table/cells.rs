//! Which columns a table has, and what stands in each of its cells.

use std::collections::{BTreeMap, BTreeSet};

use squall_host::{Diagnostic, Diagnostics};

use super::play::{Row, Run};

/// The figure of the longest answer.
pub(super) const LONGEST: &str = "longest_ms";

/// What counts nothing.
const VERDICT: &str = "verdict";
const FAILS: &str = "fails";

/// The columns at the end, unless they are placed.
const LAST: [&str; 3] = [VERDICT, FAILS, LONGEST];

/// The figures that come first, unless others are asked for.
const FIRST: [&str; 4] = ["requests", "acknowledged", "refused", "unknown"];

/// Rows of cells below a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Names as `--columns` takes them.
    pub(super) columns: Vec<String>,
    /// One cell for each column.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// The table of these rows: with all columns, or with these.
    ///
    /// # Errors
    ///
    /// A column that is asked for and that no run has anything for.
    pub(super) fn of(rows: &[Row], asked: &[String]) -> Result<Self, Diagnostics> {
        let known: BTreeSet<&str> = rows
            .iter()
            .flat_map(|row| &row.runs)
            .flat_map(|run| run.figures.keys())
            .map(String::as_str)
            .chain(LAST)
            .collect();
        unknown(&known, asked)?;
        let mut columns: Vec<&str> = asked.iter().map(String::as_str).collect();
        if columns.is_empty() {
            columns.extend(FIRST.into_iter().filter(|name| known.contains(name)));
            let others = known.iter().filter(|name| !LAST.contains(name));
            columns.extend(others.filter(|name| !FIRST.contains(name)));
        }
        let last = LAST
            .into_iter()
            .filter(|name| !asked.iter().any(|asked| asked == name));
        columns.extend(last);
        let has_variants = rows.iter().any(|row| row.variant.is_some());
        let head = ["scenario".to_owned()].into_iter();
        let head = head.chain(has_variants.then(|| "variant".to_owned()));
        let cells = rows.iter().map(|row| {
            let name = [row.scenario.clone()].into_iter();
            let variant = has_variants.then(|| row.variant.clone().unwrap_or_default());
            let cells = columns.iter().map(|column| cell(&row.runs, column));
            name.chain(variant).chain(cells).collect()
        });
        Ok(Self {
            columns: head
                .chain(columns.iter().map(|&name| name.to_owned()))
                .collect(),
            rows: cells.collect(),
        })
    }
}

fn unknown(known: &BTreeSet<&str>, asked: &[String]) -> Result<(), Diagnostics> {
    let known: Vec<&str> = known.iter().copied().collect();
    let unknown = asked.iter().filter(|name| !known.contains(&name.as_str()));
    let problems: Vec<Diagnostic> = unknown
        .map(|name| {
            let help = format!("there are: {}", known.join(", "));
            Diagnostic::new(format!("no run has a figure `{name}`")).help(help)
        })
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Diagnostics(problems)),
    }
}

/// What the runs of a row have in a column.
fn cell(runs: &[Run], column: &str) -> String {
    match column {
        VERDICT => counted(runs, runs.iter().map(|run| run.verdict.as_str())),
        FAILS => counted(
            runs,
            runs.iter()
                .flat_map(|run| run.fails.iter().map(String::as_str)),
        ),
        _ => range(runs.iter().filter_map(|run| run.figures.get(column))),
    }
}

/// The words, each with the number of runs that have it unless all do.
fn counted<'a>(runs: &[Run], words: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let all = runs.len();
    let words = counts.iter().map(|(word, count)| match *count == all {
        true => (*word).to_owned(),
        false => format!("{word} ({count} of {all})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The least and the greatest; nothing if there is none.
fn range<'a>(values: impl Iterator<Item = &'a i64> + Clone) -> String {
    match (values.clone().min(), values.max()) {
        (Some(least), Some(greatest)) if least == greatest => least.to_string(),
        (Some(least), Some(greatest)) => format!("{least}..{greatest}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use squall_explore::sweep::Verdict;

    use super::*;

    fn run(seed: u64, verdict: Verdict, fails: &[&str], figures: &[(&str, i64)]) -> Run {
        let figures = figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        Run {
            seed,
            verdict,
            fails: fails.iter().map(|&name| name.to_owned()).collect(),
            figures: figures.collect(),
            contradiction: None,
        }
    }

    fn row(variant: Option<&str>, runs: Vec<Run>) -> Row {
        Row {
            file: "s.yaml".into(),
            scenario: "s".to_owned(),
            variant: variant.map(str::to_owned),
            runs,
        }
    }

    fn rows() -> Vec<Row> {
        let naive = vec![
            run(
                1,
                Verdict::Failed,
                &["sum"],
                &[("sum", -7), ("acknowledged", 9), (LONGEST, 30_000)],
            ),
            run(
                2,
                Verdict::Passed,
                &[],
                &[("sum", 0), ("acknowledged", 9), (LONGEST, 12)],
            ),
        ];
        let broken = vec![run(1, Verdict::Hung, &[], &[])];
        vec![row(Some("naive"), naive), row(Some("broken"), broken)]
    }

    #[test]
    fn columns_are_all_figures_those_of_a_ledger_first() {
        let table = Table::of(&rows(), &[]).unwrap();
        let all = [
            "scenario",
            "variant",
            "acknowledged",
            "sum",
            "verdict",
            "fails",
            "longest_ms",
        ];
        assert_eq!(table.columns, all);
        let words = "failed (1 of 2), passed (1 of 2)";
        assert_eq!(
            table.rows[0],
            [
                "s",
                "naive",
                "9",
                "-7..0",
                words,
                "sum (1 of 2)",
                "12..30000"
            ]
        );
        assert_eq!(table.rows[1], ["s", "broken", "", "", "hung", "", ""]);
    }

    #[test]
    fn columns_that_are_asked_for_come_in_their_order() {
        let asked = ["longest_ms", "sum"].map(str::to_owned);
        let rows = [row(None, rows().remove(0).runs)];
        let table = Table::of(&rows, &asked).unwrap();
        assert_eq!(
            table.columns,
            ["scenario", "longest_ms", "sum", "verdict", "fails"]
        );
        let problems = Table::of(&rows, &["sums".to_owned()]).unwrap_err();
        assert!(problems.to_string().contains("`sums`"), "{problems}");
    }
}
