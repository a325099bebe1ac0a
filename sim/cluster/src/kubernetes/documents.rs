//! Files of manifests as typed objects, each with its place.
//!
//! A path is a file of one or several documents, a folder whose files are read in the order of
//! their names as `kubectl apply -f` does, or a folder with a `kustomization.yaml`. Every document
//! is read, so that all mistakes come at once. Deliberately absent: what the objects come to
//! together; that is [`super::plan::plan`].

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_host::{Diagnostic, Diagnostics, Origin};

use super::fields::{self, KINDS, REFUSED, Shape};
use super::ingress;
use super::kustomize;
use super::names;
use super::notes::Notes;
use super::objects::{Object, typed};
use crate::files::Folder;
use crate::yaml::{self, Node, Value, nearest};

/// The namespace of what names none.
pub(super) const NAMESPACE_DEFAULT: &str = "default";

/// What files of manifests hold.
#[derive(Debug, Default)]
pub struct Manifests {
    pub(super) objects: Vec<Object>,
    /// Fields that are accepted and have no effect here.
    pub without_effect: Vec<(String, Origin)>,
    /// What is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

impl Manifests {
    /// How many objects they describe.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether they describe nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Reads manifests: files, folders, and folders with a kustomization.
///
/// # Errors
/// Every mistake of every file: what is no YAML, kinds and fields that are unknown or not played
/// here, values of the wrong type, names that the API server would refuse, objects that are there
/// twice. Each has its file and line.
pub fn read(paths: &[String]) -> Result<Manifests, Diagnostics> {
    let mut reading = Reading::default();
    for path in paths {
        reading.path(path);
    }
    reading.finish()
}

/// Reads one text of manifests, `file` being its name in messages.
///
/// # Errors
/// As [`read`].
pub fn read_text(file: &str, text: &str) -> Result<Manifests, Diagnostics> {
    let mut reading = Reading::default();
    reading.text(file, text);
    reading.finish()
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reading {
    objects: Vec<Object>,
    pub(super) notes: Notes,
    /// A kustomization's `namespace:`, which goes before an object's own.
    namespace: Option<String>,
}

impl Reading {
    fn path(&mut self, path: &str) {
        let shown = path.trim_end_matches('/');
        let shown = if shown.is_empty() { path } else { shown };
        if let Some(file) = kustomize::file_of(shown) {
            kustomize::read(&file, self);
        } else if std::path::Path::new(shown).is_dir() {
            let names: Vec<String> = Folder::list(shown)
                .into_iter()
                .filter(|name| is_manifest(name))
                .collect();
            if names.is_empty() {
                let message = "no manifests here: no file ends in .yaml or .yml";
                self.notes
                    .problems
                    .push(Diagnostic::at(Origin::new(shown, 0), message));
            }
            for name in names {
                self.file(&format!("{shown}/{name}"));
            }
        } else {
            self.file(shown);
        }
    }

    /// Reads something whose objects all go into one namespace.
    pub(super) fn within(&mut self, namespace: Option<String>, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.namespace, namespace);
        read(self);
        self.namespace = outer;
    }

    /// Reads a file of documents.
    pub(super) fn file(&mut self, file: &str) {
        match Folder::read_text(file) {
            Ok(text) => self.text(file, &text),
            Err(message) => self
                .notes
                .problems
                .push(Diagnostic::at(Origin::new(file, 0), message)),
        }
    }

    fn text(&mut self, file: &str, text: &str) {
        match yaml::parse_all(file, text) {
            Ok(documents) => {
                let file: Arc<str> = file.into();
                for document in documents {
                    self.document(&file, document);
                }
            }
            Err(problem) => self.notes.problems.push(problem),
        }
    }

    /// Reads an object that a kustomization generates; `files` are those of its keys.
    pub(super) fn generated(
        &mut self,
        file: &Arc<str>,
        node: Node,
        files: BTreeMap<String, String>,
    ) {
        let before = self.objects.len();
        self.document(file, node);
        if let Some(object) = self.objects.get_mut(before) {
            object.files = files;
        }
    }

    /// Reads one document.
    fn document(&mut self, file: &Arc<str>, node: Node) {
        let origin = Origin::new(file.clone(), node.line);
        let Value::Map(entries) = node.value else {
            if node.value != Value::Null {
                let message = format!("{} where an object belongs", node.value.kind());
                self.notes.problems.push(
                    Diagnostic::at(origin, message).help("an object has apiVersion and kind"),
                );
            }
            return;
        };
        let find = |wanted: &str| {
            entries
                .iter()
                .find(|(key, _)| key.text == wanted)
                .map(|(key, node)| (node.text().unwrap_or_default().to_owned(), key.line))
        };
        let (Some((api, api_line)), Some((kind, kind_line))) = (find("apiVersion"), find("kind"))
        else {
            let message = "an object without apiVersion and kind";
            self.notes.problems.push(Diagnostic::at(origin, message));
            return;
        };
        if kind == "List" || kind.ends_with("List") && api != "v1" {
            let items = entries.into_iter().find(|(key, _)| key.text == "items");
            if let Some((
                _,
                Node {
                    value: Value::List(items),
                    ..
                },
            )) = items
            {
                for item in items {
                    self.document(file, item);
                }
            }
            return;
        }
        let at = |line| Origin::new(file.clone(), line);
        let Some(shape) = KINDS.iter().find(|shape| shape.name == kind) else {
            let problem = Diagnostic::at(at(kind_line), format!("the kind {kind} is not played"));
            let names: Vec<&str> = KINDS.iter().map(|shape| shape.name).collect();
            let help = match REFUSED.iter().find(|(name, _)| *name == kind) {
                Some((_, help)) => (*help).to_owned(),
                None => match nearest(&kind, &names) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("the kinds that are played: {}", names.join(", ")),
                },
            };
            self.notes.problems.push(problem.help(help));
            return;
        };
        if api != shape.api {
            let message = format!("{kind}: no such apiVersion: `{api}`");
            let help = format!("write `apiVersion: {}`", shape.api);
            self.notes
                .problems
                .push(Diagnostic::at(at(api_line), message).help(help));
            return;
        }
        let node = Node {
            line: entries.first().map_or(node.line, |(key, _)| key.line),
            value: Value::Map(entries),
        };
        self.object(shape, file, node);
    }

    fn object(&mut self, shape: &Shape, file: &Arc<str>, node: Node) {
        let name = name_in(&node).unwrap_or_default();
        let subject = format!("{} {name}", shape.name).trim_end().to_owned();
        let Some((typed, meta)) = typed(shape.name, &node, file, &subject, &mut self.notes) else {
            return;
        };
        let mut object = Object {
            typed,
            namespace: String::new(),
            name,
            files: BTreeMap::new(),
            subject,
            file: file.clone(),
            node,
        };
        if shape.namespaced {
            let given = self.namespace.clone().or(meta.namespace);
            let named = given.filter(|namespace| !namespace.is_empty());
            object.namespace = named.unwrap_or_else(|| NAMESPACE_DEFAULT.to_owned());
        } else if let Some(namespace) = &self.namespace {
            // kustomize names the namespace anew (its default `namespace` field specs).
            object.name.clone_from(namespace);
        }
        let place = object.place();
        names::object(
            shape.name,
            &object.name,
            &place.at("metadata.name"),
            &mut self.notes,
        );
        if let Value::Map(entries) = &object.node.value {
            for (key, inner) in entries {
                let is_head = matches!(key.text.as_str(), "apiVersion" | "kind");
                if !is_head && inner.value != Value::Null {
                    fields::check_field(
                        &place.key(&key.text),
                        &key.text,
                        shape.fields,
                        &mut self.notes,
                    );
                }
            }
        }
        let first = self.objects.iter().find(|other| {
            (&other.subject, &other.namespace) == (&object.subject, &object.namespace)
        });
        if let Some(first) = first {
            let message = format!("is there twice; first at {}", first.origin());
            self.notes.problems.push(place.problem(message));
        }
        self.objects.push(object);
    }

    fn finish(mut self) -> Result<Manifests, Diagnostics> {
        if let Some(text) = ingress::controller(&self.objects, &mut self.notes) {
            self.text(ingress::FILE, &text);
        }
        Diagnostics::check(self.notes.problems)?;
        Ok(Manifests {
            objects: self.objects,
            without_effect: self.notes.without_effect,
            warnings: self.notes.warnings,
        })
    }
}

/// Whether a file of a folder is read.
fn is_manifest(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

fn name_in(node: &Node) -> Option<String> {
    let inner = |node: &Node, wanted: &str| match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.text == wanted)
            .map(|(_, node)| node.clone()),
        _ => None,
    };
    let name = inner(&inner(node, "metadata")?, "name")?;
    name.text().map(str::to_owned)
}
