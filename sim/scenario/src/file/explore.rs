//! `explore` of a phase: the budget from which a seed draws faults for it.
//!
//! ```yaml
//! explore:
//!   faults: [kill, pause, {loss: 10%..50%}]   # default: every kind
//!   services: [backend*, postgres-slave*]     # whom they befall; default: every service
//!   at_once: 2                                # faults at the same time; default: 1
//!   last: 1s..10s                             # how long each; that is the default
//!   alive: {backend*: 1, postgres-slave*: 1}  # containers that nothing befalls, at any time
//!   rest: 5s                                  # nor has befallen for so long; that is the default
//! ```
//!
//! The phase is the safety phase: what it expects must hold under whatever the budget allows. All
//! is mended when it ends, so the phases after it can demand that the system is well. Drawing is
//! `squall_explore`'s; a run that does not explore plays the phase without these faults.

use std::time::Duration;

use super::{Located, duration_or};
use crate::units;
use crate::yaml::{self, Expect, Fields, Node, Problems, Value};

/// What may befall whom in a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Kinds of faults.
    pub faults: Vec<Kind>,
    /// Patterns of the services that they befall; empty for every service.
    pub services: Vec<Located<String>>,
    /// The most faults at the same time.
    pub at_once: u32,
    /// The shortest and the longest.
    pub last: (Duration, Duration),
    /// Patterns of services, and how many of their containers nothing befalls at any time.
    pub alive: Vec<(Located<String>, u32)>,
    /// For so long after a fault a container does not count as alive: it may still recover, and the
    /// others may not know yet that it has.
    pub rest: Duration,
}

/// A kind of fault, and between what its parameter is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// SIGKILL, and started again.
    Kill,
    /// SIGTERM, and started again.
    Stop,
    /// Its process stands still.
    Pause,
    /// Its machine has no power.
    PowerOff,
    /// Nobody reaches it and it reaches nobody.
    Isolate,
    /// It and one of those that it works with do not reach each other.
    Partition,
    /// Packets pass in one direction only.
    OneWay,
    /// A share of the packets towards it is lost.
    Loss(f64, f64),
    /// Packets towards it take longer.
    Latency(Duration, Duration),
    /// Its connections are reset, once.
    Reset,
}

/// Every kind, each with the parameters that it has unless said otherwise.
pub const KINDS: [Kind; 10] = [
    Kind::Kill,
    Kind::Stop,
    Kind::Pause,
    Kind::PowerOff,
    Kind::Isolate,
    Kind::Partition,
    Kind::OneWay,
    Kind::Loss(0.05, 0.5),
    Kind::Latency(Duration::from_millis(10), Duration::from_millis(500)),
    Kind::Reset,
];

/// How many faults at the same time, unless said otherwise.
pub(super) const AT_ONCE: u32 = 1;

/// The most that can be asked for.
const AT_ONCE_MAX: u32 = 100;

/// How long a fault lasts, unless said otherwise.
pub(super) const LAST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// How long a container recovers, unless said otherwise.
pub(super) const REST: Duration = Duration::from_secs(5);

impl Kind {
    /// As a scenario writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::PowerOff => "power_off",
            Self::Isolate => "isolate",
            Self::Partition => "partition",
            Self::OneWay => "one_way",
            Self::Loss(..) => "loss",
            Self::Latency(..) => "latency",
            Self::Reset => "reset",
        }
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.into_iter().any(|at| matches(rest, &left[at..]))
        }),
    }
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Budget> {
    let mut budget = Budget {
        faults: KINDS.to_vec(),
        services: Vec::new(),
        at_once: AT_ONCE,
        last: LAST,
        alive: Vec::new(),
        rest: REST,
    };
    if node.value == Value::Null {
        return Some(budget);
    }
    let mut fields = node.fields("explore", problems)?;
    if let Some(node) = fields.take("faults") {
        budget.faults = read_kinds(node, problems);
    }
    if let Some(node) = fields.take("services") {
        let services = node.expect_texts("services", problems).into_iter();
        budget.services = services
            .map(|(line, value)| Located { line, value })
            .collect();
    }
    if let Some(at_once) = read_count(&mut fields, problems) {
        budget.at_once = at_once;
    }
    if let Some(node) = fields.take("last")
        && let Some(last) = range(node, "last", units::duration, problems)
    {
        if last.0.is_zero() {
            let message = "a fault that lasts no time is none";
            problems.add(node.line, message, "write for example `last: 1s..10s`");
        }
        budget.last = last;
    }
    let alive = fields
        .take("alive")
        .map(|node| node.expect_map("alive", problems));
    for (key, node) in alive.unwrap_or_default() {
        let text = node.expect_text(&key.text, problems).unwrap_or_default();
        match text.parse() {
            Ok(count) => {
                let (line, value) = (key.line, key.text.clone());
                budget.alive.push((Located { line, value }, count));
            }
            Err(_) => problems.add(
                node.line,
                format!("`{text}` is no number of containers"),
                "write `alive: {backend*: 1}`: at any time nothing befalls one of them",
            ),
        }
    }
    budget.rest = duration_or(&mut fields, "rest", REST, problems);
    fields.finish(problems);
    Some(budget)
}

fn read_count(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u32> {
    let node = fields.take("at_once")?;
    let text = node.expect_text("at_once", problems)?;
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=AT_ONCE_MAX).contains(count));
    if count.is_none() {
        let help = format!("write a number from 1 to {AT_ONCE_MAX}");
        let message = format!("`{text}` is no number of faults at once");
        problems.add(node.line, message, help);
    }
    count
}

fn read_kinds(node: &Node, problems: &mut Problems) -> Vec<Kind> {
    let nodes = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let kinds: Vec<Kind> = nodes
        .iter()
        .filter_map(|node| read_kind(node, problems))
        .collect();
    if nodes.is_empty() {
        let help = "leave `explore` out if there are to be none";
        problems.add(node.line, "no kind of fault to draw from", help);
    }
    kinds
}

/// A name, or a name with the range of its parameter.
fn read_kind(node: &Node, problems: &mut Problems) -> Option<Kind> {
    let (name, parameter) = match &node.value {
        Value::Map(entries) if entries.len() == 1 => {
            (entries[0].0.text.as_str(), Some(&entries[0].1))
        }
        _ => (node.expect_text("a kind of fault", problems)?, None),
    };
    let Some(kind) = KINDS.into_iter().find(|kind| kind.name() == name) else {
        let known = KINDS.map(Kind::name);
        let message = format!("no kind of fault `{name}` to draw from");
        problems.add(node.line, message, yaml::suggestion(name, &known));
        return None;
    };
    let Some(parameter) = parameter else {
        return Some(kind);
    };
    match kind {
        Kind::Loss(..) => {
            range(parameter, name, units::percent, problems).map(|(a, b)| Kind::Loss(a, b))
        }
        Kind::Latency(..) => {
            range(parameter, name, units::duration, problems).map(|(a, b)| Kind::Latency(a, b))
        }
        _ => {
            let message = format!("`{name}` has no parameter to draw");
            problems.add(parameter.line, message, format!("write `{name}` alone"));
            None
        }
    }
}

/// `LOW..HIGH`, or one value for both.
fn range<T: PartialOrd + Copy>(
    node: &Node,
    what: &str,
    read: impl Fn(&str) -> Result<T, units::BadQuantity>,
    problems: &mut Problems,
) -> Option<(T, T)> {
    let text = node.expect_text(what, problems)?;
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let low = problems.quantity(node.line, read(low))?;
    let high = problems.quantity(node.line, read(high))?;
    if low > high {
        let message = format!("`{text}` is empty: it ends before it begins");
        problems.add(node.line, message, "write the smaller one first");
        return None;
    }
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in [
            ("backend", "backend"),
            ("backend*", "backend"),
            ("backend*", "backend2"),
            ("*", ""),
            ("*-slave*", "postgres-slave1"),
            ("a*b*c", "aXbYbc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("backend", "backend2"), ("b*d", "backend2"), ("", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
