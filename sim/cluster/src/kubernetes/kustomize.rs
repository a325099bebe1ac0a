//! `kustomization.yaml`: the part of it that lists, places and generates objects.
//!
//! A generated ConfigMap keeps its name as it is written: kustomize puts a hash behind it and behind
//! every reference to it, which makes no difference here. Deliberately absent: everything that
//! patches objects; `kustomize build` does that, and what it prints is read like any manifest.

mod generate;

use std::path::Path;
use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use super::documents::Reading;
use crate::files::Folder;
use crate::yaml::{self, Key, Node, Value, nearest};

/// The names that kustomize looks for.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kustomizations that list each other.
const DEPTH_MAX: usize = 16;

const KNOWN: [&str; 7] = [
    "apiVersion",
    "kind",
    "resources",
    "namespace",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
];

/// What else kustomize knows, as of version 5.
const REFUSED: [&str; 22] = [
    "bases",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configurations",
    "crds",
    "generators",
    "helmCharts",
    "helmGlobals",
    "images",
    "labels",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "replicas",
    "transformers",
];

/// The kustomization that a path is, or that the folder has.
pub(super) fn file_of(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if FILES.contains(&name) {
        return Some(path.to_owned());
    }
    FILES
        .iter()
        .map(|name| format!("{path}/{name}"))
        .find(|file| Path::new(file).is_file())
}

/// Reads what a kustomization comes to.
pub(super) fn read(file: &str, reading: &mut Reading) {
    descend(file, None, DEPTH_MAX, reading);
}

fn descend(file: &str, namespace: Option<&str>, depth: usize, reading: &mut Reading) {
    let root = match Folder::read_text(file) {
        Ok(text) => yaml::parse(file, &text),
        Err(message) => Err(Diagnostic::at(Origin::new(file, 0), message)),
    };
    let root = match root {
        Ok(root) => root,
        Err(problem) => return reading.notes.problems.push(problem),
    };
    let mut kustomization = Kustomization {
        file: file.into(),
        folder: Folder::of_file(file),
        namespace: namespace.map(str::to_owned),
        depth,
        reading,
    };
    kustomization.read(&root);
}

struct Kustomization<'r> {
    file: Arc<str>,
    folder: Folder,
    /// Where every object goes; that of an outer kustomization wins.
    namespace: Option<String>,
    depth: usize,
    reading: &'r mut Reading,
}

impl Kustomization<'_> {
    fn problem(&mut self, line: u32, message: impl Into<String>, help: &str) {
        let problem = Diagnostic::at(Origin::new(self.file.clone(), line), message);
        self.reading.notes.problems.push(match help {
            "" => problem,
            help => problem.help(help),
        });
    }

    fn read(&mut self, root: &Node) {
        let Value::Map(entries) = &root.value else {
            let message = format!("{} where a mapping belongs", root.value.kind());
            return self.problem(root.line, message, "");
        };
        for (key, _) in entries {
            self.check_key(key);
        }
        let find = |wanted: &str| entries.iter().find(|(key, _)| key.text == wanted);
        if let Some((_, node)) = find("namespace")
            && self.namespace.is_none()
        {
            self.namespace = node.text().map(str::to_owned);
        }
        if let Some((key, node)) = find("resources") {
            for item in self.items(key, node) {
                self.resource(item);
            }
        }
        if let Some((_, node)) = find("generatorOptions") {
            self.options("generatorOptions", node);
        }
        for (name, kind) in [
            ("configMapGenerator", "ConfigMap"),
            ("secretGenerator", "Secret"),
        ] {
            if let Some((key, node)) = find(name) {
                for item in self.items(key, node) {
                    self.generate(name, kind, item);
                }
            }
        }
    }

    fn check_key(&mut self, key: &Key) {
        let name = key.text.as_str();
        if KNOWN.contains(&name) {
            return;
        }
        if REFUSED.contains(&name) {
            let help = "let `kustomize build` do it, and name the file that it prints";
            return self.problem(key.line, format!("{name}: not played here"), help);
        }
        let help = nearest(name, &KNOWN).map(|near| format!("did you mean `{near}`?"));
        let message = format!("{name}: unknown field");
        self.problem(key.line, message, &help.unwrap_or_default());
    }

    fn items<'n>(&mut self, key: &Key, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            other => {
                let message = format!("{}: {} where a list belongs", key.text, other.kind());
                self.problem(key.line, message, "");
                &[]
            }
        }
    }

    fn resource(&mut self, item: &Node) {
        let Some(path) = item.text() else {
            return self.problem(item.line, "resources: a path belongs here", "");
        };
        if path.contains("://") || path.starts_with("github.com/") {
            let help = "fetch it, and list the file";
            let message = format!("resources: `{path}` is not on this machine");
            return self.problem(item.line, message, help);
        }
        let shown = self.folder.shown(path);
        if Path::new(&shown).is_dir() {
            let Some(inner) = file_of(&shown) else {
                let help = "list its files, or give it a kustomization.yaml";
                let message = format!("resources: the folder {shown} has no kustomization");
                return self.problem(item.line, message, help);
            };
            if self.depth == 0 {
                let message =
                    format!("resources: {inner}: kustomizations list each other too deep");
                return self.problem(item.line, message, "");
            }
            let (namespace, depth) = (self.namespace.clone(), self.depth - 1);
            return descend(&inner, namespace.as_deref(), depth, self.reading);
        }
        if !Path::new(&shown).exists() {
            let message = format!("resources: {shown}: no such file");
            return self.problem(item.line, message, "");
        }
        self.reading.within(self.namespace.clone(), |reading| {
            reading.file(&shown);
        });
    }

    fn options(&mut self, path: &str, node: &Node) {
        let Value::Map(entries) = &node.value else {
            return;
        };
        for (key, _) in entries {
            match key.text.as_str() {
                "disableNameSuffixHash" => {}
                "immutable" => {}
                other => {
                    let message = format!("{path}.{other}: not played here");
                    self.problem(key.line, message, "only disableNameSuffixHash is");
                }
            }
        }
    }
}
