//! `sequence`: what the requests of a phase look like, one after the other.

use std::fmt;

use super::{Quantity, comparison};
use crate::file::Located;
use crate::units::{Comparison, Kind};
use crate::yaml::{Expect, Fields, Node, Problems, Value};

/// Requests that follow each other and are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// How many.
    pub requests: Comparison,
    /// With one of these statuses or failures; with any, when empty.
    pub status: Vec<String>,
    /// Answered by one of these; by anybody, when empty.
    pub backend: Vec<Located<String>>,
    /// With one of these behind it.
    pub database: Vec<Located<String>>,
    /// Each took so long.
    pub stall: Option<Comparison>,
}

impl fmt::Display for Run {
    /// `6 with database pg1 and stall < 1s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[Located<String>]| {
            let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
            names.join(" or ")
        };
        let mut with = Vec::new();
        let lists = [
            ("status", self.status.join(" or ")),
            ("backend", names(&self.backend)),
            ("database", names(&self.database)),
        ];
        for (key, list) in lists {
            if !list.is_empty() {
                with.push(format!("{key} {list}"));
            }
        }
        with.extend(self.stall.iter().map(|stall| format!("stall {stall}")));
        let what = match with.is_empty() {
            true => "of any kind".to_owned(),
            false => format!("with {}", with.join(" and ")),
        };
        write!(f, "{} {what}", self.requests)
    }
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Quantity> {
    let items = node.expect_list("sequence", problems);
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        let help = "write for example `sequence: [{requests: 6, database: pg1}]`";
        problems.add(node.line, "the sequence is empty", help);
    }
    let runs: Vec<Run> = items.iter().filter_map(|one| run(one, problems)).collect();
    (!runs.is_empty()).then_some(Quantity::Sequence(runs))
}

fn run(node: &Node, problems: &mut Problems) -> Option<Run> {
    let mut fields = node.fields("an item of a sequence", problems)?;
    let requests = fields
        .require("requests", "say how many: `requests: '>= 3'`", problems)
        .and_then(|node| comparison(node, "requests", Kind::Count, problems));
    let status = texts(&mut fields, "status", problems);
    let backend = texts(&mut fields, "backend", problems);
    let database = texts(&mut fields, "database", problems);
    let stall = fields
        .take("stall")
        .and_then(|node| comparison(node, "stall", Kind::Time, problems));
    fields.finish(problems);
    Some(Run {
        requests: requests?,
        status: status.into_iter().map(|status| status.value).collect(),
        backend,
        database,
        stall,
    })
}

fn texts(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<Located<String>> {
    let texts = fields
        .take(key)
        .map(|node| node.expect_texts(key, problems));
    let texts = texts.unwrap_or_default().into_iter();
    texts.map(|(line, value)| Located { line, value }).collect()
}
