//! `configMapGenerator` and `secretGenerator`: objects from literals and files.

use std::collections::BTreeMap;

use super::Kustomization;
use crate::files::Folder;
use crate::yaml::{Key, Node, Value};

impl Kustomization<'_> {
    /// A ConfigMap or a Secret from literals and files.
    pub(super) fn generate(&mut self, path: &str, kind: &str, item: &Node) {
        let Value::Map(entries) = &item.value else {
            return self.problem(item.line, format!("{path}: a mapping belongs here"), "");
        };
        let mut name = String::new();
        let mut namespace = None;
        let mut data = BTreeMap::new();
        for (key, node) in entries {
            match key.text.as_str() {
                "name" => node.text().unwrap_or_default().clone_into(&mut name),
                "namespace" => namespace = node.text().map(str::to_owned),
                "type" if kind == "Secret" => {}
                "options" => self.options(&format!("{path}.options"), node),
                "literals" => {
                    for item in self.items(key, node) {
                        self.literal(path, item, &mut data);
                    }
                }
                "files" => {
                    for item in self.items(key, node) {
                        self.file_entry(path, item, &mut data);
                    }
                }
                other => {
                    let help = "name, namespace, literals, files and options are";
                    let message = format!("{path}.{other}: not played here");
                    self.problem(key.line, message, help);
                }
            }
        }
        let line = item.line;
        let text = |text: &str| Node {
            line,
            value: Value::Text(text.to_owned()),
        };
        let entry = |name: &str, node: Node| {
            let key = Key {
                line,
                text: name.to_owned(),
            };
            (key, node)
        };
        let map = |entries| Node {
            line,
            value: Value::Map(entries),
        };
        let mut meta = vec![entry("name", text(&name))];
        meta.extend(namespace.map(|namespace| entry("namespace", text(&namespace))));
        let field = match kind {
            "Secret" => "stringData",
            _ => "data",
        };
        let files = data.iter();
        let files = files.filter_map(|(key, entry)| Some((key.clone(), entry.file.clone()?)));
        let files = files.collect();
        let data = data.into_iter().map(|(key, Entry { line, content, .. })| {
            let value = Value::Text(content);
            let key = Key { line, text: key };
            (key, Node { line, value })
        });
        let object = map(vec![
            entry("apiVersion", text("v1")),
            entry("kind", text(kind)),
            entry("metadata", map(meta)),
            entry(field, map(data.collect())),
        ]);
        let file = self.file.clone();
        self.reading.within(self.namespace.clone(), |reading| {
            reading.generated(&file, object, files);
        });
    }

    fn literal(&mut self, path: &str, item: &Node, data: &mut Data) {
        match item.text().and_then(|text| text.split_once('=')) {
            Some((key, value)) => {
                // kustomize takes one pair of quotes away.
                let bare = ['"', '\'']
                    .iter()
                    .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
                let entry = Entry {
                    line: item.line,
                    content: bare.unwrap_or(value).to_owned(),
                    file: None,
                };
                data.insert(key.to_owned(), entry);
            }
            None => {
                let message = format!("{path}.literals: KEY=VALUE belongs here");
                self.problem(item.line, message, "");
            }
        }
    }

    fn file_entry(&mut self, path: &str, item: &Node, data: &mut Data) {
        let text = item.text().unwrap_or_default();
        let (key, file) = match text.split_once('=') {
            Some((key, file)) => (key, file),
            None => (text.rsplit('/').next().unwrap_or(text), text),
        };
        let shown = self.folder.shown(file);
        match Folder::read_text(&shown) {
            Ok(content) => {
                let entry = Entry {
                    line: item.line,
                    content,
                    file: Some(shown),
                };
                data.insert(key.to_owned(), entry);
            }
            Err(message) => {
                self.problem(item.line, format!("{path}.files: {shown}: {message}"), "");
            }
        }
    }
}

/// What a generated object has under its keys.
type Data = BTreeMap<String, Entry>;

struct Entry {
    /// Where the kustomization says so.
    line: u32,
    content: String,
    /// The file that it was read from.
    file: Option<String>,
}
