//! The statistics as comma-separated values, in HAProxy 2.6's columns (management.txt 9.1).

use super::rows::{COLUMNS, Row};

/// The whole document.
pub(super) fn write(rows: &[Row]) -> String {
    let mut text = String::from("# ");
    for column in COLUMNS {
        text.push_str(column);
        text.push(',');
    }
    text.push('\n');
    for row in rows {
        for column in COLUMNS {
            quote(row.get(column), &mut text);
            text.push(',');
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// Quotes what holds a quote, a comma or a line end (`csv_enc`).
fn quote(value: &str, text: &mut String) {
    if value.contains(['"', ',', '\n', '\r']) {
        text.push('"');
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
}
