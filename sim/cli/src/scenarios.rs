//! The scenario files of a folder, which several commands need.

use std::io;
use std::path::{Path, PathBuf};

use squall_host::{Diagnostic, Origin};
use squall_scenario::file;

/// How deep scenarios are looked for.
const DEPTH_MAX: usize = 8;

/// No scenario is bigger than this; what is bigger is not opened.
const BYTES_MAX: u64 = 1 << 20;

/// The scenario files below a folder with what is in them, in the order of their names.
pub(crate) fn below(folder: &Path) -> Result<Vec<(PathBuf, String)>, Diagnostic> {
    let mut paths = Vec::new();
    if let Err(error) = collect(folder, DEPTH_MAX, &mut paths) {
        let origin = Origin::new(folder.display().to_string(), 0);
        return Err(Diagnostic::at(origin, format!("cannot be listed: {error}")));
    }
    // What is no text is no scenario.
    let read = |path: PathBuf| Some((std::fs::read_to_string(&path).ok()?, path));
    let files = paths.into_iter().filter_map(read);
    let scenarios = files.filter(|(text, _)| file::is_scenario(text));
    Ok(scenarios.map(|(text, path)| (path, text)).collect())
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
