//! `roles`: names for whoever is something at the time of a step, as the one who leads.
//!
//! Who that is follows from what containers write, so a story names it in every world and at every seed.
//! Deliberately absent: roles in documents of Chaos Mesh (their selectors know labels alone) and in
//! budgets of `explore`, which draw for themselves.

use super::Located;
use crate::yaml::{Expect, Node, Problems, Value};

/// A name for one container of several, decided when a step needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// What steps call it.
    pub name: Located<String>,
    /// Who can have it: services or containers, with `*` for anything.
    pub of: Vec<Located<String>>,
    /// Which of them has it.
    pub who: Who,
}

/// Which of several has a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one that was the last to write a line with this in it.
    LastSaid(String),
    /// The first, in the order of the manifest, that does not have this other role.
    Not(Located<String>),
}

pub(super) fn read_all(node: Option<&Node>, problems: &mut Problems) -> Vec<Role> {
    let Some(node) = node else {
        return Vec::new();
    };
    let entries = node.expect_map("roles", problems).iter();
    let roles: Vec<Role> = entries
        .filter_map(|(key, node)| {
            let name = Located {
                line: key.line,
                value: key.text.clone(),
            };
            read(name, node, problems)
        })
        .collect();
    for role in &roles {
        if let Who::Not(other) = &role.who
            && !roles
                .iter()
                .any(|one| one.name.value == other.value && matches!(one.who, Who::LastSaid(_)))
        {
            let message = format!("`{}` is no role with `last_said`", other.value);
            let help = "`not` names another role of this scenario: `not: etcd-leader`";
            problems.add(other.line, message, help);
        }
    }
    roles
}

fn read(name: Located<String>, node: &Node, problems: &mut Problems) -> Option<Role> {
    const HELP: &str =
        "write `NAME: {of: 'etcd*', last_said: became leader}`, or `not: OTHER` for the rest";
    let mut fields = node.fields("a role", problems)?;
    let of = fields.require("of", HELP, problems).map(|node| {
        let texts = match &node.value {
            Value::List(_) => node.expect_texts("of", problems),
            _ => node
                .expect_text("of", problems)
                .map(|text| (node.line, text.to_owned()))
                .into_iter()
                .collect(),
        };
        let located = texts.into_iter();
        located
            .map(|(line, value)| Located { line, value })
            .collect()
    });
    let mut text = |key: &'static str, problems: &mut Problems| {
        let node = fields.take(key)?;
        let value = node.expect_text(key, problems)?.to_owned();
        Some(Located {
            line: node.line,
            value,
        })
    };
    let said = text("last_said", problems);
    let not = text("not", problems);
    let line = fields.line;
    fields.finish(problems);
    let who = match (said, not) {
        (Some(said), None) if !said.value.is_empty() => Who::LastSaid(said.value),
        (None, Some(not)) => Who::Not(not),
        _ => {
            problems.add(line, "a role says who has it, in one way", HELP);
            return None;
        }
    };
    Some(Role { name, of: of?, who })
}
