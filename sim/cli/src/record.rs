//! The record of a run as input: what `squall run --record` wrote, read again.
//!
//! Deliberately absent: what a command then makes of it.

use std::io;
use std::path::Path;

use squall_record::RunRecord;

use crate::exit::{Exit, say};

/// Reads the record of a run. What is wrong with it is said.
pub(crate) fn read(file: &Path) -> Result<RunRecord, Exit> {
    let record = std::fs::read(file)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from));
    record.map_err(|error| {
        say(format_args!(
            "error: {}: no record of a run: {error}\n  help: `squall run FILE --record {}` writes one",
            file.display(),
            file.display()
        ));
        Exit::BadInput
    })
}

/// Like [`read`], of a run in which each of these clients sent something.
pub(crate) fn read_with(file: &Path, clients: &[String]) -> Result<RunRecord, Exit> {
    let record = read(file)?;
    let samples = record.samples.iter();
    let mut names: Vec<&str> = samples.map(|sample| sample.client.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match clients.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(record),
        Some(name) => {
            let names = names.join(", ");
            say(format_args!(
                "error: no client `{name}` sent anything; there are {names}"
            ));
            Err(Exit::BadInput)
        }
    }
}
