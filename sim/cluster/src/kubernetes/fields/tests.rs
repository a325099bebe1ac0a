//! The table has no field that the API does not have.

use std::sync::Arc;

use super::{Field, Here, KINDS};
use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects;
use crate::yaml::{Key, Node, Value};

/// Every path of a table, step by step.
fn paths(fields: &[Field], before: &[&'static str], all: &mut Vec<Vec<&'static str>>) {
    for field in fields {
        let path = [before, &[field.name]].concat();
        match field.here {
            Here::Object(inner) => paths(inner, &path, all),
            Here::Shared(table) => paths(table.fields, &path, all),
            _ => all.push(path),
        }
    }
}

fn node(value: Value) -> Node {
    Node { line: 1, value }
}

fn entry(name: &str, inner: Node) -> Node {
    let key = Key {
        line: 1,
        text: name.to_owned(),
    };
    node(Value::Map(vec![(key, inner)]))
}

/// An object that has nothing but this field.
fn with(path: &[&str]) -> Node {
    let nothing = node(Value::Null);
    path.iter()
        .rev()
        .fold(nothing, |inner, step| match step.strip_suffix("[]") {
            Some(name) => entry(name, node(Value::List(vec![inner]))),
            None => entry(step, inner),
        })
}

#[test]
fn every_field_of_the_table_is_one_of_the_api() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for kind in KINDS {
        let mut all = Vec::new();
        paths(kind.fields, &[], &mut all);
        for path in all {
            count += 1;
            let file: Arc<str> = "table".into();
            let mut notes = Notes::default();
            objects::typed(kind.name, &with(&path), &file, kind.name, &mut notes);
            let complaints = notes.problems.iter().map(ToString::to_string);
            // Nothing is no good value for some: what counts is that the field is there.
            wrong.extend(complaints.filter(|text| !text.contains("unit value")));
        }
    }
    assert!(count > 800, "the table is found: {count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
