//! `expect`: what must be true of the requests that are sent in a phase.

mod sequence;

use super::Located;
use crate::units::{Comparison, Kind};
use crate::yaml::{Expect, Node, Problems, Value};

pub use sequence::Run;

/// One expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Where the file has it.
    pub line: u32,
    /// Of what.
    pub of: Quantity,
}

/// What is expected of which quantity. Names of backends and databases may have `*` in them, and the
/// name of a workload stands for its pods.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
    /// The share of requests that were answered with 200 to 299.
    Success(Comparison),
    /// Every request was answered with one of these.
    OnlyStatus(Vec<u16>),
    /// The numbers that successful answers carry (`value` of the client), and no others; each success
    /// carries one.
    Values(Vec<i64>),
    /// The share of requests with this status or failure (`502`, `timeout`).
    StatusShare(String, Comparison),
    /// The share of successful answers that came from this one.
    Share(Served, Located<String>, Comparison),
    /// Successful answers came from each of these, and from nobody else.
    Only(Served, Vec<Located<String>>),
    /// The longest time from sending a request to its answer or failure.
    LongestStall(Comparison),
    /// The longest time without a successful answer, counting from the start and to the end of the
    /// phase.
    LongestOutage(Comparison),
    /// A percentile of the latency of answered requests, by its name in reports.
    Latency(&'static str, Comparison),
    /// How many requests were sent.
    Requests(Comparison),
    /// How many were not answered with 200 to 299.
    Failed(Comparison),
    /// From how many different ones successful answers came.
    Distinct(Served, Comparison),
    /// What the requests look like one after the other, in the order of sending.
    Sequence(Vec<Run>),
}

impl Quantity {
    /// Its name in reports, and in the `fails` of a scenario.
    pub fn name(&self) -> String {
        match self {
            Self::Success(_) => "success".to_owned(),
            Self::OnlyStatus(_) => "status".to_owned(),
            Self::Values(_) => "values".to_owned(),
            Self::StatusShare(status, _) => format!("status {status}"),
            Self::Share(served, name, _) => format!("{} {}", served.word(), name.value),
            Self::Only(served, _) => format!("{}s", served.word()),
            Self::LongestStall(_) => "longest stall".to_owned(),
            Self::LongestOutage(_) => "longest outage".to_owned(),
            Self::Latency(which, _) => format!("latency {which}"),
            Self::Requests(_) => "requests".to_owned(),
            Self::Failed(_) => "failed".to_owned(),
            Self::Distinct(served, _) => format!("distinct {}s", served.word()),
            Self::Sequence(_) => "sequence".to_owned(),
        }
    }
}

/// Whose share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Those that answered.
    Backend,
    /// Those behind them.
    Database,
}

impl Served {
    fn word(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Database => "database",
        }
    }
}

const PERCENTILES: [&str; 4] = ["p50", "p90", "p99", "max"];

pub(super) fn read_all(node: &Node, problems: &mut Problems) -> Vec<Expectation> {
    let mut found = Vec::new();
    let Some(mut fields) = node.fields("expect", problems) else {
        return found;
    };
    let mut add = |line, quantity: Option<Quantity>| {
        found.extend(quantity.map(|of| Expectation { line, of }));
    };
    type Make = fn(Comparison) -> Quantity;
    let simple: [(&'static str, Kind, Make); 5] = [
        ("success", Kind::Share, Quantity::Success),
        ("longest_stall", Kind::Time, Quantity::LongestStall),
        ("longest_outage", Kind::Time, Quantity::LongestOutage),
        ("requests", Kind::Count, Quantity::Requests),
        ("failed", Kind::Count, Quantity::Failed),
    ];
    for (key, kind, make) in simple {
        if let Some(node) = fields.take(key) {
            add(node.line, comparison(node, key, kind, problems).map(make));
        }
    }
    if let Some(node) = fields.take("status") {
        match &node.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    let share = comparison(node, &key.text, Kind::Share, problems);
                    let name = key.text.clone();
                    add(
                        key.line,
                        share.map(|share| Quantity::StatusShare(name, share)),
                    );
                }
            }
            _ => add(node.line, only_status(node, problems)),
        }
    }
    for (key, served) in [
        ("backends", Served::Backend),
        ("databases", Served::Database),
    ] {
        let entries = fields.take(key).map(|node| node.expect_map(key, problems));
        for (name, node) in entries.unwrap_or_default() {
            let share = comparison(node, &name.text, Kind::Share, problems);
            let line = name.line;
            let name = Located {
                line,
                value: name.text.clone(),
            };
            add(
                line,
                share.map(|share| Quantity::Share(served, name, share)),
            );
        }
    }
    for (key, served) in [
        ("only_backends", Served::Backend),
        ("only_databases", Served::Database),
    ] {
        if let Some(node) = fields.take(key) {
            let names = node.expect_texts(key, problems);
            let names = names
                .into_iter()
                .map(|(line, value)| Located { line, value });
            add(node.line, Some(Quantity::Only(served, names.collect())));
        }
    }
    for (key, served) in [
        ("distinct_backends", Served::Backend),
        ("distinct_databases", Served::Database),
    ] {
        if let Some(node) = fields.take(key) {
            let count = comparison(node, key, Kind::Count, problems);
            add(
                node.line,
                count.map(|count| Quantity::Distinct(served, count)),
            );
        }
    }
    if let Some(node) = fields.take("values") {
        add(node.line, values(node, problems));
    }
    if let Some(node) = fields.take("sequence") {
        add(node.line, sequence::read(node, problems));
    }
    if let Some(node) = fields.take("latency")
        && let Some(mut inner) = node.fields("latency", problems)
    {
        for key in PERCENTILES {
            if let Some(node) = inner.take(key) {
                let time = comparison(node, key, Kind::Time, problems);
                add(node.line, time.map(|time| Quantity::Latency(key, time)));
            }
        }
        inner.finish(problems);
    }
    fields.finish(problems);
    // In the order of the file, so that a report can be read beside it.
    found.sort_by_key(|expectation| expectation.line);
    found
}

fn comparison(node: &Node, what: &str, kind: Kind, problems: &mut Problems) -> Option<Comparison> {
    let text = node.expect_text(what, problems)?;
    problems.quantity(node.line, Comparison::read(text, kind))
}

fn values(node: &Node, problems: &mut Problems) -> Option<Quantity> {
    let mut values = Vec::new();
    for (line, text) in node.expect_texts("values", problems) {
        match text.parse() {
            Ok(value) => values.push(value),
            Err(_) => problems.add(
                line,
                format!("`{text}` is no whole number"),
                "write numbers such as [3]",
            ),
        }
    }
    (!values.is_empty()).then_some(Quantity::Values(values))
}

fn only_status(node: &Node, problems: &mut Problems) -> Option<Quantity> {
    let mut statuses = Vec::new();
    for (line, text) in node.expect_texts("status", problems) {
        match text.parse() {
            Ok(status @ 100..=599) => statuses.push(status),
            _ => problems.add(
                line,
                format!("`{text}` is no HTTP status"),
                "write numbers such as [200, 503]",
            ),
        }
    }
    (!statuses.is_empty()).then_some(Quantity::OnlyStatus(statuses))
}
