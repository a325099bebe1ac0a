//! YAML as a tree in which every node knows its line, and a reader of it that reports every
//! mistake at once, each with the nearest thing that would have been right.
//!
//! A tree rather than derived structs, because a derived reader stops at the first mistake and
//! loses the lines wherever a value has a short form.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use squall_host::{Diagnostic, Diagnostics, Origin};

use crate::units::BadQuantity;

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) line: u32,
    pub(crate) name: String,
}

/// Reads a document. The error has the parser's place and words.
pub(crate) fn parse(file: &Arc<str>, text: &str) -> Result<Node, Diagnostics> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options) {
        Ok(document) => Ok(document.into()),
        Err(error) => {
            let line = error.location().map_or(0, |location| line(location.line()));
            let message = format!("not YAML that can be read: {}", error.without_snippet());
            Err(Diagnostic::at(Origin::new(file.clone(), line), message).into())
        }
    }
}

fn line(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self {
            line: line(spanned.referenced.line()),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element::<Spanned<Value>>()? {
            list.push(node.into());
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let key = Key {
                line: line(key.referenced.line()),
                name: key.value,
            };
            entries.push((key, map.next_value::<Spanned<Value>>()?.into()));
        }
        Ok(Value::Map(entries))
    }
}

/// The mistakes found so far in one file.
pub(crate) struct Problems {
    file: Arc<str>,
    list: Vec<Diagnostic>,
}

impl Problems {
    pub(crate) fn new(file: Arc<str>) -> Self {
        Self {
            file,
            list: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: u32, message: impl Into<String>, help: impl Into<String>) {
        let origin = Origin::new(self.file.clone(), line);
        self.list.push(Diagnostic::at(origin, message).help(help));
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    pub(crate) fn append(&mut self, diagnostics: Diagnostics) {
        self.list.extend(diagnostics.0);
    }

    /// Takes the value, or notes what is wrong with the quantity.
    pub(crate) fn quantity<T>(&mut self, line: u32, read: Result<T, BadQuantity>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(bad) => {
                self.add(line, bad.message, bad.help);
                None
            }
        }
    }

    /// The value when nothing is wrong, else everything that is, in the order of the lines.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Diagnostics> {
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

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar, or a note that `what` must be one.
    pub(crate) fn expect_text(&self, what: &str, problems: &mut Problems) -> Option<&str> {
        let text = self.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            problems.add(
                self.line,
                format!("{what} is {}", self.kind()),
                format!("write one value after `{what}:`"),
            );
        }
        text
    }

    /// One scalar or a list of scalars; each with its line.
    pub(crate) fn expect_texts(&self, what: &str, problems: &mut Problems) -> Vec<(u32, String)> {
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

    /// The elements of a list, or a note that `what` must be one.
    pub(crate) fn expect_list(&self, what: &str, problems: &mut Problems) -> &[Node] {
        if let Value::List(nodes) = &self.value {
            return nodes;
        }
        problems.add(
            self.line,
            format!("{what} is {}, not a list", self.kind()),
            "write each on a line of its own, after `- `",
        );
        &[]
    }

    /// The entries of a map, or a note that `what` must be one.
    pub(crate) fn expect_map(&self, what: &str, problems: &mut Problems) -> &[(Key, Node)] {
        if let Value::Map(entries) = &self.value {
            return entries;
        }
        problems.add(
            self.line,
            format!("{what} is {}, not a map", self.kind()),
            "write `key: value`, each on a line of its own",
        );
        &[]
    }

    /// A map read by its keys, or a note that `what` must be one.
    pub(crate) fn fields<'a>(
        &'a self,
        what: &'static str,
        problems: &mut Problems,
    ) -> Option<Fields<'a>> {
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

    fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "empty",
            Value::Scalar(text) if text.trim().is_empty() => "empty",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// A map that is read key by key; what nobody asked for is a mistake.
pub(crate) struct Fields<'a> {
    what: &'static str,
    /// Where the map begins.
    pub(crate) line: u32,
    left: Vec<&'a (Key, Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of a key, once.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        let at = self.left.iter().position(|(k, _)| k.name == key)?;
        Some(&self.left.remove(at).1)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(
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
    pub(crate) fn finish(self, problems: &mut Problems) -> bool {
        let unknown = !self.left.is_empty();
        for (key, _) in self.left {
            problems.add(
                key.line,
                format!("unknown key `{}` in {}", key.name, self.what),
                suggestion(&key.name, &self.known),
            );
        }
        unknown
    }
}

/// The known name that a wrong one is most likely meant for.
pub(crate) fn nearest<'k>(wrong: &str, known: &'k [impl AsRef<str>]) -> Option<&'k str> {
    let (distance, name) = known
        .iter()
        .map(|name| (strsim::osa_distance(wrong, name.as_ref()), name.as_ref()))
        .min()?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

/// "did you mean …?" when something known is near, else all that is known.
pub(crate) fn suggestion(wrong: &str, known: &[impl AsRef<str>]) -> String {
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

    const FILE: &str = "x.yaml";

    fn read(text: &str) -> Result<Node, Diagnostics> {
        parse(&FILE.into(), text)
    }

    #[test]
    fn every_node_knows_its_line() {
        let root = read("a: 1\nb:\n  - off\n  - c: 50/s\n    d: >\n      long\n").unwrap();
        let Value::Map(entries) = &root.value else {
            panic!("{root:?}")
        };
        let (key, list) = &entries[1];
        assert_eq!((key.name.as_str(), key.line, list.line), ("b", 2, 3));
        let Value::List(nodes) = &list.value else {
            panic!("{list:?}")
        };
        assert_eq!((nodes[0].text(), nodes[0].line), (Some("off"), 3));
        let Value::Map(inner) = &nodes[1].value else {
            panic!("{nodes:?}")
        };
        assert_eq!((inner[0].0.line, inner[0].1.text()), (4, Some("50/s")));
        assert_eq!((inner[1].0.line, inner[1].1.text()), (5, Some("long\n")));
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let root = read("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\n").unwrap();
        let Value::Map(entries) = &root.value else {
            panic!("{root:?}")
        };
        let Value::Map(merged) = &entries[1].1.value else {
            panic!("{root:?}")
        };
        let mut names: Vec<&str> = merged.iter().map(|(key, _)| key.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn broken_yaml_names_its_line() {
        for (text, at) in [("a: 1\nb: [1,\n", 2..=3), ("a: 1\na: 2\n", 2..=2)] {
            let error = read(text).unwrap_err();
            let origin = error.0[0].origin.clone().unwrap();
            assert!(at.contains(&origin.line), "{error}");
        }
    }

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
