//! What is done here with each field of Kubernetes' objects: the one table of it.
//!
//! A field of the API that is not in the table is refused with file, line and path, since a field
//! that is skipped in silence makes another system of the one that was meant. The book's page
//! "Kubernetes" is generated from the table and held against it by a test.
//!
//! Deliberately absent: fields that the API does not have; [`super::typed`] finds those.

mod kinds;
mod pod;

use squall_host::Diagnostic;

use super::notes::Notes;
use super::place::Place;
use super::typed;
use crate::yaml::Value;

pub(super) use kinds::{KINDS, REFUSED, Shape};

/// A field by its name, and what is done with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// With `[]` behind it where it is a list of objects.
    name: &'static str,
    here: Here,
}

/// What is done with a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Here {
    /// It does what it does in a cluster.
    Played,
    /// Only these values, which need nothing to be done.
    Only(&'static [&'static str]),
    /// It is accepted, with all that is in it, and does nothing, for this reason.
    WithoutEffect(&'static str),
    /// It is refused, and this can be done instead.
    Refused(&'static str),
    /// An object, or a list of objects, with these fields.
    Object(&'static [Field]),
    /// The same, where the fields have a table of their own.
    Shared(&'static Table),
}

/// Fields that several kinds have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// The API's name for it.
    name: &'static str,
    fields: &'static [Field],
}

const fn field(name: &'static str, here: Here) -> Field {
    Field { name, here }
}

const fn played(name: &'static str) -> Field {
    field(name, Here::Played)
}

const fn only(name: &'static str, values: &'static [&'static str]) -> Field {
    field(name, Here::Only(values))
}

const fn without_effect(name: &'static str, reason: &'static str) -> Field {
    field(name, Here::WithoutEffect(reason))
}

const fn refused(name: &'static str, help: &'static str) -> Field {
    field(name, Here::Refused(help))
}

const fn object(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Here::Object(fields))
}

const fn shared(name: &'static str, table: &'static Table) -> Field {
    field(name, Here::Shared(table))
}

/// Holds all fields of an object, or of a list of them, against the table.
fn check(place: &Place<'_>, fields: &[Field], notes: &mut Notes) {
    match place.node().map(|node| &node.value) {
        Some(Value::List(items)) => {
            for index in 0..items.len() {
                check(&place.item(index), fields, notes);
            }
        }
        Some(Value::Map(entries)) => {
            for (key, node) in entries {
                if node.value != Value::Null {
                    check_field(&place.key(&key.text), &key.text, fields, notes);
                }
            }
        }
        _ => {}
    }
}

/// Holds one field against the table.
pub(super) fn check_field(place: &Place<'_>, name: &str, fields: &[Field], notes: &mut Notes) {
    let here = fields
        .iter()
        .find(|field| field.name.trim_end_matches("[]") == name);
    match here.map(|field| field.here) {
        Some(Here::Played) => {}
        Some(Here::Only(values)) => only_these(place, values, notes),
        Some(Here::WithoutEffect(reason)) => {
            let text = format!("{}, {reason}", place.shown());
            notes.without_effect.push((text, place.origin()));
        }
        Some(Here::Refused(help)) => notes
            .problems
            .push(place.problem("not played here").help(help)),
        Some(Here::Object(fields)) => check(place, fields, notes),
        Some(Here::Shared(table)) => check(place, table.fields, notes),
        None if typed::has_refused(place, &notes.problems) => {}
        None => notes.problems.push(place.problem("not played here").help(
            "leave it away; the book's chapter on Kubernetes lists the fields that are played",
        )),
    }
}

fn only_these(place: &Place<'_>, values: &[&str], notes: &mut Notes) {
    if let Some(Value::List(items)) = place.node().map(|node| &node.value) {
        for index in 0..items.len() {
            only_these(&place.item(index), values, notes);
        }
        return;
    }
    let text = place.node().and_then(|node| node.text()).unwrap_or("");
    if !values.contains(&text) {
        let problem: Diagnostic = place.problem(format!("`{text}` is not played here"));
        let help = format!("{} is", values.join(", "));
        notes.problems.push(problem.help(help));
    }
}

/// What is done with every field of every kind, in Markdown, as the book's chapter on Kubernetes
/// shows it.
pub fn supported() -> String {
    let mut text = String::new();
    for kind in KINDS {
        text.push_str(&format!("### {} (`{}`)\n\n", kind.name, kind.api));
        text.push_str(&format!("{}\n\n", kind.about));
        rows(kind.fields, &mut text);
    }
    for table in pod::TABLES {
        text.push_str(&format!("### {}\n\n", table.name));
        rows(table.fields, &mut text);
    }
    text.push_str("### Refused kinds\n\n| kind | instead |\n|---|---|\n");
    for (kind, help) in REFUSED {
        text.push_str(&format!("| `{kind}` | {help} |\n"));
    }
    text
}

fn rows(fields: &[Field], text: &mut String) {
    let mut lines = Vec::new();
    flatten("", fields, &mut lines);
    text.push_str("| field | here |\n|---|---|\n");
    for (path, here) in lines {
        text.push_str(&format!("| `{path}` | {here} |\n"));
    }
    text.push('\n');
}

/// Every path of a table, and what is done there.
fn flatten(prefix: &str, fields: &[Field], lines: &mut Vec<(String, String)>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        let here = match field.here {
            Here::Played => "played".to_owned(),
            Here::Only(values) => format!("only `{}`", values.join("`, `")),
            Here::WithoutEffect(reason) => format!("without effect, {reason}"),
            Here::Refused(help) => format!("refused: {help}"),
            Here::Shared(table) => format!("see {}", table.name),
            Here::Object(fields) => {
                flatten(&format!("{path}."), fields, lines);
                continue;
            }
        };
        lines.push((path, here));
    }
}

#[cfg(test)]
mod tests;
