//! Whom a fault befalls: Chaos Mesh's selectors and modes, over members of any system.
//!
//! A [`Member`] is a pod; on a Compose system a container stands for one. What there is to select
//! from is the caller's business, and so is chance: [`Mode::choose`] is handed its draws.

use std::collections::BTreeMap;

use crate::quantity::Typed;
use crate::yaml::{Expect, Fields, Located, Node, Problems, Value};

/// A pod, or what stands for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Names that its only container has.
    pub containers: Vec<String>,
    /// The namespaces that it is in; a Compose system's may be called by two names.
    pub namespaces: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its phase, in Kubernetes' words; see [`PHASES`].
    pub phase: &'static str,
}

/// The phases of a pod (kubernetes.io, "Pod Lifecycle").
pub const PHASES: [&str; 5] = ["Pending", "Running", "Succeeded", "Failed", "Unknown"];

/// Whom a fault befalls.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// Pods that are selected.
    Selected(Selection),
    /// These services, or these addresses outside the cluster.
    Named(Vec<Located<String>>),
}

/// A selector, and how many of those that it selects.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Who may be concerned.
    pub selector: Selector,
    /// How many of them are.
    pub mode: Mode,
    /// `containerNames`: the container that is meant, where a pod has only one.
    pub containers: Vec<Located<String>>,
}

/// Who may be concerned; all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Where the file has it.
    pub line: u32,
    /// In one of these; empty for anywhere.
    pub namespaces: Vec<Located<String>>,
    /// With all of these.
    pub labels: Vec<(String, String)>,
    /// Meeting all of these.
    pub expressions: Vec<Expression>,
    /// By namespace and name; then nothing else is said.
    pub pods: Vec<(Located<String>, Vec<Located<String>>)>,
    /// In one of these phases; empty for any.
    pub phases: Vec<&'static str>,
}

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The label.
    pub key: String,
    /// What must hold.
    pub operator: Operator,
    /// The values that the operator compares with.
    pub values: Vec<String>,
}

/// What must hold of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// It is there with one of the values.
    In,
    /// It is not there with one of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// How many of those that are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One, by chance.
    One,
    /// All.
    All,
    /// So many, by chance; all when there are fewer.
    Fixed(u64),
    /// This percentage, rounded up, by chance.
    FixedPercent(u64),
    /// A percentage up to this, by chance, rounded up; it may be nobody.
    RandomMaxPercent(u64),
}

impl Selector {
    /// Whether it selects a member.
    pub fn matches(&self, member: &Member) -> bool {
        let is_in = |namespace: &Located<String>| member.namespaces.contains(&namespace.value);
        if !self.pods.is_empty() {
            return self.pods.iter().any(|(namespace, names)| {
                is_in(namespace) && names.iter().any(|name| name.value == member.name)
            });
        }
        let has = |(key, value): &(String, String)| member.labels.get(key) == Some(value);
        (self.namespaces.is_empty() || self.namespaces.iter().any(is_in))
            && self.labels.iter().all(has)
            && self.expressions.iter().all(|one| one.holds(&member.labels))
            && (self.phases.is_empty() || self.phases.contains(&member.phase))
    }
}

impl Expression {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let is_one = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => is_one,
            Operator::NotIn => !is_one,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl Mode {
    /// Chooses among `count` members: their places, in order. `draw(n)` is a number below `n`.
    /// The arithmetic is that of Chaos Mesh (pkg/selector/generic/mode.go), whose own draws cannot
    /// be repeated.
    pub fn choose(self, count: usize, draw: &mut dyn FnMut(u64) -> u64) -> Vec<usize> {
        let all = count as u64;
        let many = match self {
            Self::All => all,
            Self::One => 1,
            Self::Fixed(many) => many,
            Self::FixedPercent(percent) => (all * percent).div_ceil(100),
            Self::RandomMaxPercent(percent) => (all * draw(percent + 1)).div_ceil(100),
        }
        .min(all);
        let mut left: Vec<usize> = (0..count).collect();
        if many < all {
            // The first steps of a shuffle.
            for at in 0..many as usize {
                let other = at + draw((count - at) as u64) as usize;
                left.swap(at, other);
            }
            left.truncate(many as usize);
            left.sort_unstable();
        }
        left
    }
}

/// Reads `selector`, `mode` and `value`, and with them `containerNames` where a kind has it.
pub(crate) fn read(
    fields: &mut Fields<'_>,
    namespace: Option<&Located<String>>,
    container_names: bool,
    problems: &mut Problems,
) -> Option<Selection> {
    let mode = read_mode(fields, problems);
    let containers = match container_names {
        true => texts(fields.take("containerNames"), "containerNames", problems),
        false => Vec::new(),
    };
    let selector = fields
        .require(
            "selector",
            "say whom it befalls: `selector: {namespaces: [default], labelSelectors: {app: NAME}}`",
            problems,
        )
        .and_then(|node| read_selector(node, namespace, problems));
    Some(Selection {
        selector: selector?,
        mode: mode?,
        containers,
    })
}

fn read_mode(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Mode> {
    const MODES: [&str; 5] = ["one", "all", "fixed", "fixed-percent", "random-max-percent"];
    let value = fields.take("value");
    let node = fields.require("mode", "say how many: `mode: all` or `mode: one`", problems)?;
    let word = node.word("mode", &MODES, problems)?;
    let Some(value) = value else {
        match word {
            "one" => return Some(Mode::One),
            "all" => return Some(Mode::All),
            _ => {
                let message = format!("`mode: {word}` has no `value`");
                problems.add(node.line, message, "say how many: `value: '50'`");
                return None;
            }
        }
    };
    if word == "one" || word == "all" {
        let message = format!("`value` means nothing with `mode: {word}`");
        problems.add(value.line, message, "leave it out, or write `mode: fixed`");
        return None;
    }
    let text = value.string("value", problems)?;
    let max = if word == "fixed" { 1_000_000 } else { 100 };
    let Some(number) = text.trim().parse().ok().filter(|n| (1..=max).contains(n)) else {
        let help = format!("write a whole number from 1 to {max}, in quotes");
        problems.add(value.line, format!("value is `{text}`"), help);
        return None;
    };
    Some(match word {
        "fixed" => Mode::Fixed(number),
        "fixed-percent" => Mode::FixedPercent(number),
        _ => Mode::RandomMaxPercent(number),
    })
}

fn read_selector(
    node: &Node,
    namespace: Option<&Located<String>>,
    problems: &mut Problems,
) -> Option<Selector> {
    if matches!(&node.value, Value::Map(entries) if entries.is_empty()) || node.value == Value::Null
    {
        problems.add(
            node.line,
            "the selector is empty",
            "say whom it befalls: `labelSelectors: {app: NAME}`, or `namespaces: [default]` for all",
        );
        return None;
    }
    let mut fields = node.fields("selector", problems)?;
    let mut namespaces = texts(fields.take("namespaces"), "namespaces", problems);
    if namespaces.is_empty() {
        namespaces.extend(namespace.cloned());
    }
    let labels = pairs(fields.take("labelSelectors"), "labelSelectors", problems);
    let expressions = fields.take("expressionSelectors").map(|node| {
        let nodes = node.expect_list("expressionSelectors", problems).iter();
        nodes
            .filter_map(|node| read_expression(node, problems))
            .collect()
    });
    let phases = fields.take("podPhaseSelectors").map(|node| {
        let nodes = node.expect_list("podPhaseSelectors", problems).iter();
        nodes
            .filter_map(|node| node.word("podPhaseSelectors", &PHASES, problems))
            .collect()
    });
    let pods_node = fields.take("pods");
    let pods = read_pods(pods_node, problems);
    let nowhere = "there are no nodes here, only machines with one pod each";
    for key in ["nodes", "nodeSelectors"] {
        fields.refuse(
            key,
            nowhere,
            "select by labels, namespace or name",
            problems,
        );
    }
    fields.refuse(
        "fieldSelectors",
        "members have no fields but their name, namespace and phase",
        "write `pods: {default: [NAME]}` for a name, `podPhaseSelectors` for a phase",
        problems,
    );
    fields.refuse(
        "annotationSelectors",
        "members have no annotations",
        "select by labels",
        problems,
    );
    fields.finish(problems);
    let selector = Selector {
        line: node.line,
        namespaces,
        labels,
        expressions: expressions.unwrap_or_default(),
        phases: phases.unwrap_or_default(),
        pods,
    };
    if let Some(node) = pods_node
        && says_more(&selector)
    {
        problems.add(
            node.line,
            "beside `pods` Chaos Mesh looks at nothing else in a selector",
            "leave the others out, or leave `pods` out",
        );
    }
    Some(selector)
}

/// Whether labels, expressions or phases are asked for.
fn says_more(selector: &Selector) -> bool {
    !selector.labels.is_empty() || !selector.expressions.is_empty() || !selector.phases.is_empty()
}

fn read_pods(
    node: Option<&Node>,
    problems: &mut Problems,
) -> Vec<(Located<String>, Vec<Located<String>>)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let entries = node.expect_map("pods", problems).iter();
    entries
        .map(|(key, names)| {
            let namespace = Located {
                line: key.line,
                value: key.text.clone(),
            };
            (namespace, texts(Some(names), "pods", problems))
        })
        .collect()
}

fn read_expression(node: &Node, problems: &mut Problems) -> Option<Expression> {
    let mut fields = node.fields("an expression selector", problems)?;
    let key = fields
        .require("key", "name the label: `key: app`", problems)
        .and_then(|node| node.string("key", problems));
    let operator_node = fields.require("operator", "write `operator: In`", problems);
    let words = ["In", "NotIn", "Exists", "DoesNotExist"];
    let operator = operator_node.and_then(|node| node.word("operator", &words, problems));
    let values_node = fields.take("values");
    let values = texts(values_node, "values", problems);
    fields.finish(problems);
    let operator = match operator? {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        _ => Operator::DoesNotExist,
    };
    let wants_values = matches!(operator, Operator::In | Operator::NotIn);
    if wants_values && values.is_empty() {
        problems.add(node.line, "there are no `values`", "write `values: [a, b]`");
    }
    if !wants_values && !values.is_empty() {
        let line = values_node.map_or(node.line, |node| node.line);
        problems.add(
            line,
            "`values` mean nothing with this operator",
            "leave them out",
        );
    }
    Some(Expression {
        key: key?.to_owned(),
        operator,
        values: values.into_iter().map(|value| value.value).collect(),
    })
}

/// A list of strings.
pub(crate) fn texts(
    node: Option<&Node>,
    what: &str,
    problems: &mut Problems,
) -> Vec<Located<String>> {
    let Some(node) = node else {
        return Vec::new();
    };
    let nodes = node.expect_list(what, problems);
    if nodes.is_empty() && matches!(node.value, Value::List(_)) {
        problems.add(
            node.line,
            format!("`{what}` is empty"),
            "leave it out, or name some",
        );
    }
    let read = nodes.iter().filter_map(|node| {
        let value = node.string(what, problems)?.to_owned();
        Some(Located {
            line: node.line,
            value,
        })
    });
    read.collect()
}

/// A map of strings.
pub(crate) fn pairs(
    node: Option<&Node>,
    what: &str,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let entries = node.expect_map(what, problems).iter();
    entries
        .filter_map(|(key, value)| {
            Some((key.text.clone(), value.string(what, problems)?.to_owned()))
        })
        .collect()
}
