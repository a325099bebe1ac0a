//! `chaos`: a Chaos Mesh or Istio document, in the scenario or in a file of its own.

use std::path::Path;
use std::sync::Arc;

use squall_chaos::Document;
use squall_host::{Diagnostic, Origin};

use super::Act;
use crate::file::Located;
use crate::yaml::{Expect, Node, Problems, Value};

/// Documents that are applied in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Where they stand.
    pub source: Source,
    /// What they say; of a file that is not read yet, `None`.
    pub documents: Option<Vec<Document>>,
}

/// Where documents stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// In a file, relative to the scenario's.
    File(Located<String>),
    /// In the scenario.
    Embedded(Node),
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Act> {
    let (source, documents) = match &node.value {
        Value::Map(_) => {
            let document = squall_chaos::read_node(node, problems)?;
            (Source::Embedded(node.clone()), Some(vec![document]))
        }
        _ => {
            let value = node.expect_text("chaos", problems)?.to_owned();
            let line = node.line;
            (Source::File(Located { line, value }), None)
        }
    };
    Some(Act::Chaos(Applied { source, documents }))
}

impl Applied {
    /// Reads the file, from the folder of the scenario, unless it is read already.
    pub(crate) fn load(&mut self, folder: &Path, problems: &mut Problems) {
        let (Source::File(name), None) = (&self.source, &self.documents) else {
            return;
        };
        let path = folder.join(&name.value);
        let shown: Arc<str> = path.display().to_string().into();
        match std::fs::read_to_string(&path) {
            Ok(text) => match squall_chaos::read(&shown, &text) {
                Ok(documents) => self.documents = Some(documents),
                Err(diagnostics) => problems.append(diagnostics),
            },
            Err(error) => {
                let origin = Origin::new(problems.file().clone(), name.line);
                let message = format!("cannot read `{shown}`: {error}");
                let help = "the path starts at the folder of the scenario file";
                problems.push(Diagnostic::at(origin, message).help(help));
            }
        }
    }
}
