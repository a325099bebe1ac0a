//! What the command ends with, and how complaints are printed.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use squall_host::Diagnostics;
use squall_record::Verdict;

/// The ends that the command can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Passed,
    /// An expectation or an invariant does not hold.
    Failed,
    /// Nothing was shown.
    Unknown,
    /// Bad arguments or input; nothing was started.
    BadInput,
    /// The testbed itself is broken.
    BrokenTestbed,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Unknown => 2,
            Self::BadInput => 254,
            Self::BrokenTestbed => 255,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::Failed,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Prints a complaint on standard error, with everything that caused it.
pub(crate) fn complain(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    say(format_args!("{ERROR}error{ERROR:#}: {text}"));
}

/// Prints all that is wrong with an input.
pub(crate) fn complain_all(diagnostics: &Diagnostics) {
    for diagnostic in &diagnostics.0 {
        complain(diagnostic);
    }
}

/// Prints a line on standard error.
pub(crate) fn say(line: impl Display) {
    // Nobody is left to be told that standard error is closed.
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

/// Says what is wrong with standard output, but for a reader that has seen enough (`squall … | head`).
pub(crate) fn written(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        complain(&error);
    }
}
