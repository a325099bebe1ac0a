//! `load`: how the pace of clients changes, for a phase or in a step.

use super::client::{Client, Pace, closed};
use super::{Act, Phase};
use crate::units;
use crate::yaml::{self, Expect, Node, Problems, Value};

/// A change of a client's pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Sends nothing.
    Off,
    /// As the client declares.
    On,
    /// With this pace.
    Pace(Pace),
}

/// The paces of all clients as the story goes on, phase by phase.
pub(crate) struct Paces<'a> {
    clients: &'a [Client],
    /// The pace of each client at present; `None` while it is off.
    pub(crate) now: Vec<Option<Pace>>,
}

impl<'a> Paces<'a> {
    /// As the clients declare.
    pub(crate) fn new(clients: &'a [Client]) -> Self {
        Self {
            clients,
            now: clients.iter().map(|client| Some(client.pace)).collect(),
        }
    }

    /// A phase begins.
    pub(crate) fn enter(&mut self, phase: &Phase) {
        self.change(&phase.load);
    }

    /// Its steps are done.
    pub(crate) fn leave(&mut self, phase: &Phase) {
        let mut steps: Vec<_> = phase.steps.iter().collect();
        steps.sort_by_key(|step| step.at);
        for step in steps {
            if let Act::Load(changes) = &step.act {
                self.change(changes);
            }
        }
    }

    fn change(&mut self, changes: &[(String, Load)]) {
        for (name, load) in changes {
            let mut clients = self.clients.iter().zip(&mut self.now);
            if let Some((client, pace)) = clients.find(|(client, _)| client.name.value == *name) {
                *pace = load.pace(client.pace);
            }
        }
    }
}

impl Load {
    /// The pace that it comes to; `None` when nothing is sent.
    pub(crate) fn pace(self, declared: Pace) -> Option<Pace> {
        match self {
            Self::Off => None,
            Self::On => Some(declared),
            Self::Pace(pace) => Some(pace),
        }
    }
}

/// `load`: `off`, `on`, a rate or a pause, for all clients or by their names.
pub(super) fn read(
    node: &Node,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<(String, Load)> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .filter_map(|(key, node)| {
                if !clients.iter().any(|client| client.name.value == key.text) {
                    let names: Vec<&str> = clients.iter().map(|c| c.name.value.as_str()).collect();
                    let help = yaml::suggestion(&key.text, &names);
                    problems.add(key.line, format!("no client `{}`", key.text), help);
                    return None;
                }
                Some((key.text.clone(), read_one(node, problems)?))
            })
            .collect(),
        _ => match read_one(node, problems) {
            Some(load) => clients
                .iter()
                .map(|c| (c.name.value.clone(), load))
                .collect(),
            None => Vec::new(),
        },
    }
}

fn read_one(node: &Node, problems: &mut Problems) -> Option<Load> {
    let text = node.expect_text("load", problems)?;
    match text {
        "off" | "false" | "no" => return Some(Load::Off),
        "on" | "true" | "yes" => return Some(Load::On),
        _ => {}
    }
    let pace = if text.contains('/') {
        let period = problems.quantity(node.line, units::rate(text))?;
        Some(Pace::Open { period })
    } else {
        match units::duration(text) {
            Ok(pause) => closed(pause, node.line, problems),
            Err(_) => {
                problems.add(
                    node.line,
                    format!("`{text}` is no load"),
                    "write `off`, `on`, a rate such as 100/s, or a pause such as 500ms",
                );
                None
            }
        }
    };
    pace.map(Load::Pace)
}
