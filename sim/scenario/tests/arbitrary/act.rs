//! Arbitrary steps.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use squall_cluster::yaml::{Node, Value};
use squall_fault::Kind;
use squall_scenario::file::{Act, Healed, Links, Located, Process, Source};
use squall_scenario::world::Kubectl;

use super::fault::{link_fault, machine_fault};
use super::{loads, name, text};

pub(super) fn without_lines(act: &mut Act) {
    let nowhere = |name: &mut Located<String>| name.line = 0;
    match act {
        Act::Process(_, names) | Act::Power(names, _) => names.iter_mut().for_each(nowhere),
        Act::Scale(name, _) => nowhere(name),
        Act::Kubectl(commands) => commands.iter_mut().for_each(|command| command.line = 0),
        Act::Machine(names, _) => names.iter_mut().for_each(nowhere),
        Act::Chaos(applied) => {
            applied.documents = None; // they follow from their source
            match &mut applied.source {
                Source::Embedded(node) => without_line(node),
                Source::File(name) => nowhere(name),
            }
        }
        Act::Link(links, _) | Act::Reset(links) => anywhere(links),
        Act::Heal(_) | Act::Load(_) => {}
    }
}

pub(super) fn anywhere(links: &mut Links) {
    let ends = links.from.iter_mut().chain(&mut links.towards);
    ends.flatten().for_each(|name| name.line = 0);
}

fn without_line(node: &mut Node) {
    node.line = 0;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(without_line),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
            key.line = 0;
            without_line(node);
        }),
        _ => {}
    }
}

pub(super) fn act(clients: Vec<String>) -> impl Strategy<Value = Act> {
    let process = prop_oneof![
        Just(Process::Kill),
        Just(Process::Stop),
        Just(Process::Start),
        Just(Process::Restart),
        Just(Process::Pause),
        Just(Process::Unpause),
    ];
    let healed = prop_oneof![
        Just(Healed::All),
        select(Kind::ALL.to_vec()).prop_map(Healed::Kind),
    ];
    prop_oneof![
        (process, names()).prop_map(|(process, names)| Act::Process(process, names)),
        (name(), 0..9_u32).prop_map(|(name, replicas)| Act::Scale(name, replicas)),
        kubectl(),
        (links(), link_fault()).prop_map(|(links, fault)| Act::Link(links, fault)),
        (names(), machine_fault()).prop_map(|(names, fault)| Act::Machine(names, fault)),
        healed.prop_map(Act::Heal),
        links().prop_map(Act::Reset),
        (names(), any::<bool>()).prop_map(|(names, on)| Act::Power(names, on)),
        loads(clients).prop_map(Act::Load),
    ]
}

/// Several of one kind.
fn kubectl() -> impl Strategy<Value = Act> {
    let images = btree_map(text(), text(), 1..3);
    let images = images.prop_map(|all| {
        let command = |(target, image)| Kubectl::SetImage(target, image);
        all.into_iter().map(command).collect::<Vec<_>>()
    });
    let kinds = [
        Kubectl::DeletePod,
        Kubectl::RolloutRestart,
        Kubectl::Drain,
        Kubectl::Uncordon,
    ];
    let others = (vec(text(), 1..3), select(kinds.to_vec()))
        .prop_map(|(targets, kind)| targets.into_iter().map(kind).collect());
    let at_0 = |value| Located { line: 0, value };
    prop_oneof![images, others]
        .prop_map(move |all| Act::Kubectl(all.into_iter().map(at_0).collect()))
}

fn names() -> impl Strategy<Value = Vec<Located<String>>> {
    vec(name(), 1..3)
}

pub(super) fn links() -> impl Strategy<Value = Links> {
    (names(), names(), 0..5_u8).prop_map(|(a, b, form)| {
        let (from, towards, both_ways) = match form {
            0 => (None, Some(b), true),
            1 => (Some(a), Some(b), true),
            2 => (Some(a), Some(b), false),
            3 => (Some(a), None, false),
            _ => (None, Some(b), false),
        };
        Links {
            from,
            towards,
            both_ways,
        }
    })
}
