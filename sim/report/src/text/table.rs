//! Rows of cells, padded to columns.

use std::io::{self, Write};

use anstyle::Style;

/// Rows with the same number of cells.
pub(super) struct Table {
    widths: Vec<usize>,
    rows: Vec<(Style, Vec<String>)>,
    separator: &'static str,
}

impl Table {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            widths: vec![0; columns],
            rows: Vec::new(),
            separator: "   ",
        }
    }

    pub(super) fn separated_by(mut self, separator: &'static str) -> Self {
        self.separator = separator;
        self
    }

    pub(super) fn row<const N: usize>(&mut self, style: Style, cells: [&str; N]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.rows.push((style, cells.map(str::to_owned).to_vec()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes all rows, without spaces at their ends.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (style, cells) in &self.rows {
            let mut line = String::new();
            for (number, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
                if number > 0 {
                    line.push_str(self.separator);
                }
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
            let line = line.trim_end_matches([' ', '|']);
            writeln!(out, "  {style}{line}{style:#}")?;
        }
        Ok(())
    }
}
