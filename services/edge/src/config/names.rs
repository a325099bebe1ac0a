//! The variables that a configuration defines itself, and the templates that use them.
//!
//! A variable may be used before the line that defines it, so a name gets its place in the table at
//! first sight and the check that all are defined comes last.

use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use crate::template::{self, Malformed, Template};
use crate::variables::{self, Variable};

/// How a variable of the configuration gets its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    /// By `set` or by a named capture, while the request runs.
    Assigned,
    /// By `map`: the place in the list of maps.
    Map(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) name: Arc<str>,
    pub(crate) definition: Option<Definition>,
    first_use: Origin,
}

#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) slots: Vec<Slot>,
    pub(crate) keeps_reply_headers: bool,
}

impl Names {
    /// Parses a text that may use variables.
    pub(crate) fn template(&mut self, text: &str, at: &Origin) -> Result<Template, Diagnostic> {
        template::parse(text, |name| self.variable(name, at)).map_err(|malformed| {
            let message = match malformed {
                Malformed::InvalidName => "invalid variable name".to_owned(),
                Malformed::NotClosed(name) => {
                    format!("the closing bracket in \"{name}\" variable is missing")
                }
            };
            Diagnostic::at(at.clone(), message).help(
                "a variable is written $name or ${name}; nginx has no escape for a plain \"$\"",
            )
        })
    }

    fn variable(&mut self, name: &str, at: &Origin) -> Variable {
        match variables::builtin(name) {
            Some(variable) => {
                self.keeps_reply_headers |= matches!(
                    variable,
                    Variable::SentHeader(_) | Variable::UpstreamHeader(_)
                );
                variable
            }
            None => Variable::Slot(self.slot(name, at)),
        }
    }

    fn slot(&mut self, name: &str, at: &Origin) -> usize {
        let known = self.slots.iter().position(|slot| &*slot.name == name);
        known.unwrap_or_else(|| {
            self.slots.push(Slot {
                name: name.into(),
                definition: None,
                first_use: at.clone(),
            });
            self.slots.len() - 1
        })
    }

    /// Gives `$name` its place; `word` is as written, with its dollar sign.
    pub(crate) fn define(
        &mut self,
        word: &str,
        definition: Definition,
        at: &Origin,
    ) -> Result<usize, Diagnostic> {
        let Some(name) = word.strip_prefix('$').filter(|name| !name.is_empty()) else {
            let message = format!("invalid variable name \"{word}\"");
            return Err(Diagnostic::at(at.clone(), message).help("write it with a leading \"$\""));
        };
        self.define_bare(name, definition, at)
    }

    /// Like [`Names::define`] for a name without dollar sign, as in a regular expression.
    pub(crate) fn define_bare(
        &mut self,
        name: &str,
        definition: Definition,
        at: &Origin,
    ) -> Result<usize, Diagnostic> {
        let name = name.to_ascii_lowercase();
        if variables::builtin(&name).is_some() {
            let message = format!("the duplicate \"{name}\" variable");
            return Err(Diagnostic::at(at.clone(), message)
                .help("nginx itself defines this variable; choose another name"));
        }
        let slot = self.slot(&name, at);
        self.slots[slot].definition = Some(definition);
        Ok(slot)
    }

    /// A complaint for every variable that is used and never defined.
    pub(crate) fn undefined(&self) -> impl Iterator<Item = Diagnostic> {
        let missing = self.slots.iter().filter(|slot| slot.definition.is_none());
        missing.map(|slot| {
            let message = format!("unknown \"{}\" variable", slot.name);
            Diagnostic::at(slot.first_use.clone(), message)
                .help("define it with \"set\" or \"map\", or correct its name")
        })
    }
}
