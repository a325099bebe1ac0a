//! A run as JSON, for programs: its summary, or all that is known of it.

use std::io::{self, Write};

use squall_record::{RunRecord, Summary};

/// Writes one JSON object and a line end. The keys are those of [`Summary`].
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, summary)?;
    writeln!(out)
}

/// Writes all that is known of a run, as one line.
pub fn record(out: &mut impl Write, record: &RunRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    writeln!(out)
}
