//! Arbitrary steps.

use proptest::collection::vec;
use proptest::prelude::*;
use squall_scenario::file::{Act, Healed, Links, Located, Process};

use super::{fraction, loads, millis, name};

pub(super) fn without_lines(act: &mut Act) {
    let nowhere = |name: &mut Located<String>| name.line = 0;
    match act {
        Act::Process(_, names) | Act::Power(names, _) => names.iter_mut().for_each(nowhere),
        Act::Scale(name, _) => nowhere(name),
        Act::Partition(links)
        | Act::Loss(links, _)
        | Act::Latency(links, ..)
        | Act::Reset(links) => {
            let ends = links.from.iter_mut().chain(&mut links.towards);
            ends.flatten().for_each(nowhere);
        }
        Act::Heal(_) | Act::Load(_) => {}
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
        Just(Healed::Partitions),
        Just(Healed::Loss),
        Just(Healed::Latency),
    ];
    prop_oneof![
        (process, names()).prop_map(|(process, names)| Act::Process(process, names)),
        (name(), 0..9_u32).prop_map(|(name, replicas)| Act::Scale(name, replicas)),
        links().prop_map(Act::Partition),
        (links(), fraction()).prop_map(|(links, fraction)| Act::Loss(links, fraction)),
        (links(), millis(0..999), prop_oneof![Just(0), 0..99_u64]).prop_map(
            |(links, delay, jitter_ms)| {
                Act::Latency(links, delay, std::time::Duration::from_millis(jitter_ms))
            }
        ),
        healed.prop_map(Act::Heal),
        links().prop_map(Act::Reset),
        (names(), any::<bool>()).prop_map(|(names, on)| Act::Power(names, on)),
        loads(clients).prop_map(Act::Load),
    ]
}

fn names() -> impl Strategy<Value = Vec<Located<String>>> {
    vec(name(), 1..3)
}

fn links() -> impl Strategy<Value = Links> {
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
