//! What happens in a step, as the key and value that say so.

use squall_fault::LinkFault;

use super::fault::{of_link, of_machine};
use super::tree::Tree;
use super::{loads, names};
use crate::file::client::Client;
use crate::file::{Act, Healed, Links, Located, Process, Source};
use crate::world::Kubectl;

pub(super) fn write(act: &Act, clients: &[Client]) -> (&'static str, Tree) {
    match act {
        Act::Process(process, services) => (process_word(*process), names(services)),
        Act::Scale(service, replicas) => (
            "scale",
            Tree::one(&service.value, Tree::text(replicas.to_string())),
        ),
        Act::Kubectl(commands) => kubectl(commands),
        Act::Link(links, LinkFault::Cut) => match around(links) {
            Some(all) => ("isolate", all),
            None => ("partition", Tree::Map(ends(links))),
        },
        Act::Link(links, fault) => {
            let (key, mut fields) = of_link(fault);
            fields.extend(ends(links));
            (key, Tree::Map(fields))
        }
        Act::Machine(services, fault) => {
            let (key, mut fields) = of_machine(fault);
            fields.push(("of".to_owned(), names(services)));
            (key, Tree::Map(fields))
        }
        Act::Chaos(applied) => match &applied.source {
            Source::File(name) => ("chaos", Tree::text(&name.value)),
            Source::Embedded(node) => ("chaos", Tree::of(node)),
        },
        Act::Heal(healed) => {
            let what = match healed {
                Healed::All => "all",
                Healed::Kind(kind) => kind.name(),
            };
            ("heal", Tree::text(what))
        }
        Act::Reset(links) => (
            "reset",
            around(links).unwrap_or_else(|| Tree::Map(ends(links))),
        ),
        Act::Power(services, false) => ("power_off", names(services)),
        Act::Power(services, true) => ("power_on", names(services)),
        Act::Load(changes) => ("load", loads(changes, clients)),
    }
}

/// They are of one kind, since one key has said them.
fn kubectl(commands: &[Located<Kubectl>]) -> (&'static str, Tree) {
    let mut key = "";
    let mut targets = Vec::new();
    let mut images = Vec::new();
    for command in commands {
        let (word, target) = match &command.value {
            Kubectl::DeletePod(target) => ("delete_pod", target),
            Kubectl::RolloutRestart(target) => ("rollout_restart", target),
            Kubectl::SetImage(target, image) => {
                images.push((target.clone(), Tree::text(image)));
                ("set_image", target)
            }
            Kubectl::Drain(node) => ("drain", node),
            Kubectl::Uncordon(node) => ("uncordon", node),
        };
        key = word;
        targets.push(target.as_str());
    }
    match images.is_empty() {
        true => (key, Tree::texts(targets)),
        false => (key, Tree::Map(images)),
    }
}

fn process_word(process: Process) -> &'static str {
    match process {
        Process::Kill => "kill",
        Process::Stop => "stop",
        Process::Start => "start",
        Process::Restart => "restart",
        Process::Pause => "pause",
        Process::Unpause => "unpause",
    }
}

/// The names, when it is all links of these in both directions.
fn around(links: &Links) -> Option<Tree> {
    match (&links.from, &links.towards, links.both_ways) {
        (None, Some(all), true) => Some(names(all)),
        _ => None,
    }
}

pub(super) fn ends(links: &Links) -> Vec<(String, Tree)> {
    let entry = |key: &str, value| (key.to_owned(), value);
    match (&links.from, &links.towards, links.both_ways) {
        (None, Some(of), true) | (Some(of), None, true) => vec![entry("of", names(of))],
        (Some(between), Some(and), true) => {
            vec![entry("between", names(between)), entry("and", names(and))]
        }
        (from, towards, _) => {
            let from = from.iter().map(|all| entry("from", names(all)));
            let towards = towards.iter().map(|all| entry("towards", names(all)));
            from.chain(towards).collect()
        }
    }
}
