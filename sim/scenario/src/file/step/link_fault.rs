//! The short forms of what is wrong with links.

use squall_fault::LinkFault;

use super::Act;
use super::links::{around, read_alone, read_ends};
use crate::file::link;
use crate::yaml::{Expect, Fields, Node, Problems, Value};

/// `loss`, `latency` and the like: the fields of the fault, and those of its links.
pub(super) fn read(name: &'static str, node: &Node, problems: &mut Problems) -> Option<Act> {
    if name == "partition" {
        return read_alone(node, name, problems).map(|links| Act::Link(links, LinkFault::Cut));
    }
    if !matches!(node.value, Value::Map(_)) {
        let (what, example) = match name {
            "latency" => ("how long", "latency: {delay: 100ms, towards: NAME}"),
            "rate" | "bandwidth" => ("how much passes", "rate: {rate: 10mbit, of: NAME}"),
            "loss" => ("how much", "loss: {percent: 25%, towards: NAME}"),
            _ => ("how much", "duplicate: {percent: 1%, towards: NAME}"),
        };
        problems.add(
            node.line,
            format!("`{name}` does not say {what}"),
            format!("write `{example}`"),
        );
        return None;
    }
    let mut fields = node.fields(name, problems)?;
    let links = read_ends(&mut fields, name, problems);
    // The rest is read even without links, so that all mistakes are found at once.
    let fault = read_fault(name, &mut fields, problems);
    fields.finish(problems);
    Some(Act::Link(
        links.unwrap_or_else(|| around(Vec::new())),
        fault?,
    ))
}

fn read_fault(name: &str, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<LinkFault> {
    match name {
        "loss" => link::read_loss(fields, problems).map(LinkFault::Loss),
        "latency" => link::read_delay(fields, problems).map(LinkFault::Latency),
        "duplicate" => link::read_chance(fields, problems).map(LinkFault::Duplicate),
        "corrupt" => link::read_chance(fields, problems).map(LinkFault::Corrupt),
        "reorder" => link::read_reorder(fields, problems).map(LinkFault::Reorder),
        _ => link::read_rate(fields, problems).map(LinkFault::Rate),
    }
}
