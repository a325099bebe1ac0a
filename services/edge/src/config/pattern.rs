//! Regular expressions of the configuration, compiled once.

use regex::{Regex, RegexBuilder};
use squall_host::{Diagnostic, Origin};

use super::names::{Definition, Names};

/// The compiled size of one expression in bytes; a hostile file must not exhaust memory.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// An expression and where its named captures go.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// Pairs of a capture's number and a variable's place.
    pub(crate) named: Vec<(usize, usize)>,
}

/// Compiles an expression that nginx would give to PCRE.
pub(super) fn compile(
    names: &mut Names,
    text: &str,
    ignore_case: bool,
    at: &Origin,
) -> Result<Pattern, Diagnostic> {
    let built = RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_BYTES_MAX)
        .build();
    let regex = built.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default();
        let message = format!("\"{text}\" is no expression that squall supports: {reason}");
        Diagnostic::at(at.clone(), message)
            .help("look-around and back-references of PCRE are not supported by squall")
    })?;
    let mut named = Vec::new();
    for (number, name) in regex.capture_names().enumerate() {
        if let Some(name) = name {
            named.push((number, names.define_bare(name, Definition::Assigned, at)?));
        }
    }
    Ok(Pattern { regex, named })
}
