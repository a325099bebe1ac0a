//! `steps`: what is broken and mended, and when, counted from the start of the phase.
//!
//! A step is one key that says what happens, with `at` for when and, for what can be undone, `for`
//! for how long.
//!
//! | keys | module |
//! |---|---|
//! | processes, power, scale, heal, load | here |
//! | `of`, `from`, `towards`, `between` | `links` |
//! | `partition`, `latency`, `loss`, `duplicate`, `corrupt`, `reorder`, `rate` | `link_fault` |
//! | `stress`, `disk`, `clock`, `http`, `dns` | `machine_fault` |
//! | `chaos` | `chaos` |
//! | `delete_pod`, `rollout_restart`, `set_image`, `drain`, `uncordon` | `kubectl` |

mod chaos;
mod kubectl;
mod link_fault;
pub(super) mod links;
mod machine_fault;

use std::time::Duration;

use squall_fault::{Kind, LinkFault, MachineFault};

use super::client::Client;
use super::length::Length;
use super::load::{self, Load};
use super::{Located, duration};
use crate::world::Kubectl;
use crate::yaml::{self, Expect, Node, Problems, Value};

pub use chaos::{Applied, Source};
pub use links::Links;
pub use machine_fault::ERRORS;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where the file has it.
    pub line: u32,
    /// When, from the start of the phase.
    pub at: Duration,
    /// What happens.
    pub act: Act,
    /// After this long it is undone.
    pub lasts: Option<Duration>,
}

/// What happens in a step. Names are those of services or clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Something is done to the process of each of these services.
    Process(Process, Vec<Located<String>>),
    /// A service is given so many containers.
    Scale(Located<String>, u32),
    /// Commands of `kubectl`, one after the other; at least one. What they drain is uncordoned when
    /// the step is undone.
    Kubectl(Vec<Located<Kubectl>>),
    /// Something is wrong with these links.
    Link(Links, LinkFault),
    /// Something is wrong with the machines of these services.
    Machine(Vec<Located<String>>, MachineFault),
    /// Documents of Chaos Mesh or Istio are applied, and deleted when the step is undone.
    Chaos(Applied),
    /// What is wrong with links and machines ends.
    Heal(Healed),
    /// Open connections on these links are reset.
    Reset(Links),
    /// The machine of each of these services loses its power, or has it back.
    Power(Vec<Located<String>>, bool),
    /// Clients change their pace.
    Load(Vec<(String, Load)>),
}

/// What is done to a process, in Docker's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and SIGKILL after the grace period.
    Stop,
    /// Starts it again.
    Start,
    /// Stop and start.
    Restart,
    /// It does nothing; its kernel still answers.
    Pause,
    /// It goes on.
    Unpause,
}

/// What `heal` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healed {
    /// All that is wrong with links and machines, and pods that failed.
    All,
    /// What is of this kind.
    Kind(Kind),
}

impl Act {
    /// The names of containers, services and roles that it is done to.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = Vec::new();
        match self {
            Self::Process(_, of) | Self::Machine(of, _) | Self::Power(of, _) => {
                names.extend(of.iter().map(|name| name.value.as_str()));
            }
            Self::Link(links, _) | Self::Reset(links) => {
                let ends = links.from.iter().chain(&links.towards).flatten();
                names.extend(ends.map(|name| name.value.as_str()));
            }
            Self::Kubectl(commands) => {
                names.extend(commands.iter().filter_map(|command| match &command.value {
                    Kubectl::DeletePod(name) => Some(name.as_str()),
                    _ => None,
                }));
            }
            Self::Scale(..) | Self::Chaos(_) | Self::Heal(_) | Self::Load(_) => {}
        }
        names.into_iter()
    }

    /// The same, done to others: each of [`Act::names`] as `rename` has it. Ends with its first error.
    pub fn renamed(
        &self,
        rename: &mut impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut act = self.clone();
        let mut all = |names: &mut Vec<Located<String>>| -> Result<(), String> {
            for name in names {
                name.value = rename(&name.value)?;
            }
            Ok(())
        };
        match &mut act {
            Self::Process(_, of) | Self::Machine(of, _) | Self::Power(of, _) => all(of)?,
            Self::Link(links, _) | Self::Reset(links) => {
                for names in links.from.iter_mut().chain(&mut links.towards) {
                    all(names)?;
                }
            }
            Self::Kubectl(commands) => {
                for command in commands {
                    if let Kubectl::DeletePod(name) = &mut command.value {
                        *name = rename(name)?;
                    }
                }
            }
            Self::Scale(..) | Self::Chaos(_) | Self::Heal(_) | Self::Load(_) => {}
        }
        Ok(act)
    }

    /// Whether `for` makes sense with it.
    pub fn can_last(&self) -> bool {
        match self {
            Self::Link(..) | Self::Machine(..) | Self::Chaos(_) | Self::Power(_, false) => true,
            Self::Process(process, _) => {
                matches!(process, Process::Kill | Process::Stop | Process::Pause)
            }
            Self::Kubectl(commands) => commands
                .iter()
                .all(|command| matches!(command.value, Kubectl::Drain(_))),
            _ => false,
        }
    }
}

/// The keys of a step that say what happens.
const ACTS: [&str; 34] = [
    "kill",
    "stop",
    "start",
    "restart",
    "pause",
    "unpause",
    "scale",
    kubectl::KEYS[0],
    kubectl::KEYS[1],
    kubectl::KEYS[2],
    kubectl::KEYS[3],
    kubectl::KEYS[4],
    "partition",
    "isolate",
    "heal",
    "loss",
    "latency",
    "duplicate",
    "corrupt",
    "reorder",
    "rate",
    "bandwidth",
    "stress",
    "disk",
    "clock",
    "http",
    "dns",
    "chaos",
    "reset",
    "power_off",
    "power_on",
    "load",
    "stop_load",
    "resume_load",
];

pub(super) fn read_all(
    node: &Node,
    length: Option<&Length>,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<Step> {
    let nodes = node.expect_list("steps", problems);
    nodes
        .iter()
        .filter_map(|node| read(node, length, clients, problems))
        .collect()
}

fn read(
    node: &Node,
    length: Option<&Length>,
    clients: &[Client],
    problems: &mut Problems,
) -> Option<Step> {
    let mut fields = node.fields("a step", problems)?;
    let at = duration(&mut fields, "at", problems).unwrap_or_default();
    let lasts = duration(&mut fields, "for", problems);
    let known = match length {
        Some(Length::For(lasts)) => Some(*lasts),
        Some(Length::Rollout { within, .. }) => Some(*within),
        Some(Length::Requests(_)) | None => None,
    };
    if let Some(phase_lasts) = known
        && at >= phase_lasts
    {
        problems.add(
            fields.line,
            format!("this happens at {at:?}, and the phase lasts {phase_lasts:?}"),
            "move it to the phase in which it happens, or let this phase last longer",
        );
    }
    let line = fields.line;
    let mut acts = Vec::new();
    for name in ACTS {
        if let Some(node) = fields.take(name) {
            acts.push((name, node));
        }
    }
    let unknown_keys = fields.finish(problems);
    let (name, value) = match acts.as_slice() {
        [one] => *one,
        // An unknown key is the likely name of the act, and is reported as such already.
        [] if unknown_keys => return None,
        _ => {
            problems.add(
                line,
                format!(
                    "a step does one thing, and this one {}",
                    if acts.is_empty() { "none" } else { "several" }
                ),
                format!("write one of: {}", ACTS.join(", ")),
            );
            return None;
        }
    };
    let act = read_act(name, value, clients, problems)?;
    if lasts.is_some() && !act.can_last() {
        let message = format!("`{name}` is over at once, so `for` has no meaning");
        problems.add(line, message, "leave `for` out");
    }
    Some(Step {
        line,
        at,
        act,
        lasts,
    })
}

fn read_act(
    name: &'static str,
    node: &Node,
    clients: &[Client],
    problems: &mut Problems,
) -> Option<Act> {
    let process = |process, problems: &mut Problems| {
        Some(Act::Process(process, names(node, name, problems)?))
    };
    match name {
        "kill" => process(Process::Kill, problems),
        "stop" => process(Process::Stop, problems),
        "start" => process(Process::Start, problems),
        "restart" => process(Process::Restart, problems),
        "pause" => process(Process::Pause, problems),
        "unpause" => process(Process::Unpause, problems),
        "scale" => read_scale(node, problems),
        _ if kubectl::KEYS.contains(&name) => kubectl::read(name, node, problems),
        "partition" | "loss" | "latency" | "duplicate" | "corrupt" | "reorder" | "rate"
        | "bandwidth" => link_fault::read(name, node, problems),
        "isolate" => {
            let links = links::around(names(node, name, problems)?);
            Some(Act::Link(links, LinkFault::Cut))
        }
        "reset" => links::read_alone(node, "reset", problems).map(Act::Reset),
        "stress" | "disk" | "clock" | "http" | "dns" => machine_fault::read(name, node, problems),
        "chaos" => chaos::read(node, problems),
        "heal" => read_heal(node, problems),
        "power_off" => Some(Act::Power(names(node, name, problems)?, false)),
        "power_on" => Some(Act::Power(names(node, name, problems)?, true)),
        "stop_load" => Some(Act::Load(loads(node, Load::Off, clients, problems))),
        "resume_load" => Some(Act::Load(loads(node, Load::On, clients, problems))),
        _ => Some(Act::Load(load::read(node, clients, problems))),
    }
}

fn names(node: &Node, what: &str, problems: &mut Problems) -> Option<Vec<Located<String>>> {
    let names: Vec<Located<String>> = node
        .expect_texts(what, problems)
        .into_iter()
        .map(|(line, value)| Located { line, value })
        .collect();
    (!names.is_empty()).then_some(names)
}

fn read_heal(node: &Node, problems: &mut Problems) -> Option<Act> {
    if node.value == Value::Null {
        return Some(Act::Heal(Healed::All));
    }
    let text = node.expect_text("heal", problems)?;
    if text == "all" {
        return Some(Act::Heal(Healed::All));
    }
    let wanted = if text == "partitions" {
        "partition"
    } else {
        text
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == wanted);
    if kind.is_none() {
        let message = format!("`heal: {text}` heals nothing that can be broken");
        let known = Kind::ALL.map(Kind::name).join("`, `");
        problems.add(
            node.line,
            message,
            format!("write `heal: all`, or one of `{known}`"),
        );
    }
    kind.map(|kind| Act::Heal(Healed::Kind(kind)))
}

fn read_scale(node: &Node, problems: &mut Problems) -> Option<Act> {
    let [(key, count)] = node.expect_map("scale", problems) else {
        problems.add(
            node.line,
            "`scale` is about one service",
            "write `scale: {backend: 3}`",
        );
        return None;
    };
    let text = count.expect_text("scale", problems)?;
    let Ok(replicas) = text.parse() else {
        let message = format!("`{text}` is no number of containers");
        problems.add(count.line, message, "write `scale: {backend: 3}`");
        return None;
    };
    let value = key.text.clone();
    Some(Act::Scale(
        Located {
            line: key.line,
            value,
        },
        replicas,
    ))
}

/// `stop_load`, `resume_load`: all clients, or those that are named.
fn loads(
    node: &Node,
    load: Load,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<(String, Load)> {
    let all = || clients.iter().map(|client| client.name.value.clone());
    if node.value == Value::Null || node.text() == Some("all") {
        return all().map(|name| (name, load)).collect();
    }
    let mut loads = Vec::new();
    for (line, name) in node.expect_texts("load", problems) {
        if all().any(|client| client == name) {
            loads.push((name, load));
        } else {
            let known: Vec<String> = all().collect();
            problems.add(
                line,
                format!("no client `{name}`"),
                yaml::suggestion(&name, &known),
            );
        }
    }
    loads
}
