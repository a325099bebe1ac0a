//! `steps`: what is broken and mended, and when, counted from the start of the phase.
//!
//! A step is one key that says what happens, with `at` for when and, for what can be undone, `for`
//! for how long.

use std::time::Duration;

use super::client::Client;
use super::load::{self, Load};
use super::{Located, duration};
use crate::units;
use crate::yaml::{self, Expect, Fields, Node, Problems, Value};

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
    /// Nothing passes on these links: silence, not an error.
    Partition(Links),
    /// This fraction of the packets on these links is lost.
    Loss(Links, f64),
    /// Packets on these links take this long, and up to the second time longer.
    Latency(Links, Duration, Duration),
    /// Links are as they were at the start.
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

/// Links between machines, by direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Who sends; `None` for everybody.
    pub from: Option<Vec<Located<String>>>,
    /// Who receives; `None` for everybody.
    pub towards: Option<Vec<Located<String>>>,
    /// The other direction as well.
    pub both_ways: bool,
}

/// What `heal` undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healed {
    /// All of it.
    All,
    /// Partitions alone.
    Partitions,
    /// Loss alone.
    Loss,
    /// Latency alone.
    Latency,
}

impl Act {
    /// Whether `for` makes sense with it.
    pub fn can_last(&self) -> bool {
        match self {
            Self::Partition(_) | Self::Loss(..) | Self::Latency(..) | Self::Power(_, false) => true,
            Self::Process(process, _) => {
                matches!(process, Process::Kill | Process::Stop | Process::Pause)
            }
            _ => false,
        }
    }
}

/// The keys of a step that say what happens.
const ACTS: [&str; 18] = [
    "kill",
    "stop",
    "start",
    "restart",
    "pause",
    "unpause",
    "scale",
    "partition",
    "isolate",
    "heal",
    "loss",
    "latency",
    "reset",
    "power_off",
    "power_on",
    "load",
    "stop_load",
    "resume_load",
];

pub(super) fn read_all(
    node: &Node,
    phase_lasts: Option<Duration>,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<Step> {
    let nodes = node.expect_list("steps", problems);
    nodes
        .iter()
        .filter_map(|node| read(node, phase_lasts, clients, problems))
        .collect()
}

fn read(
    node: &Node,
    phase_lasts: Option<Duration>,
    clients: &[Client],
    problems: &mut Problems,
) -> Option<Step> {
    let mut fields = node.fields("a step", problems)?;
    let at = duration(&mut fields, "at", problems).unwrap_or_default();
    let lasts = duration(&mut fields, "for", problems);
    if let Some(phase_lasts) = phase_lasts
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

fn read_act(name: &str, node: &Node, clients: &[Client], problems: &mut Problems) -> Option<Act> {
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
        "partition" => {
            read_links(node, "partition", problems).map(|(links, _)| Act::Partition(links))
        }
        "isolate" => Some(Act::Partition(around(names(node, name, problems)?))),
        "reset" => read_links(node, "reset", problems).map(|(links, _)| Act::Reset(links)),
        "loss" => read_loss(node, problems),
        "latency" => read_latency(node, problems),
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

/// All links of these, in both directions.
fn around(names: Vec<Located<String>>) -> Links {
    Links {
        from: None,
        towards: Some(names),
        both_ways: true,
    }
}

/// The links that a fault is on, and the fields of the fault that are left.
fn read_links<'a>(
    node: &'a Node,
    what: &'static str,
    problems: &mut Problems,
) -> Option<(Links, Option<Fields<'a>>)> {
    if !matches!(node.value, Value::Map(_)) {
        return Some((around(names(node, what, problems)?), None));
    }
    let mut fields = node.fields(what, problems)?;
    let links = read_ends(&mut fields, what, problems);
    if what == "partition" || what == "reset" {
        fields.finish(problems);
        return Some((links?, None));
    }
    // The rest is read even without links, so that all mistakes are found at once.
    let links = links.unwrap_or_else(|| around(Vec::new()));
    Some((links, Some(fields)))
}

fn read_ends(fields: &mut Fields<'_>, what: &str, problems: &mut Problems) -> Option<Links> {
    let mut end = |key| {
        let node = fields.take(key)?;
        Some(names(node, key, problems))
    };
    let (of, from, towards) = (end("of"), end("from"), end("towards"));
    let (between, and) = (end("between"), end("and"));
    match (of, from, towards, between, and) {
        (Some(of), None, None, None, None) => Some(around(of?)),
        (None, None, None, Some(between), Some(and)) => Some(Links {
            from: Some(between?),
            towards: Some(and?),
            both_ways: true,
        }),
        (None, from, towards, None, None) if from.is_some() || towards.is_some() => Some(Links {
            from: unless_bad(from)?,
            towards: unless_bad(towards)?,
            both_ways: false,
        }),
        _ => {
            problems.add(
                fields.line,
                format!("`{what}` does not say on which links"),
                "write `of: A`, `towards: A`, `from: A`, or `between: A` with `and: B`",
            );
            None
        }
    }
}

/// Absent is good; present and unreadable is not.
fn unless_bad<T>(end: Option<Option<T>>) -> Option<Option<T>> {
    match end {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn read_loss(node: &Node, problems: &mut Problems) -> Option<Act> {
    let (links, fields) = read_links(node, "loss", problems)?;
    let Some(mut fields) = fields else {
        let help = "write `loss: {percent: 25%, towards: NAME}`";
        problems.add(node.line, "`loss` does not say how much", help);
        return None;
    };
    let percent = fields.require("percent", "say how much: `percent: 25%`", problems);
    fields.finish(problems);
    let percent = percent?;
    let text = percent.expect_text("percent", problems)?;
    Some(Act::Loss(
        links,
        problems.quantity(percent.line, units::percent(text))?,
    ))
}

fn read_latency(node: &Node, problems: &mut Problems) -> Option<Act> {
    let (links, fields) = read_links(node, "latency", problems)?;
    let Some(mut fields) = fields else {
        let help = "write `latency: {delay: 100ms, towards: NAME}`";
        problems.add(node.line, "`latency` does not say how long", help);
        return None;
    };
    let line = fields.line;
    let delay = duration(&mut fields, "delay", problems);
    let jitter = duration(&mut fields, "jitter", problems).unwrap_or_default();
    fields.finish(problems);
    if delay.is_none() {
        problems.add(
            line,
            "`latency` has no `delay`",
            "say how long: `delay: 100ms`",
        );
    }
    Some(Act::Latency(links, delay?, jitter))
}

fn read_heal(node: &Node, problems: &mut Problems) -> Option<Act> {
    if node.value == Value::Null {
        return Some(Act::Heal(Healed::All));
    }
    Some(Act::Heal(match node.expect_text("heal", problems)? {
        "all" => Healed::All,
        "partition" | "partitions" => Healed::Partitions,
        "loss" => Healed::Loss,
        "latency" => Healed::Latency,
        other => {
            let message = format!("`heal: {other}` heals nothing that can be broken");
            problems.add(
                node.line,
                message,
                "write `heal: all`, `partitions`, `loss` or `latency`",
            );
            return None;
        }
    }))
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
