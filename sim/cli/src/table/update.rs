//! The tables of a text, each made by the command in the comment above it:
//!
//! ```text
//! <!-- table: squall table scenarios/splitdim --columns acknowledged,sum -->
//! …
//! <!-- /table -->
//! ```
//!
//! A command is played in the folder where `squall` is called, as a reader of the text would type it. It
//! is a list of words; there is no shell, so there are no quotes.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;

use clap::Parser;
use squall_host::{Diagnostic, Diagnostics, Origin};

use super::args::TableArgs;
use super::{end, make, print};
use crate::args::{Args, Command};
use crate::exit::{Exit, complain, complain_all, say};

const BEGIN: &str = "<!-- table:";
const END: &str = "<!-- /table -->";

/// Makes the tables of a file anew, or compares them.
pub(super) fn update(path: &Path, is_check: bool, jobs: Option<NonZeroUsize>) -> Exit {
    let shown = path.display().to_string();
    let at_file = |message: String| Diagnostic::at(Origin::new(shown.as_str(), 0), message);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            complain(&at_file(format!("cannot be read: {error}")));
            return Exit::BadInput;
        }
    };
    let found = match find(&shown, &text) {
        Ok(found) => found,
        Err(diagnostics) => {
            complain_all(&diagnostics);
            return Exit::BadInput;
        }
    };
    let mut exit = Exit::Passed;
    let mut changed = text.clone();
    // From the last one, so that the places of the others stay.
    for mut marked in found.into_iter().rev() {
        marked.args.jobs = jobs;
        let (rows, table) = match make(&marked.args) {
            Ok(made) => made,
            Err(exit) => return exit,
        };
        if end(&rows) != Exit::Passed {
            exit = Exit::Failed;
        }
        let made = format!("\n{}", print::markdown(&table));
        if made != text[marked.body.clone()] {
            changed.replace_range(marked.body.clone(), &made);
            if is_check {
                exit = Exit::Failed;
                say(format_args!(
                    "{shown}:{}: this table is not what its command makes\n    help: squall table --update {shown}",
                    marked.line
                ));
            }
        }
    }
    if !is_check
        && changed != text
        && let Err(error) = std::fs::write(path, changed)
    {
        complain(&at_file(format!("cannot be written: {error}")));
        return Exit::BadInput;
    }
    exit
}

/// A table in a text.
#[derive(Debug)]
struct Marked {
    /// Of its first comment.
    line: u32,
    args: TableArgs,
    /// From behind the first comment to before the second.
    body: Range<usize>,
}

/// All tables of a text.
fn find(file: &str, text: &str) -> Result<Vec<Marked>, Diagnostics> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(BEGIN).map(|begin| at + begin) {
        let line = u32::try_from(text[..begin].lines().count() + 1).unwrap_or(u32::MAX);
        let bad = |message: String, help: &str| {
            Diagnostics::from(Diagnostic::at(Origin::new(file, line), message).help(help))
        };
        let command = begin + BEGIN.len();
        let Some(close) = text[command..].find("-->").map(|close| command + close) else {
            return Err(bad(
                "the comment of a table has no end".to_owned(),
                "write `-->`",
            ));
        };
        let body = close + "-->".len();
        let Some(end) = text[body..].find(END).map(|end| body + end) else {
            return Err(bad(
                "a table has no end".to_owned(),
                "write `<!-- /table -->` below it",
            ));
        };
        let words = text[command..close].split_whitespace();
        let args = match Args::try_parse_from(words).map(|args| args.command) {
            Ok(Command::Table(args)) if args.update.is_none() => args,
            Ok(_) => {
                let help = "write for example `<!-- table: squall table scenarios/splitdim -->`";
                return Err(bad("this makes no table".to_owned(), help));
            }
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().next().unwrap_or_default().to_owned();
                return Err(bad(
                    format!("no command: {why}"),
                    "see `squall table --help`",
                ));
            }
        };
        found.push(Marked {
            line,
            args,
            body: body..end,
        });
        at = end + END.len();
    }
    if found.is_empty() {
        let help =
            "put `<!-- table: squall table FILE -->` and `<!-- /table -->` where it is to be";
        let origin = Origin::new(file, 0);
        return Err(Diagnostic::at(origin, "there is no table in it")
            .help(help)
            .into());
    }
    Ok(found)
}
