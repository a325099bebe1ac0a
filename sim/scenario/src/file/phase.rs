//! `phases`: the acts of the story, each with its length, its steps and what is expected of it.

use std::time::Duration;

use super::client::Client;
use super::expect::{self, Expectation};
use super::explore::{self, Budget};
use super::load::{self, Load};
use super::step::{self, Step};
use super::{Located, duration_of};
use crate::yaml::{Expect, Node, Problems};

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What reports call it.
    pub name: Located<String>,
    /// How long it lasts.
    pub lasts: Duration,
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

/// The longest phase.
const LASTS_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

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
    let total: Duration = phases.iter().map(|phase| phase.lasts).sum();
    let mut start = Duration::ZERO;
    for phase in &phases {
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
        start += phase.lasts;
    }
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
    let line = fields.line;
    let lasts = fields
        .require("for", "say how long it lasts: `for: 20s`", problems)
        .and_then(|node| duration_of(node, "for", problems));
    if lasts.is_some_and(|lasts| lasts.is_zero() || lasts > LASTS_MAX) {
        let help = "write for example `for: 20s`";
        problems.add(
            line,
            "a phase lasts longer than nothing and at most 30 days",
            help,
        );
    }
    let load = fields
        .take("load")
        .map(|node| load::read(node, clients, problems))
        .unwrap_or_default();
    let steps = fields
        .take("steps")
        .map(|node| step::read_all(node, lasts, clients, problems))
        .unwrap_or_default();
    let explore = fields
        .take("explore")
        .and_then(|node| explore::read(node, problems));
    let expect = fields
        .take("expect")
        .map(|node| expect::read_all(node, problems))
        .unwrap_or_default();
    fields.finish(problems);
    Some(Phase {
        name: name?,
        lasts: lasts?,
        load,
        steps,
        explore,
        expect,
    })
}
