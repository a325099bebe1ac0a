//! Reads a YAML tree key by key and reports every mistake at once, each with what would have been
//! right. Scenario files and fault documents are read with it. Deliberately not the parser: that is
//! [`squall_cluster::yaml`].

use std::sync::Arc;

pub use squall_cluster::yaml::{Key, Node, Value, nearest, parse, parse_all};
use squall_host::{Diagnostic, Diagnostics, Origin};

/// A complaint about a quantity: what is wrong, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuantity {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

impl BadQuantity {
    /// What is wrong, and what to write.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// A value and the line where the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// From 1.
    pub line: u32,
    /// What stands there.
    pub value: T,
}

/// The mistakes found so far in one file, and what is probably not meant.
pub struct Problems {
    file: Arc<str>,
    list: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Problems {
    /// None so far.
    pub fn new(file: Arc<str>) -> Self {
        Self {
            file,
            list: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The file.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// What stands in this line is probably not meant.
    pub fn warn(&mut self, line: u32, message: impl Into<String>, help: impl Into<String>) {
        let origin = Origin::new(self.file.clone(), line);
        self.warnings
            .push(Diagnostic::at(origin, message).help(help));
    }

    /// The warnings since they were last taken.
    pub fn take_warnings(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether there is no mistake so far.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many mistakes there are so far.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// A mistake in this line, and what to write instead.
    pub fn add(&mut self, line: u32, message: impl Into<String>, help: impl Into<String>) {
        let origin = Origin::new(self.file.clone(), line);
        self.list.push(Diagnostic::at(origin, message).help(help));
    }

    /// A mistake that knows its place.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// The mistakes in another file.
    pub fn append(&mut self, diagnostics: Diagnostics) {
        self.list.extend(diagnostics.0);
    }

    /// Takes the value, or notes what is wrong with the quantity.
    pub fn quantity<T>(&mut self, line: u32, read: Result<T, BadQuantity>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(bad) => {
                self.add(line, bad.message, bad.help);
                None
            }
        }
    }

    /// The value when nothing is wrong, else everything that is, in the order of the lines.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => {
                // A stable sort: mistakes of other files keep their place at the end.
                let file = self.file.clone();
                self.list
                    .sort_by_key(|diagnostic| match &diagnostic.origin {
                        Some(origin) if origin.file == file => origin.line,
                        _ => u32::MAX,
                    });
                Err(Diagnostics(self.list))
            }
        }
    }
}

/// What a reader expects of a node, with a note for what it finds instead.
pub trait Expect {
    /// The text of a scalar, or a note that `what` must be one.
    fn expect_text(&self, what: &str, problems: &mut Problems) -> Option<&str>;

    /// One scalar or a list of scalars; each with its line.
    fn expect_texts(&self, what: &str, problems: &mut Problems) -> Vec<(u32, String)>;

    /// The elements of a list, or a note that `what` must be one.
    fn expect_list(&self, what: &str, problems: &mut Problems) -> &[Node];

    /// The entries of a map, or a note that `what` must be one.
    fn expect_map(&self, what: &str, problems: &mut Problems) -> &[(Key, Node)];

    /// A map read by its keys, or a note that `what` must be one.
    fn fields<'a>(&'a self, what: &'static str, problems: &mut Problems) -> Option<Fields<'a>>;
}

impl Expect for Node {
    fn expect_text(&self, what: &str, problems: &mut Problems) -> Option<&str> {
        let text = self.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            problems.add(
                self.line,
                format!("{what} is {}", kind(self)),
                format!("write one value after `{what}:`"),
            );
        }
        text
    }

    fn expect_texts(&self, what: &str, problems: &mut Problems) -> Vec<(u32, String)> {
        let nodes = match &self.value {
            Value::List(nodes) if !nodes.is_empty() => nodes.as_slice(),
            _ => std::slice::from_ref(self),
        };
        nodes
            .iter()
            .filter_map(|node| {
                let text = node.expect_text(what, problems)?;
                Some((node.line, text.to_owned()))
            })
            .collect()
    }

    fn expect_list(&self, what: &str, problems: &mut Problems) -> &[Node] {
        if let Value::List(nodes) = &self.value {
            return nodes;
        }
        problems.add(
            self.line,
            format!("{what} is {}, not a list", kind(self)),
            "write each on a line of its own, after `- `",
        );
        &[]
    }

    fn expect_map(&self, what: &str, problems: &mut Problems) -> &[(Key, Node)] {
        if let Value::Map(entries) = &self.value {
            return entries;
        }
        problems.add(
            self.line,
            format!("{what} is {}, not a map", kind(self)),
            "write `key: value`, each on a line of its own",
        );
        &[]
    }

    fn fields<'a>(&'a self, what: &'static str, problems: &mut Problems) -> Option<Fields<'a>> {
        let entries = match &self.value {
            Value::Map(entries) => entries.as_slice(),
            _ => {
                self.expect_map(what, problems);
                return None;
            }
        };
        Some(Fields {
            what,
            line: self.line,
            left: entries.iter().collect(),
            known: Vec::new(),
        })
    }
}

fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Null => "empty",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        _ if node.text().is_some_and(|text| text.trim().is_empty()) => "empty",
        _ => "a single value",
    }
}

/// A map that is read key by key; what nobody asked for is a mistake.
pub struct Fields<'a> {
    what: &'static str,
    /// Where the map begins.
    pub line: u32,
    left: Vec<&'a (Key, Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of a key, once.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let at = self.left.iter().position(|(k, _)| k.text == key)?;
        Some(&self.left.remove(at).1)
    }

    /// A key that is known and not honoured: a mistake wherever it stands.
    pub fn refuse(&mut self, key: &'static str, why: &str, help: &str, problems: &mut Problems) {
        if let Some(node) = self.take(key) {
            let message = format!("`{key}` in {} is not honoured: {why}", self.what);
            problems.add(node.line, message, help);
        }
    }

    /// What the map is, for messages.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The value of a key that must be there.
    pub fn require(
        &mut self,
        key: &'static str,
        help: &str,
        problems: &mut Problems,
    ) -> Option<&'a Node> {
        let node = self.take(key);
        if node.is_none() {
            problems.add(self.line, format!("{} has no `{key}`", self.what), help);
        }
        node
    }

    /// Notes every key that nobody took; whether there was one.
    pub fn finish(self, problems: &mut Problems) -> bool {
        let unknown = !self.left.is_empty();
        for (key, _) in self.left {
            problems.add(
                key.line,
                format!("unknown key `{}` in {}", key.text, self.what),
                suggestion(&key.text, &self.known),
            );
        }
        unknown
    }
}

/// "did you mean …?" when something known is near, else all that is known.
pub fn suggestion(wrong: &str, known: &[impl AsRef<str>]) -> String {
    let all: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match nearest(wrong, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if all.is_empty() => "there is none".to_owned(),
        None => format!("known here: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_told_from_a_foreign_one() {
        assert_eq!(
            suggestion("timout", &["rate", "timeout"]),
            "did you mean `timeout`?"
        );
        assert_eq!(
            suggestion("colour", &["rate", "timeout"]),
            "known here: rate, timeout"
        );
    }
}
