//! Steps, taken apart for a search: how much there is to one, and what would be simpler.

use std::time::Duration;

use squall_scenario::file::{Act, Links, Located};

/// Names and directions.
pub(super) fn parts(act: &Act) -> usize {
    match act {
        Act::Process(_, names) | Act::Power(names, _) => names.len(),
        Act::Partition(links)
        | Act::Loss(links, _)
        | Act::Latency(links, ..)
        | Act::Reset(links) => {
            let ends = [&links.from, &links.towards];
            let names: usize = ends.into_iter().flatten().map(Vec::len).sum();
            let open = ends.into_iter().filter(|end| end.is_none()).count();
            // Everybody is more than any name.
            let ways = if links.both_ways { 2 } else { 1 };
            (names + 100 * open) * ways
        }
        Act::Load(loads) => loads.len(),
        Act::Scale(..) | Act::Heal(_) => 1,
    }
}

/// Shares in thousandths, delays in milliseconds.
pub(super) fn strength(act: &Act) -> u128 {
    match act {
        Act::Loss(_, fraction) => (fraction * 1000.0).round() as u128,
        Act::Latency(_, delay, jitter) => (*delay + *jitter).as_millis(),
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
        Act::Partition(links) => simpler_links(links).map(Act::Partition).collect(),
        Act::Reset(links) => simpler_links(links).map(Act::Reset).collect(),
        Act::Loss(links, fraction) => simpler_links(links)
            .map(|links| Act::Loss(links, *fraction))
            .collect(),
        Act::Latency(links, delay, jitter) => {
            let make = |links| Act::Latency(links, *delay, *jitter);
            simpler_links(links).map(make).collect()
        }
        _ => Vec::new(),
    }
}

/// The same with a weaker fault, the weakest first.
pub(super) fn weaker(act: &Act) -> Vec<Act> {
    match act {
        Act::Loss(links, fraction) => {
            let percents = [1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90].map(f64::from);
            let less = percents.into_iter().map(|percent| percent / 100.0);
            let less = less.filter(|less| less < fraction);
            less.map(|less| Act::Loss(links.clone(), less)).collect()
        }
        Act::Latency(links, delay, jitter) => {
            let steady = (!jitter.is_zero()).then_some((*delay, Duration::ZERO));
            let shorter = super::numbers::shorter(*delay).into_iter();
            let all = steady
                .into_iter()
                .chain(shorter.map(|delay| (delay, *jitter)));
            all.map(|(delay, jitter)| Act::Latency(links.clone(), delay, jitter))
                .collect()
        }
        _ => Vec::new(),
    }
}

type Names = Vec<Located<String>>;

fn one_less(names: &Names) -> impl Iterator<Item = Names> {
    let several = if names.len() > 1 { names.len() } else { 0 };
    (0..several).rev().map(|at| {
        let mut fewer = names.clone();
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
    for fewer in from.iter().flat_map(one_less) {
        all.push(with(Some(fewer), towards.clone(), links.both_ways));
    }
    for fewer in towards.iter().flat_map(one_less) {
        all.push(with(from.clone(), Some(fewer), links.both_ways));
    }
    all.into_iter()
}
