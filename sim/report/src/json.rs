//! The summary of a run as JSON, for programs.

use std::io::{self, Write};

use squall_record::Summary;

/// Writes one JSON object and a line end. The keys are those of [`Summary`].
pub fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, summary)?;
    writeln!(out)
}
