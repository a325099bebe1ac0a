//! YAML as a tree in which every key and value knows its line.
//!
//! A derived `Deserialize` stops at the first unknown key and does not say which service it was
//! under; this tree lets the reader of a format report every complaint of a file in one pass, each
//! with the nearest word that would have been right.
//! Anchors, aliases and merge keys are resolved by the parser; a merged value keeps the line on
//! which it was written. Deliberately absent: tags other than YAML's own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use squall_host::{Diagnostic, Origin};

/// Longer words are no slips of the finger; comparing costs the product of two lengths.
const WORD_BYTES_MAX: usize = 128;

/// A value and the line on which it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// From 1.
    pub line: u32,
    /// What stands there.
    pub value: Value,
}

impl Node {
    /// A scalar as text, whatever it could be read as; `None` for the rest.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`, not quoted.
    Bool(bool),
    /// A number in its shortest decimal form, as Compose renders it.
    Number(String),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key and its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// From 1.
    pub line: u32,
    /// As written; a number or a boolean is a key by its letters.
    pub text: String,
}

impl Value {
    /// The kind, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Parses one document.
///
/// # Errors
/// A complaint with `file` and the line about what is not YAML, has a key twice or a tag.
pub fn parse(file: &str, text: &str) -> Result<Node, Diagnostic> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| not_good(file, &error))
}

/// Parses every document of a text, `---` between them; those that are empty are left out. Lines
/// are counted from the start of the text.
///
/// # Errors
/// As [`parse`].
pub fn parse_all(file: &str, text: &str) -> Result<Vec<Node>, Diagnostic> {
    serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| not_good(file, &error))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        reject_unsupported_tags: true,
    }
}

fn not_good(file: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let line = error
        .location()
        .map_or(0, |location| line_of(location.line()));
    Diagnostic::at(
        Origin::new(file, line),
        format!("not good YAML: {}", first_line(&error.to_string())),
    )
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn line_of(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// The known word that a wrong one is most likely meant for.
pub fn nearest<'k>(wrong: &str, known: &'k [impl AsRef<str>]) -> Option<&'k str> {
    if wrong.len() > WORD_BYTES_MAX {
        return None;
    }
    let (slips, word) = known
        .iter()
        .map(AsRef::as_ref)
        .filter(|word| word.len() <= WORD_BYTES_MAX)
        .map(|word| (strsim::osa_distance(wrong, word), word))
        .min()?;
    (slips <= 1 + word.len() / 4).then_some(word)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            line: line_of(spanned.defined.line()),
            value: spanned.value,
        })
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
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element::<Node>()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value::<Node>()?;
            let key = Key {
                line: line_of(key.defined.line()),
                text: key.value,
            };
            entries.push((key, node));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'a>(node: &'a Node, key: &str) -> (&'a Key, &'a Node) {
        let Value::Map(entries) = &node.value else {
            panic!("{node:?} is no mapping");
        };
        let (key, node) = entries
            .iter()
            .find(|(k, _)| k.text == key)
            .unwrap_or_else(|| panic!("no key {key}"));
        (key, node)
    }

    #[test]
    fn every_key_and_value_knows_its_line() {
        let text = "# first\na:\n  b: 1\n  c:\n    - x\n    - y: yes\nd: 1.50\ne: \"22:22\"\nf: 22:22\ng: on\nh:\n5433: x\n";
        let root = parse("f.yml", text).unwrap();
        let (key, a) = get(&root, "a");
        assert_eq!(key.line, 2);
        let (key, b) = get(a, "b");
        assert_eq!((key.line, b.line), (3, 3));
        assert_eq!(b.value, Value::Number("1".into()));
        let (_, c) = get(a, "c");
        let Value::List(items) = &c.value else {
            panic!("{c:?}")
        };
        assert_eq!(items[0].line, 5);
        assert_eq!(get(&items[1], "y").1.value, Value::Text("yes".into()));
        assert_eq!(get(&root, "d").1.value, Value::Number("1.5".into()));
        assert_eq!(get(&root, "e").1.value, Value::Text("22:22".into()));
        assert_eq!(get(&root, "f").1.value, Value::Text("22:22".into()));
        assert_eq!(get(&root, "g").1.value, Value::Text("on".into()));
        assert_eq!(get(&root, "h").1.value, Value::Null);
        assert_eq!(get(&root, "5433").0.line, 12);
    }

    #[test]
    fn merged_values_keep_the_line_on_which_they_were_written() {
        let text = "x-base: &base\n  image: nginx\n  restart: always\nservices:\n  a:\n    <<: *base\n    image: other\n  b:\n    <<: [*base, {user: root}]\n";
        let root = parse("f.yml", text).unwrap();
        let services = get(&root, "services").1;
        let a = get(services, "a").1;
        assert_eq!(get(a, "image").1.value, Value::Text("other".into()));
        assert_eq!(get(a, "image").0.line, 7);
        let (key, restart) = get(a, "restart");
        assert_eq!((key.line, restart.line), (3, 3));
        let b = get(services, "b").1;
        assert_eq!(get(b, "user").1.value, Value::Text("root".into()));
        assert_eq!(get(b, "image").0.line, 2);
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let known = ["image", "ports", "environment"];
        assert_eq!(nearest("imgae", &known), Some("image"));
        assert_eq!(nearest("port", &known), Some("ports"));
        assert_eq!(nearest("enviroment", &known), Some("environment"));
        assert_eq!(nearest("foo", &known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), &known), None);
    }

    #[test]
    fn every_scalar_is_text() {
        let root = parse("f.yml", "[off, true, 1.50, 50/s, ~, [], {}]").unwrap();
        let Value::List(items) = &root.value else {
            panic!("{root:?}")
        };
        let texts: Vec<Option<&str>> = items.iter().map(Node::text).collect();
        let expected = [Some("off"), Some("true"), Some("1.5"), Some("50/s")];
        assert_eq!(texts[..4], expected);
        assert_eq!(texts[4..], [None, None, None]);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: [1, 2\n", 2),
            ("a: 1\na: 2\n", 2),
            ("a:\n  b: 1\n c: 2\n", 3),
            ("a: 1\nb: !reset null\n", 2),
            ("a: *nowhere\n", 1),
        ] {
            let error = parse("f.yml", text).unwrap_err();
            let origin = error.origin.clone().unwrap();
            assert_eq!(&*origin.file, "f.yml");
            assert_eq!(origin.line, line, "{text:?}: {error}");
        }
    }
}
