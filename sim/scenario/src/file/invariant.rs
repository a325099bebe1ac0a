//! `invariants`: what must hold over the whole run; see `squall_check`.

use std::time::Duration;

use squall_check::{Counted, Invariant};

use super::client::Client;
use super::duration_or;
use crate::units;
use crate::yaml::{self, Expect, Node, Problems, Value};

/// A phase, the time within which `recovers` asks for all to be well, unless said otherwise.
pub(super) const RECOVERS_WITHIN: Duration = Duration::from_secs(10);

/// How far from even a share may be for `balanced-after-recovery`, unless said otherwise.
pub(super) const BALANCE_TOLERANCE: f64 = 0.1;

pub(super) fn read_all(
    node: Option<&Node>,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<Invariant> {
    let Some(node) = node else {
        return Vec::new();
    };
    let nodes = node.expect_list("invariants", problems);
    nodes
        .iter()
        .filter_map(|node| read(node, clients, problems))
        .collect()
}

fn read(node: &Node, clients: &[Client], problems: &mut Problems) -> Option<Invariant> {
    let (name, parameters) = match (&node.value, node.text()) {
        (_, Some(name)) => (name, None),
        (Value::Map(entries), _) if entries.len() == 1 => {
            (entries[0].0.text.as_str(), Some(&entries[0].1))
        }
        _ => {
            let help = "write `- no-failed-request` or `- recovers: {within: 5s}`";
            problems.add(
                node.line,
                "an invariant is a name, or one name with parameters",
                help,
            );
            return None;
        }
    };
    let mut within = RECOVERS_WITHIN;
    let mut tolerance = BALANCE_TOLERANCE;
    let mut counted = None;
    match (name, parameters) {
        ("no-lost-write" | "no-repeated-write" | "reads-go-forward", parameters) => {
            counted = Some(read_counted(name, node, parameters, clients, problems)?);
        }
        ("recovers" | "balanced-after-recovery", Some(parameters)) => {
            let mut fields = parameters.fields("the parameters of an invariant", problems)?;
            within = duration_or(&mut fields, "within", within, problems);
            if name == "balanced-after-recovery"
                && let Some(node) = fields.take("tolerance")
                && let Some(text) = node.expect_text("tolerance", problems)
            {
                tolerance = problems.quantity(node.line, units::percent(text))?;
            }
            fields.finish(problems);
        }
        (_, Some(parameters)) if squall_check::NAMES.contains(&name) => {
            let message = format!("the invariant `{name}` has no parameters");
            problems.add(parameters.line, message, format!("write `- {name}`"));
            return None;
        }
        _ => {}
    }
    Some(match (name, counted) {
        ("no-lost-write", Some(counted)) => Invariant::NoLostWrite(counted),
        ("no-repeated-write", Some(counted)) => Invariant::NoRepeatedWrite(counted),
        ("reads-go-forward", Some(counted)) => Invariant::ReadsGoForward(counted),
        ("every-request-answered", _) => Invariant::EveryRequestAnswered,
        ("no-failed-request", _) => Invariant::NoFailedRequest,
        ("no-server-error", _) => Invariant::NoServerError,
        ("no-empty-success", _) => Invariant::NoEmptySuccess,
        ("recovers", _) => Invariant::Recovers { within },
        ("balanced-after-recovery", _) => Invariant::BalancedAfterRecovery { within, tolerance },
        _ => {
            let help = yaml::suggestion(name, &squall_check::NAMES);
            problems.add(node.line, format!("unknown invariant `{name}`"), help);
            return None;
        }
    })
}

/// The clients of a count.
fn read_counted(
    name: &str,
    node: &Node,
    parameters: Option<&Node>,
    clients: &[Client],
    problems: &mut Problems,
) -> Option<Counted> {
    let Some(parameters) = parameters else {
        let help = format!("write `- {name}: {{writes: CLIENT, reads: CLIENT}}`");
        let message = format!("the invariant `{name}` does not say which clients it speaks of");
        problems.add(node.line, message, help);
        return None;
    };
    let mut fields = parameters.fields("the parameters of an invariant", problems)?;
    let writes = fields.require("writes", "the client whose requests each add one", problems);
    let reads = fields.require("reads", "the client that reads the count", problems);
    fields.finish(problems);
    let writes = client(writes?, clients, problems)?;
    let reads = client(reads?, clients, problems)?;
    if reads.value.is_none() {
        problems.add(
            parameters.line,
            format!("the client `{}` reads no count", reads.name.value),
            "say where it is in the answer, for example `value: $.users`",
        );
        return None;
    }
    Some(Counted {
        writes: writes.name.value.clone(),
        reads: reads.name.value.clone(),
    })
}

fn client<'a>(node: &Node, clients: &'a [Client], problems: &mut Problems) -> Option<&'a Client> {
    let name = node.expect_text("the name of a client", problems)?;
    let found = clients.iter().find(|client| client.name.value == name);
    if found.is_none() {
        let names: Vec<&str> = clients.iter().map(|c| c.name.value.as_str()).collect();
        let help = yaml::suggestion(name, &names);
        problems.add(node.line, format!("no client `{name}`"), help);
    }
    found
}
