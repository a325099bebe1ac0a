//! Steps in the words of `kubectl`.

use super::{Act, names};
use crate::file::Located;
use crate::world::Kubectl;
use crate::yaml::{Expect, Node, Problems};

/// The keys of these steps.
pub(super) const KEYS: [&str; 5] = [
    "delete_pod",
    "rollout_restart",
    "set_image",
    "drain",
    "uncordon",
];

pub(super) fn read(name: &'static str, node: &Node, problems: &mut Problems) -> Option<Act> {
    if name == "set_image" {
        return set_image(node, problems);
    }
    let command = match name {
        "delete_pod" => Kubectl::DeletePod,
        "rollout_restart" => Kubectl::RolloutRestart,
        "drain" => Kubectl::Drain,
        _ => Kubectl::Uncordon,
    };
    let targets = names(node, name, problems)?.into_iter();
    let commands = targets.map(|Located { line, value }| Located {
        line,
        value: command(value),
    });
    Some(Act::Kubectl(commands.collect()))
}

/// `{WORKLOAD: IMAGE}`
fn set_image(node: &Node, problems: &mut Problems) -> Option<Act> {
    let before = problems.count();
    let entries = node.expect_map("set_image", problems);
    let commands: Vec<Located<Kubectl>> = entries
        .iter()
        .filter_map(|(key, image)| {
            let image = image.expect_text(&key.text, problems)?.to_owned();
            Some(Located {
                line: key.line,
                value: Kubectl::SetImage(key.text.clone(), image),
            })
        })
        .collect();
    if commands.is_empty() && problems.count() == before {
        let help = "write `set_image: {backend: registry/backend:2}`";
        problems.add(node.line, "no image is set", help);
    }
    (!commands.is_empty()).then_some(Act::Kubectl(commands))
}
