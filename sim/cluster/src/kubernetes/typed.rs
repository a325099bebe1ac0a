//! A YAML tree read as one of Kubernetes' types.
//!
//! The types of `k8s-openapi` skip what they do not know, and their errors have no place. They do
//! tell their reader which fields they have, so this reader of trees finds the unknown ones itself,
//! each with its line and the nearest known word, and places every other error. Deliberately
//! absent: what is done here with a field that is known; see [`super::fields`].

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use squall_host::{Diagnostic, Origin};

use super::place::Place;
use crate::yaml::{Key, Node, Value, nearest};

/// Reads a tree; `None` after a complaint that leaves no value. `subject` is what the tree is.
pub(super) fn read<T: DeserializeOwned>(
    node: &Node,
    file: &Arc<str>,
    subject: &str,
    problems: &mut Vec<Diagnostic>,
) -> Option<T> {
    let sink = Sink {
        file,
        subject,
        problems: RefCell::default(),
    };
    let reader = Reader {
        node,
        line: node.line,
        path: String::new(),
        sink: &sink,
    };
    let result = T::deserialize(reader);
    problems.append(&mut sink.problems.into_inner());
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let (line, path) = error.place.unwrap_or((node.line, String::new()));
            let place = match path.as_str() {
                "" => subject.to_owned(),
                path => format!("{subject}: {path}"),
            };
            problems.push(Diagnostic::at(
                Origin::new(file.clone(), line),
                format!("{place}: {}", error.message),
            ));
            None
        }
    }
}

/// What is said about a field that the API does not have.
const UNKNOWN: &str = "unknown field";

/// Whether there has been such a complaint about this place.
pub(super) fn has_refused(place: &Place<'_>, problems: &[Diagnostic]) -> bool {
    let unknown = place.problem(UNKNOWN);
    let same =
        |other: &Diagnostic| (&other.message, &other.origin) == (&unknown.message, &unknown.origin);
    problems.iter().any(same)
}

struct Sink<'a> {
    file: &'a Arc<str>,
    subject: &'a str,
    problems: RefCell<Vec<Diagnostic>>,
}

/// What is wrong, and where as soon as that is known.
#[derive(Debug)]
struct Error {
    message: String,
    place: Option<(u32, String)>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            place: None,
        }
    }
}

#[derive(Clone)]
struct Reader<'n> {
    node: &'n Node,
    /// Of its key, when it has one.
    line: u32,
    path: String,
    sink: &'n Sink<'n>,
}

impl<'n> Reader<'n> {
    fn inner(&self, key: &Key, node: &'n Node) -> Self {
        let path = match self.path.as_str() {
            "" => key.text.clone(),
            path => format!("{path}.{}", key.text),
        };
        Self {
            node,
            line: key.line,
            path,
            sink: self.sink,
        }
    }

    fn placed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|mut error| {
            error
                .place
                .get_or_insert_with(|| (self.line, self.path.clone()));
            error
        })
    }

    fn unknown(&self, key: &Key, fields: &[&str]) {
        let path = match self.path.as_str() {
            "" => key.text.clone(),
            path => format!("{path}.{}", key.text),
        };
        let complaint = Diagnostic::at(
            Origin::new(self.sink.file.clone(), key.line),
            format!("{}: {path}: {UNKNOWN}", self.sink.subject),
        );
        self.sink
            .problems
            .borrow_mut()
            .push(match nearest(&key.text, fields) {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint,
            });
    }
}

/// Digits that begin with 0 are octal in YAML 1.1, which is what kubectl reads.
fn octal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix('0'))?;
    i64::from_str_radix(digits, 8).ok()
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => visitor.visit_i64(number),
                (Err(_), Ok(number)) => visitor.visit_f64(number),
                (Err(_), Err(_)) => visitor.visit_str(text),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items {
                reader: &self,
                items: items.iter().enumerate(),
            }),
            Value::Map(entries) => visitor.visit_map(Entries {
                reader: &self,
                entries: entries.iter(),
                value: None,
            }),
        };
        self.placed(result)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Text(text) => match octal(text) {
                Some(number) => self.placed(visitor.visit_i64(number)),
                None => self.deserialize_any(visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let place = self.clone();
        place.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Map(entries) = &self.node.value else {
            let found = Unexpected::Other(self.node.value.kind());
            let error = serde::de::Error::invalid_type(found, &"a mapping");
            return self.placed(Err(error));
        };
        for (key, _) in entries {
            if !fields.contains(&key.text.as_str()) {
                self.unknown(key, fields);
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier
    }
}

struct Items<'r, 'n, I> {
    reader: &'r Reader<'n>,
    items: I,
}

impl<'n, I: Iterator<Item = (usize, &'n Node)>> SeqAccess<'n> for Items<'_, 'n, I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'n>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let inner = Reader {
            node,
            line: node.line,
            path: format!("{}[{index}]", self.reader.path),
            sink: self.reader.sink,
        };
        seed.deserialize(inner).map(Some)
    }
}

struct Entries<'r, 'n, I> {
    reader: &'r Reader<'n>,
    entries: I,
    value: Option<(&'n Key, &'n Node)>,
}

impl<'n, I: Iterator<Item = &'n (Key, Node)>> MapAccess<'n> for Entries<'_, 'n, I> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'n>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some((key, node)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some((key, node));
        seed.deserialize(StrDeserializer::new(&key.text)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((key, node)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value without its key"));
        };
        seed.deserialize(self.reader.inner(key, node))
    }
}
