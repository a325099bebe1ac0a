//! A table as text, Markdown, CSV or JSON.

use serde_json::json;

use super::args::Format;
use super::cells::{LONGEST, Table};
use super::play::Row;

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// The text of a table.
pub(super) fn text(rows: &[Row], table: &Table, format: Format) -> String {
    match format {
        Format::Text => plain(table),
        Format::Markdown => markdown(table),
        Format::Csv => csv(table),
        Format::Json => json(rows),
    }
}

/// A column's name for people.
fn title(column: &str) -> String {
    match column {
        LONGEST => "longest answer".to_owned(),
        _ => column.replace('_', " "),
    }
}

/// The head and the rows, for people.
fn lines(table: &Table) -> impl Iterator<Item = Vec<String>> {
    let head = table.columns.iter().map(|column| title(column)).collect();
    let rows = table.rows.iter().map(|cells| {
        let cells = table.columns.iter().zip(cells);
        let shown = cells.map(|(column, cell)| match (column.as_str(), cell.as_str()) {
            (_, "") => NOTHING.to_owned(),
            (LONGEST, cell) => format!("{cell} ms"),
            (_, cell) => cell.to_owned(),
        });
        shown.collect()
    });
    std::iter::once(head).chain(rows)
}

fn plain(table: &Table) -> String {
    let width = |column: usize| {
        let cells = lines(table).map(move |line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let mut out = String::new();
    for line in lines(table) {
        let cells = line.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
        let text = cells.collect::<Vec<_>>().join("   ");
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// A table of GitHub's Markdown; numbers to the right.
pub(super) fn markdown(table: &Table) -> String {
    let mut out = String::new();
    for (number, line) in lines(table).enumerate() {
        let cells = line.iter().map(|cell| cell.replace('|', "\\|"));
        out.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        if number == 0 {
            let marks = (0..table.columns.len()).map(|column| match is_count(table, column) {
                true => "---:",
                false => "---",
            });
            out.push_str(&format!("|{}|\n", marks.collect::<Vec<_>>().join("|")));
        }
    }
    out
}

/// Whether a column has numbers and nothing else.
fn is_count(table: &Table, column: usize) -> bool {
    let is_number = |text: &str| text.parse::<i64>().is_ok();
    let is_range = |cell: &str| match cell.split_once("..") {
        Some((least, greatest)) => is_number(least) && is_number(greatest),
        None => is_number(cell),
    };
    let mut cells = table.rows.iter().map(|cells| cells[column].as_str());
    cells.all(|cell| cell.is_empty() || is_range(cell)) && table.columns[column] != "fails"
}

/// RFC 4180, with the names that `--columns` takes.
fn csv(table: &Table) -> String {
    let mut out = String::new();
    for line in std::iter::once(&table.columns).chain(&table.rows) {
        let cells = line
            .iter()
            .map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell.clone(),
            });
        out.push_str(&cells.collect::<Vec<_>>().join(","));
        out.push('\n');
    }
    out
}

fn json(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        json!({
            "scenario": row.scenario,
            "file": row.file.display().to_string(),
            "variant": row.variant,
            "runs": row.runs,
        })
    });
    let rows: Vec<serde_json::Value> = rows.collect();
    format!("{}\n", json!(rows))
}
