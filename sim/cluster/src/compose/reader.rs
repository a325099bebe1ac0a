//! Walks a YAML tree as a format's reader needs it: take the known keys, complain about the rest.
//!
//! Complaints and notes gather in one place, so a reader goes on after the first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};

use super::interpolate::interpolate;
use super::model::Located;
use super::values;
use crate::yaml::{Node, Value, nearest};

/// What all cursors into one file share.
pub(crate) struct Reader<'a> {
    file: Arc<str>,
    variables: &'a BTreeMap<String, String>,
    problems: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
    without_effect: RefCell<Vec<(String, Origin)>>,
}

/// Everything that reading a file gathered beside its values.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) problems: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) without_effect: Vec<(String, Origin)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &str, variables: &'a BTreeMap<String, String>) -> Self {
        Self {
            file: file.into(),
            variables,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            without_effect: RefCell::default(),
        }
    }

    pub(crate) fn origin(&self, line: u32) -> Origin {
        Origin::new(self.file.clone(), line)
    }

    pub(crate) fn variables(&self) -> &'a BTreeMap<String, String> {
        self.variables
    }

    pub(crate) fn problem(&self, diagnostic: Diagnostic) {
        self.problems.borrow_mut().push(diagnostic);
    }

    pub(crate) fn finish(self) -> Gathered {
        Gathered {
            problems: self.problems.into_inner(),
            warnings: self.warnings.into_inner(),
            without_effect: self.without_effect.into_inner(),
        }
    }

    /// A cursor at the root.
    pub(crate) fn root<'r>(&'r self, node: &'r Node) -> Cursor<'r> {
        Cursor {
            reader: self,
            path: String::new(),
            line: node.line,
            node,
        }
    }
}

/// One node, with the keys that lead to it.
#[derive(Clone)]
pub(crate) struct Cursor<'r> {
    reader: &'r Reader<'r>,
    path: String,
    line: u32,
    node: &'r Node,
}

impl<'r> Cursor<'r> {
    /// The line of its key, or of an item in a list.
    pub(crate) fn origin(&self) -> Origin {
        self.reader.origin(self.line)
    }

    pub(crate) fn value(&self) -> &'r Value {
        &self.node.value
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// A complaint about this node: `file:line: path: message`.
    pub(crate) fn complaint(&self, message: impl AsRef<str>) -> Diagnostic {
        Diagnostic::at(
            self.origin(),
            format!("{}: {}", self.path, message.as_ref()),
        )
    }

    pub(crate) fn problem(&self, message: impl AsRef<str>) {
        self.reader.problem(self.complaint(message));
    }

    pub(crate) fn warn(&self, message: impl AsRef<str>) {
        let warning = self.complaint(message);
        self.reader.warnings.borrow_mut().push(warning);
    }

    /// Records that this is accepted and does nothing here.
    pub(crate) fn without_effect(&self) {
        let entry = (self.path.clone(), self.origin());
        self.reader.without_effect.borrow_mut().push(entry);
    }

    /// Like [`Cursor::without_effect`], for one aspect of this node.
    pub(crate) fn without_effect_at(&self, aspect: &str) {
        let entry = (format!("{}: {aspect}", self.path), self.origin());
        self.reader.without_effect.borrow_mut().push(entry);
    }

    /// A complaint about another place.
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        self.reader.problem(diagnostic);
    }

    /// The value of a variable that is named elsewhere than in `${}`.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.reader.variables.get(name).cloned()
    }

    pub(crate) fn variables(&self) -> &'r BTreeMap<String, String> {
        self.reader.variables
    }

    pub(crate) fn located<T>(&self, value: T) -> Located<T> {
        Located {
            value,
            origin: self.origin(),
        }
    }

    fn expected(&self, what: &str) {
        self.problem(format!("{} where {what} belongs", self.node.value.kind()));
    }

    /// A scalar as text, variables replaced; `None` after a complaint.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => self.replaced(text),
            _ => {
                let text = self.node.text().map(str::to_owned);
                if text.is_none() {
                    self.expected("a string");
                }
                text
            }
        }
    }

    fn replaced(&self, text: &str) -> Option<String> {
        match interpolate(text, self.reader.variables) {
            Ok(replaced) => {
                for name in replaced.unset {
                    self.warn(format!(
                        "the variable {name} has no value; it becomes an empty string"
                    ));
                }
                Some(replaced.text)
            }
            Err(message) => {
                let help = "give the variable a value in `.env` beside the file or under `variables:` in the scenario";
                let complaint = self.complaint(&message);
                self.reader.problem(if message.contains("required") {
                    complaint.help(help)
                } else {
                    complaint
                });
                None
            }
        }
    }

    pub(crate) fn parsed<T: FromStr>(&self, what: &str) -> Option<T> {
        let text = self.text()?;
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(_) => {
                self.problem(format!("`{text}` is not {what}"));
                None
            }
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        // Compose's own list of spellings, since quoted ones come from variables.
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "y" | "yes" | "on" | "1" => Some(true),
            "false" | "n" | "no" | "off" | "0" => Some(false),
            other => {
                self.problem(format!("`{other}` is neither true nor false"));
                None
            }
        }
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        let text = self.text()?;
        self.ok(values::duration(&text))
    }

    pub(crate) fn size_bytes(&self) -> Option<u64> {
        let text = self.text()?;
        self.ok(values::size_bytes(&text))
    }

    /// The value, or its complaint here.
    pub(crate) fn ok<T>(&self, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(message);
                None
            }
        }
    }

    /// The items of a list; a complaint and none for anything else.
    pub(crate) fn list(&self) -> Vec<Cursor<'r>> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Cursor {
                    reader: self.reader,
                    path: format!("{}[{index}]", self.path),
                    line: node.line,
                    node,
                })
                .collect(),
            _ => {
                self.expected("a list");
                Vec::new()
            }
        }
    }

    /// Every item of a list of strings.
    pub(crate) fn texts(&self) -> Vec<Located<String>> {
        self.list()
            .iter()
            .filter_map(|item| Some(item.located(item.text()?)))
            .collect()
    }

    /// The entries of a mapping with keys that the user chose.
    pub(crate) fn entries(&self) -> Vec<(String, Cursor<'r>)> {
        match &self.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.text.clone(), self.child(&key.text, key.line, node)))
                .collect(),
            Value::Null => Vec::new(),
            _ => {
                self.expected("a mapping");
                Vec::new()
            }
        }
    }

    /// `KEY: value` as a mapping or `KEY=value` as a list. A key without a value is `None`.
    pub(crate) fn pairs(&self) -> Vec<(String, Option<String>, Cursor<'r>)> {
        match &self.node.value {
            Value::List(_) => self
                .list()
                .into_iter()
                .filter_map(|item| {
                    let text = item.text()?;
                    Some(match text.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned()), item),
                        None => (text, None, item),
                    })
                })
                .collect(),
            _ => self
                .entries()
                .into_iter()
                .filter_map(|(key, item)| {
                    let value = match item.is_null() {
                        true => None,
                        false => Some(item.text()?),
                    };
                    Some((key, value, item))
                })
                .collect(),
        }
    }

    /// The known keys of a mapping, to be taken one by one; extension fields (`x-`) are left out.
    pub(crate) fn fields(&self) -> Fields<'r> {
        let entries = match &self.node.value {
            Value::Map(_) | Value::Null => self.entries(),
            _ => {
                self.expected("a mapping");
                Vec::new()
            }
        };
        Fields {
            entries: entries
                .into_iter()
                .filter(|(key, _)| !key.starts_with("x-"))
                .map(|(key, cursor)| (key, Some(cursor)))
                .collect(),
            known: RefCell::default(),
        }
    }

    fn child(&self, key: &str, line: u32, node: &'r Node) -> Cursor<'r> {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        Cursor {
            reader: self.reader,
            path,
            line,
            node,
        }
    }
}

/// The entries of a mapping that are not taken yet. [`Fields::finish`] complains about the rest.
pub(crate) struct Fields<'r> {
    entries: Vec<(String, Option<Cursor<'r>>)>,
    known: RefCell<Vec<&'static str>>,
}

impl<'r> Fields<'r> {
    /// Whether a key is there and has a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries
            .iter()
            .any(|(k, cursor)| k == key && cursor.as_ref().is_some_and(|c| !c.is_null()))
    }

    /// The value of a key; nothing (`key:`) counts as absent.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Cursor<'r>> {
        self.take_even_null(key).filter(|cursor| !cursor.is_null())
    }

    /// The value of a key, also when it is nothing.
    pub(crate) fn take_even_null(&mut self, key: &'static str) -> Option<Cursor<'r>> {
        self.known.borrow_mut().push(key);
        self.entries
            .iter_mut()
            .find(|(k, _)| k == key)
            .and_then(|(_, cursor)| cursor.take())
    }

    /// Accepts keys that do nothing here and records each.
    pub(crate) fn without_effect(&mut self, keys: &[&'static str]) {
        for key in keys {
            if let Some(cursor) = self.take(key) {
                cursor.without_effect();
            }
        }
    }

    /// Complains about a key that Compose knows and this does not.
    pub(crate) fn refuse(&mut self, key: &'static str, help: &str) {
        if let Some(cursor) = self.take(key) {
            cursor
                .reader
                .problem(cursor.complaint("not supported here").help(help));
        }
    }

    /// Complains about every key that nobody took.
    pub(crate) fn finish(self) {
        let known = self.known.into_inner();
        for (key, cursor) in self.entries {
            let Some(cursor) = cursor else { continue };
            let complaint = cursor.complaint("unknown key");
            cursor.reader.problem(match nearest(&key, &known) {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint,
            });
        }
    }
}
