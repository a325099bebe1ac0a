//! ConfigMaps and Secrets, as what pods take from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_host::launch::Mounted;

use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects::{Object, Typed};
use crate::kubernetes::place::Place;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// A ConfigMap or a Secret.
#[derive(Debug)]
pub(super) struct Source {
    /// `k8s/nginx.yaml (ConfigMap nginx,`
    shown: String,
    /// Files that entries were read from.
    files: BTreeMap<String, String>,
    pub(super) entries: BTreeMap<String, Arc<str>>,
}

impl Source {
    /// An entry as a file, under the name by which the user finds it.
    pub(super) fn mounted(&self, key: &str) -> Option<Mounted> {
        let shown_as = match self.files.get(key) {
            Some(file) => file.as_str().into(),
            None => format!("{} {key})", self.shown).into(),
        };
        Some(Mounted {
            shown_as,
            content: self.entries.get(key)?.clone(),
        })
    }
}

/// All of them, by namespace and name.
#[derive(Debug)]
pub(super) struct Sources(BTreeMap<(Kind, String, String), Source>);

impl Sources {
    pub(super) fn new(objects: &[Object], notes: &mut Notes) -> Self {
        let mut sources = BTreeMap::new();
        for object in objects {
            let (kind, entries) = match &object.typed {
                Typed::ConfigMap(map) => {
                    let data = map.data.iter().flatten();
                    let entries = data.map(|(key, text)| (key.clone(), text.as_str().into()));
                    (Kind::ConfigMap, entries.collect())
                }
                Typed::Secret(_) => (Kind::Secret, secret(object, notes)),
                _ => continue,
            };
            let shown = format!(
                "{} ({} {},",
                object.place().file(),
                kind.name(),
                object.name
            );
            let key = (kind, object.namespace.clone(), object.name.clone());
            let files = object.files.clone();
            let source = Source {
                shown,
                files,
                entries,
            };
            sources.insert(key, source);
        }
        Self(sources)
    }

    /// The one of this name; `None` after a complaint, or when it need not be there.
    pub(super) fn find(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        optional: bool,
        place: &Place<'_>,
        notes: &mut Notes,
    ) -> Option<&Source> {
        let found = self.0.get(&(kind, namespace.to_owned(), name.to_owned()));
        if found.is_none() && !optional {
            let message = format!(
                "there is no {} `{name}` in the namespace {namespace}",
                kind.name()
            );
            let elsewhere = self
                .0
                .keys()
                .find(|(k, _, n)| (*k, n.as_str()) == (kind, name));
            let help = match elsewhere {
                Some((_, other, _)) => format!("there is one in the namespace {other}"),
                None => "add it to the manifests, or say `optional: true`".to_owned(),
            };
            notes.problems.push(place.problem(message).help(help));
        }
        found
    }
}

fn secret(object: &Object, notes: &mut Notes) -> BTreeMap<String, Arc<str>> {
    let Typed::Secret(secret) = &object.typed else {
        return BTreeMap::new();
    };
    let mut entries: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for (key, bytes) in secret.data.iter().flatten() {
        match std::str::from_utf8(&bytes.0) {
            Ok(text) => {
                entries.insert(key.clone(), text.into());
            }
            Err(_) => notes.problems.push(
                object
                    .place()
                    .at("data")
                    .key(key)
                    .problem("is no text; only text is read here"),
            ),
        }
    }
    for (key, text) in secret.string_data.iter().flatten() {
        entries.insert(key.clone(), text.as_str().into());
    }
    entries
}
