//! Steps, taken apart for a search: how much there is to one, and what would be simpler.

use squall_fault::link::Loss;
use squall_fault::{Delay, LinkFault};
use squall_scenario::file::{Act, Links, Located};

/// Names and directions.
pub(super) fn parts(act: &Act) -> usize {
    match act {
        Act::Process(_, names) | Act::Power(names, _) => names.len(),
        Act::Machine(names, _) => names.len(),
        Act::Link(links, _) | Act::Reset(links) => {
            let ends = [&links.from, &links.towards];
            let names: usize = ends.into_iter().flatten().map(Vec::len).sum();
            let open = ends.into_iter().filter(|end| end.is_none()).count();
            // Everybody is more than any name.
            let ways = if links.both_ways { 2 } else { 1 };
            (names + 100 * open) * ways
        }
        Act::Load(loads) => loads.len(),
        Act::Kubectl(commands) => commands.len(),
        Act::Scale(..) | Act::Heal(_) | Act::Chaos(_) => 1,
    }
}

/// Shares in thousandths, delays in milliseconds.
pub(super) fn strength(act: &Act) -> u128 {
    match act {
        Act::Link(_, LinkFault::Loss(Loss::Random(chance))) => {
            (chance.probability * 1000.0).round() as u128
        }
        Act::Link(_, LinkFault::Latency(delay)) => (delay.latency + delay.jitter).as_millis(),
        _ => 0,
    }
}

/// Leaves out what is said of clients that are not there any more.
pub(super) fn retain_clients(act: &mut Act, is_there: impl Fn(&String) -> bool) {
    if let Act::Load(loads) = act {
        loads.retain(|(name, _)| is_there(name));
    }
}

/// Forms with fewer parts.
pub(super) fn simpler(act: &Act) -> Vec<Act> {
    match act {
        Act::Process(process, names) => one_less(names)
            .map(|names| Act::Process(*process, names))
            .collect(),
        Act::Power(names, on) => one_less(names)
            .map(|names| Act::Power(names, *on))
            .collect(),
        Act::Link(links, fault) => simpler_links(links)
            .map(|links| Act::Link(links, *fault))
            .collect(),
        Act::Machine(names, fault) => one_less(names)
            .map(|names| Act::Machine(names, fault.clone()))
            .collect(),
        Act::Kubectl(commands) => one_less(commands).map(Act::Kubectl).collect(),
        Act::Reset(links) => simpler_links(links).map(Act::Reset).collect(),
        _ => Vec::new(),
    }
}

/// The same with a weaker fault, the weakest first.
pub(super) fn weaker(act: &Act) -> Vec<Act> {
    match act {
        Act::Link(links, LinkFault::Loss(Loss::Random(chance))) => {
            let percents = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90].map(f64::from);
            let less = percents.into_iter().map(|percent| percent / 100.0);
            let less = less.filter(|less| *less < chance.probability);
            let loss = |less| LinkFault::Loss(Loss::independent(less));
            less.map(|less| Act::Link(links.clone(), loss(less)))
                .collect()
        }
        Act::Link(links, LinkFault::Latency(delay)) => {
            let steady = Delay::steady(delay.latency);
            let steady = (steady != *delay).then_some(steady).into_iter();
            let shorter = super::numbers::shorter(delay.latency).into_iter();
            let shorter = shorter.map(|latency| Delay { latency, ..*delay });
            steady
                .chain(shorter)
                .map(|delay| Act::Link(links.clone(), LinkFault::Latency(delay)))
                .collect()
        }
        _ => Vec::new(),
    }
}

type Names = Vec<Located<String>>;

fn one_less<T: Clone>(names: &[T]) -> impl Iterator<Item = Vec<T>> {
    let several = if names.len() > 1 { names.len() } else { 0 };
    (0..several).rev().map(|at| {
        let mut fewer = names.to_vec();
        fewer.remove(at);
        fewer
    })
}

fn simpler_links(links: &Links) -> impl Iterator<Item = Links> {
    let with = |from: Option<Names>, towards: Option<Names>, both_ways| Links {
        from,
        towards,
        both_ways,
    };
    let (from, towards) = (links.from.clone(), links.towards.clone());
    let mut all = Vec::new();
    if links.both_ways {
        all.push(with(from.clone(), towards.clone(), false));
        all.push(with(towards.clone(), from.clone(), false));
    }
    for fewer in from.iter().flat_map(|names| one_less(names)) {
        all.push(with(Some(fewer), towards.clone(), links.both_ways));
    }
    for fewer in towards.iter().flat_map(|names| one_less(names)) {
        all.push(with(from.clone(), Some(fewer), links.both_ways));
    }
    all.into_iter()
}
