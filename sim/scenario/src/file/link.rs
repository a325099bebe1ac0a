//! The parts of a link, as `network`, `links` and the steps about links write them.
//!
//! | key | value |
//! |---|---|
//! | `latency` | `20ms`; in a step `{delay, jitter, distribution, correlation}` |
//! | `loss` | `25%`, or `{percent, correlation}`, or `{bursts: {to_bad, to_good, loss_when_bad, loss_when_good}}` |
//! | `duplicate`, `corrupt` | `1%`, or `{percent, correlation}` |
//! | `reorder` | `1%`, or `{percent, correlation, gap}` |
//! | `rate` | `10mbit`, or `{rate, burst, queue}` |

use std::time::Duration;

use squall_fault::link::{Chance, Distribution, GilbertElliott, Link, Loss, Rate, Reorder};

use super::step::Links;
use super::step::links::read_ends;
use super::{duration, duration_or};
use crate::units;
use crate::yaml::{self, Expect, Fields, Node, Problems, Value};

/// A switch and a few metres of cable, or a bridge on one machine.
const LATENCY: Duration = Duration::from_micros(200);

/// IPv4's smallest (RFC 791), and the largest that an IP header can state.
const MTU: std::ops::RangeInclusive<u16> = 68..=u16::MAX;

/// Links that are not as `network` says when nothing is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// Where the file has it.
    pub line: u32,
    /// Which links.
    pub links: Links,
    /// What they are like; what the file does not say is as in `network`.
    pub link: Link,
}

/// A link without anything wrong, unless a scenario says otherwise.
pub fn network() -> Link {
    Link {
        latency: LATENCY,
        ..Link::default()
    }
}

pub(super) fn read_network(node: Option<&Node>, problems: &mut Problems) -> Link {
    let mut network = network();
    if let Some(mut fields) = node.and_then(|node| node.fields("network", problems)) {
        network = read_parts(&mut fields, network, problems);
        fields.finish(problems);
    }
    network
}

/// `links`: what is normal for some of them.
pub(super) fn read_links(
    node: Option<&Node>,
    network: Link,
    problems: &mut Problems,
) -> Vec<Normal> {
    let nodes = node.map(|node| node.expect_list("links", problems));
    let mut read = Vec::new();
    for node in nodes.unwrap_or_default() {
        let Some(mut fields) = node.fields("links", problems) else {
            continue;
        };
        let links = read_ends(&mut fields, "links", problems);
        let link = read_parts(&mut fields, network, problems);
        fields.finish(problems);
        read.extend(links.map(|links| Normal {
            line: node.line,
            links,
            link,
        }));
    }
    read
}

fn read_parts(fields: &mut Fields<'_>, base: Link, problems: &mut Problems) -> Link {
    let mut link = base;
    link.latency = duration_or(fields, "latency", base.latency, problems);
    link.jitter = duration_or(fields, "jitter", base.jitter, problems);
    link.distribution = distribution(fields, problems).unwrap_or(base.distribution);
    link.jitter_correlation =
        percent(fields, "correlation", problems).unwrap_or(base.jitter_correlation);
    let mut part = |key| fields.take(key);
    let (loss, duplicate, corrupt) = (part("loss"), part("duplicate"), part("corrupt"));
    let (reorder, rate, mtu) = (part("reorder"), part("rate"), part("mtu"));
    link.loss = loss
        .and_then(|node| loss_of(node, problems))
        .unwrap_or(base.loss);
    link.duplicate = duplicate
        .and_then(|node| chance_of(node, "duplicate", problems))
        .unwrap_or(base.duplicate);
    link.corrupt = corrupt
        .and_then(|node| chance_of(node, "corrupt", problems))
        .unwrap_or(base.corrupt);
    link.reorder = reorder
        .and_then(|node| reorder_of(node, problems))
        .unwrap_or(base.reorder);
    link.rate = rate.and_then(|node| rate_of(node, problems)).or(base.rate);
    if let Some(node) = mtu {
        let read = node.text().and_then(|text| text.parse().ok());
        match read.filter(|mtu| MTU.contains(mtu)) {
            Some(mtu) => link.mtu = mtu,
            None => problems.add(node.line, "mtu is no size of a packet", "write `mtu: 1500`"),
        }
    }
    link
}

/// One value, or the fields of a map.
fn scalar_or_fields<'a, T>(
    node: &'a Node,
    what: &'static str,
    problems: &mut Problems,
    scalar: impl FnOnce(&str) -> Result<T, units::BadQuantity>,
    fields: impl FnOnce(&mut Fields<'a>, &mut Problems) -> Option<T>,
) -> Option<T> {
    if matches!(node.value, Value::Map(_)) {
        let mut read = node.fields(what, problems)?;
        let value = fields(&mut read, problems);
        read.finish(problems);
        return value;
    }
    let text = node.expect_text(what, problems)?;
    problems.quantity(node.line, scalar(text))
}

fn loss_of(node: &Node, problems: &mut Problems) -> Option<Loss> {
    let scalar = |text: &str| units::percent(text).map(Loss::independent);
    scalar_or_fields(node, "loss", problems, scalar, read_loss)
}

fn chance_of(node: &Node, what: &'static str, problems: &mut Problems) -> Option<Chance> {
    let scalar = |text: &str| units::percent(text).map(Chance::independent);
    scalar_or_fields(node, what, problems, scalar, |fields, problems| {
        read_chance(fields, problems)
    })
}

fn reorder_of(node: &Node, problems: &mut Problems) -> Option<Reorder> {
    let scalar = |text: &str| {
        units::percent(text).map(|probability| Reorder {
            chance: Chance::independent(probability),
            gap: 0,
        })
    };
    scalar_or_fields(node, "reorder", problems, scalar, read_reorder)
}

fn rate_of(node: &Node, problems: &mut Problems) -> Option<Rate> {
    let scalar = |text: &str| units::bandwidth(text).map(|rate| with_defaults(rate, None, None));
    scalar_or_fields(node, "rate", problems, scalar, read_rate)
}

/// `percent` with `correlation`, or `bursts`.
pub(super) fn read_loss(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Loss> {
    let Some(node) = fields.take("bursts") else {
        return read_chance(fields, problems).map(Loss::Random);
    };
    let mut bursts = node.fields("bursts", problems)?;
    let to_bad = percent_required(&mut bursts, "to_bad", problems);
    let to_good = percent_required(&mut bursts, "to_good", problems);
    let loss_when_bad = percent(&mut bursts, "loss_when_bad", problems);
    let loss_when_good = percent(&mut bursts, "loss_when_good", problems);
    bursts.finish(problems);
    Some(Loss::GilbertElliott(GilbertElliott {
        to_bad: to_bad?,
        to_good: to_good?,
        // netem's own defaults.
        loss_when_bad: loss_when_bad.unwrap_or(1.0),
        loss_when_good: loss_when_good.unwrap_or(0.0),
    }))
}

/// `percent` with `correlation`.
pub(super) fn read_chance(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Chance> {
    let probability = percent_required(fields, "percent", problems);
    let correlation = percent(fields, "correlation", problems).unwrap_or(0.0);
    Some(Chance {
        probability: probability?,
        correlation,
    })
}

/// `percent` with `correlation` and `gap`.
pub(super) fn read_reorder(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Reorder> {
    let chance = read_chance(fields, problems);
    let gap = fields.take("gap").and_then(|node| {
        let gap = node.text().and_then(|text| text.parse().ok());
        if gap.is_none() {
            problems.add(node.line, "gap is no number of packets", "write `gap: 5`");
        }
        gap
    });
    Some(Reorder {
        chance: chance?,
        gap: gap.unwrap_or(0),
    })
}

/// `rate` with `burst` and `queue`.
pub(super) fn read_rate(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Rate> {
    let rate = fields
        .require("rate", "say how much: `rate: 10mbit`", problems)
        .and_then(|node| {
            let text = node.expect_text("rate", problems)?;
            problems.quantity(node.line, units::bandwidth(text))
        });
    let mut bytes = |key| {
        let node = fields.take(key)?;
        let text = node.expect_text(key, problems)?;
        problems.quantity(node.line, units::bytes(text))
    };
    let (burst, queue) = (bytes("burst"), bytes("queue"));
    Some(with_defaults(rate?, burst, queue))
}

/// Ten packets, or what passes in 4 ms, at once; 100 ms of traffic, and 64 KiB at least, in the
/// queue.
fn with_defaults(bytes_per_second: u64, burst: Option<u64>, queue: Option<u64>) -> Rate {
    Rate {
        bytes_per_second,
        burst_bytes: burst.unwrap_or((bytes_per_second / 250).max(15_000)),
        queue_bytes: queue.unwrap_or((bytes_per_second / 10).max(65_536)),
    }
}

/// netem's names, and `above`.
pub const DISTRIBUTIONS: [(&str, Distribution); 5] = [
    ("above", Distribution::Above),
    ("uniform", Distribution::Uniform),
    ("normal", Distribution::Normal),
    ("pareto", Distribution::Pareto),
    ("paretonormal", Distribution::ParetoNormal),
];

/// `distribution`, by name.
pub(super) fn distribution(
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<Distribution> {
    let node = fields.take("distribution")?;
    let name = node.expect_text("distribution", problems)?;
    let known = DISTRIBUTIONS.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let help = yaml::suggestion(name, &DISTRIBUTIONS.map(|(name, _)| name));
        problems.add(node.line, format!("unknown distribution `{name}`"), help);
    }
    known.map(|(_, distribution)| *distribution)
}

/// The share under a key, if it is there and good.
pub(super) fn percent(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<f64> {
    let node = fields.take(key)?;
    let text = node.expect_text(key, problems)?;
    problems.quantity(node.line, units::percent(text))
}

fn percent_required(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<f64> {
    let node = fields.require(key, &format!("say how much: `{key}: 25%`"), problems)?;
    let text = node.expect_text(key, problems)?;
    problems.quantity(node.line, units::percent(text))
}

/// `delay` with `jitter`, `distribution` and `correlation`.
pub(super) fn read_delay(
    fields: &mut Fields<'_>,
    problems: &mut Problems,
) -> Option<squall_fault::Delay> {
    let line = fields.line;
    let latency = duration(fields, "delay", problems);
    let jitter = duration(fields, "jitter", problems).unwrap_or_default();
    let shape = distribution(fields, problems).unwrap_or_default();
    let correlation = percent(fields, "correlation", problems).unwrap_or(0.0);
    if latency.is_none() {
        let help = "say how long: `delay: 100ms`";
        problems.add(line, "`latency` has no `delay`", help);
    }
    Some(squall_fault::Delay {
        latency: latency?,
        jitter,
        distribution: shape,
        correlation,
    })
}
