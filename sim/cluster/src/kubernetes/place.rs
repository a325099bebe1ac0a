//! Where in a manifest something stands: the typed objects do not know, their trees do.

use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use crate::yaml::{Node, Value};

/// A field of an object; it may be absent, and then its parent's line is meant.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    file: &'a Arc<str>,
    /// `Deployment backend`
    subject: &'a str,
    path: String,
    line: u32,
    node: Option<&'a Node>,
}

impl<'a> Place<'a> {
    /// The object itself.
    pub(super) fn root(file: &'a Arc<str>, subject: &'a str, node: &'a Node) -> Self {
        Self {
            file,
            subject,
            path: String::new(),
            line: node.line,
            node: Some(node),
        }
    }

    /// A field under it; `a.b` is `b` under `a`.
    pub(super) fn at(&self, keys: &str) -> Self {
        keys.split('.')
            .fold(self.clone(), |place, key| place.key(key))
    }

    /// A field under it, with dots in its name or without.
    pub(super) fn key(&self, key: &str) -> Self {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let found = match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().find(|(k, _)| k.text == key),
            _ => None,
        };
        Self {
            path,
            line: found.map_or(self.line, |(key, _)| key.line),
            node: found.map(|(_, node)| node),
            ..*self
        }
    }

    /// An item of a list.
    pub(super) fn item(&self, index: usize) -> Self {
        let found = match self.node.map(|node| &node.value) {
            Some(Value::List(items)) => items.get(index),
            _ => None,
        };
        Self {
            path: format!("{}[{index}]", self.path),
            line: found.map_or(self.line, |node| node.line),
            node: found,
            ..*self
        }
    }

    /// An item of a list under it.
    pub(super) fn item_of(&self, key: &str, index: usize) -> Self {
        self.key(key).item(index)
    }

    /// What stands there.
    pub(super) fn node(&self) -> Option<&'a Node> {
        self.node
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::new(self.file.clone(), self.line)
    }

    pub(super) fn file(&self) -> &'a Arc<str> {
        self.file
    }

    /// `Deployment backend: spec.replicas`
    pub(super) fn shown(&self) -> String {
        match self.path.as_str() {
            "" => self.subject.to_owned(),
            path => format!("{}: {path}", self.subject),
        }
    }

    /// A complaint about it.
    pub(super) fn problem(&self, message: impl AsRef<str>) -> Diagnostic {
        Diagnostic::at(
            self.origin(),
            format!("{}: {}", self.shown(), message.as_ref()),
        )
    }
}
