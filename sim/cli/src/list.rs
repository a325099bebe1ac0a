//! `squall list`: the scenarios in a folder and below.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstyle::Style;
use squall_host::{Diagnostic, Origin};
use squall_scenario::file;

use crate::exit::{Exit, complain, complain_all, written};

/// How deep scenarios are looked for.
const DEPTH_MAX: usize = 8;

/// No scenario is bigger than this; what is bigger is not opened.
const BYTES_MAX: u64 = 1 << 20;

/// Does what `squall list` is asked for.
pub(crate) fn list(folder: &Path) -> Exit {
    let mut paths = Vec::new();
    if let Err(error) = collect(folder, DEPTH_MAX, &mut paths) {
        let origin = Origin::new(folder.display().to_string(), 0);
        let complaint = Diagnostic::at(origin, format!("cannot be listed: {error}"));
        complain(&complaint.help("name the folder of your scenarios: `squall list DIR`"));
        return Exit::BadInput;
    }
    let mut exit = Exit::Passed;
    let mut rows = Vec::new();
    for path in paths {
        // What is no text is no scenario.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if !file::is_scenario(&text) {
            continue;
        }
        let shown: Arc<str> = path.display().to_string().into();
        match file::title(&shown, &text) {
            Ok((name, about)) => rows.push((name, shown, about.unwrap_or_default())),
            Err(diagnostics) => {
                complain_all(&diagnostics);
                exit = Exit::BadInput;
            }
        }
    }
    written(print(&rows));
    exit
}

fn print(rows: &[(String, Arc<str>, String)]) -> io::Result<()> {
    const STRONG: Style = Style::new().bold();
    let width = |of: fn(&(String, Arc<str>, String)) -> &str| {
        rows.iter()
            .map(|row| of(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (name_width, path_width) = (width(|row| &row.0), width(|row| &row.1));
    let mut out = anstream::stdout().lock();
    for (name, path, about) in rows {
        let about = first_sentence(about);
        let line = format!("{STRONG}{name:name_width$}{STRONG:#}  {path:path_width$}  {about}");
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// One line for each scenario is enough.
fn first_sentence(about: &str) -> &str {
    let line = about.lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}

/// All YAML files below a folder, in the order of their names; hidden ones and links to folders
/// are left out.
fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            // A folder that may not be read holds nothing that could be run.
            drop(collect(&path, depth - 1, into));
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml")
            && std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= BYTES_MAX)
        {
            into.push(path);
        }
    }
    Ok(())
}
