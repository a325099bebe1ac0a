//! `squall list`: the scenarios in a folder and below.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anstyle::Style;
use squall_scenario::file;

use crate::exit::{Exit, complain, complain_all, written};
use crate::scenarios;

/// Does what `squall list` is asked for.
pub(crate) fn list(folder: &Path) -> Exit {
    let files = match scenarios::below(folder) {
        Ok(files) => files,
        Err(error) => {
            let complaint = error.help("name the folder of your scenarios: `squall list DIR`");
            complain(&complaint);
            return Exit::BadInput;
        }
    };
    let mut exit = Exit::Passed;
    let mut rows = Vec::new();
    for (path, text) in files {
        let shown: Arc<str> = path.display().to_string().into();
        match file::title(&shown, &text) {
            Ok(title) => {
                let about = title.about.unwrap_or_default();
                let mut line = first_sentence(&about).to_owned();
                if !title.variants.is_empty() {
                    line.push_str(&format!(" [{}]", title.variants.join(", ")));
                }
                rows.push((title.name, shown, line));
            }
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
