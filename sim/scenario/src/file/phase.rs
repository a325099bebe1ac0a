//! `phases`: the acts of the story, each with its length, its steps and what is expected of it.

use std::time::Duration;

use super::Located;
use super::client::Client;
use super::expect::{self, Expectation};
use super::explore::{self, Budget};
use super::length::{self, Length};
use super::load::{self, Load};
use super::step::{self, Step};
use crate::yaml::{Expect, Node, Problems};

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What reports call it.
    pub name: Located<String>,
    /// How long it lasts.
    pub length: Length,
    /// Changes of the clients' pace from its start on; they stay until the next change.
    pub load: Vec<(String, Load)>,
    /// In the order of the file.
    pub steps: Vec<Step>,
    /// Faults that an exploring run draws from its seed, beside the steps.
    pub explore: Option<Budget>,
    /// What is expected of the requests that are sent in it.
    pub expect: Vec<Expectation>,
}

/// The most phases of one scenario.
const PHASES_MAX: usize = 1000;

pub(super) fn read_all(node: &Node, clients: &[Client], problems: &mut Problems) -> Vec<Phase> {
    let nodes = node.expect_list("phases", problems);
    if nodes.len() > PHASES_MAX {
        problems.add(
            node.line,
            format!("more than {PHASES_MAX} phases"),
            "split the scenario",
        );
        return Vec::new();
    }
    let phases: Vec<Phase> = nodes
        .iter()
        .filter_map(|node| read(node, clients, problems))
        .collect();
    if nodes.is_empty() {
        problems.add(
            node.line,
            "a story has at least one phase",
            "write `- phase: NAME`",
        );
    }
    // A fault that is undone after the end would never be undone: the story is over.
    let lengths = length::at_most(clients, &phases);
    let total: Duration = lengths.iter().sum();
    let mut start = Duration::ZERO;
    for (phase, lasts) in phases.iter().zip(lengths) {
        for step in &phase.steps {
            if let Some(lasts) = step.lasts
                && start + step.at + lasts > total
            {
                problems.add(
                    step.line,
                    format!(
                        "this lasts {lasts:?}, which is beyond the end of the story at {total:?}"
                    ),
                    "shorten it, or let the last phase last longer",
                );
            }
        }
        start += lasts;
    }
    length::check(clients, &phases, problems);
    phases
}

fn read(node: &Node, clients: &[Client], problems: &mut Problems) -> Option<Phase> {
    let mut fields = node.fields("a phase", problems)?;
    let name = fields
        .require(
            "phase",
            "reports call it by its name: `phase: one database is gone`",
            problems,
        )
        .and_then(|node| {
            let value = node.expect_text("phase", problems)?.to_owned();
            Some(Located {
                line: node.line,
                value,
            })
        });
    let length = length::read(&mut fields, problems);
    let load = fields
        .take("load")
        .map(|node| load::read(node, clients, problems))
        .unwrap_or_default();
    let steps = fields
        .take("steps")
        .map(|node| step::read_all(node, length.as_ref(), clients, problems))
        .unwrap_or_default();
    let explore = fields.take("explore").and_then(|node| {
        if length
            .as_ref()
            .is_some_and(|length| length.fixed().is_none())
        {
            let message = "faults are drawn for a phase that lasts for a known time";
            problems.add(node.line, message, "say `for: 20s`");
        }
        explore::read(node, problems)
    });
    let expect = fields
        .take("expect")
        .map(|node| expect::read_all(node, problems))
        .unwrap_or_default();
    fields.finish(problems);
    Some(Phase {
        name: name?,
        length: length?,
        load,
        steps,
        explore,
        expect,
    })
}
