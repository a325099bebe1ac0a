//! What is wrong with links and machines, as the short forms of steps, and what links are normally
//! like.

use squall_fault::clock::Skew;
use squall_fault::cpu::Stressor;
use squall_fault::disk::{self, Filling};
use squall_fault::http::{self, Parts, Side};
use squall_fault::link::{Chance, Distribution, Loss, Rate, Reorder};
use squall_fault::{Delay, Link, LinkFault, MachineFault, dns};

use super::quantity::{amount, duration, percent, signed};
use super::time;
use super::tree::Tree;
use crate::file::link::DISTRIBUTIONS;
use crate::file::step::ERRORS;
use crate::units;

/// Keys and values, in order.
pub(super) type Entries = Vec<(String, Tree)>;

/// The key of a fault on links and the fields that say what it is, without its links.
pub(super) fn of_link(fault: &LinkFault) -> (&'static str, Entries) {
    match fault {
        LinkFault::Cut => ("partition", Vec::new()),
        LinkFault::Latency(delay) | LinkFault::Delay(delay) => ("latency", latency(delay)),
        LinkFault::Loss(loss) => ("loss", of_loss(*loss)),
        LinkFault::Duplicate(chance) => ("duplicate", of_chance(*chance)),
        LinkFault::Corrupt(chance) => ("corrupt", of_chance(*chance)),
        LinkFault::Reorder(reorder) => ("reorder", of_reorder(*reorder)),
        LinkFault::Rate(rate) => ("rate", of_rate(*rate)),
    }
}

/// What of a link is not as in `base`.
pub(super) fn parts(link: &Link, base: &Link) -> Entries {
    let mut parts = Vec::new();
    let mut part = |key: &str, is_same: bool, value: Tree| {
        if !is_same {
            parts.push((key.to_owned(), value));
        }
    };
    let shape = name_of(link.distribution);
    part("latency", link.latency == base.latency, time(link.latency));
    part("jitter", link.jitter == base.jitter, time(link.jitter));
    part(
        "distribution",
        link.distribution == base.distribution,
        Tree::text(shape),
    );
    part(
        "correlation",
        link.jitter_correlation == base.jitter_correlation,
        Tree::text(percent(link.jitter_correlation)),
    );
    part(
        "loss",
        link.loss == base.loss,
        Tree::Map(of_loss(link.loss)),
    );
    part(
        "duplicate",
        link.duplicate == base.duplicate,
        Tree::Map(of_chance(link.duplicate)),
    );
    part(
        "corrupt",
        link.corrupt == base.corrupt,
        Tree::Map(of_chance(link.corrupt)),
    );
    part(
        "reorder",
        link.reorder == base.reorder,
        Tree::Map(of_reorder(link.reorder)),
    );
    part(
        "mtu",
        link.mtu == base.mtu,
        Tree::text(link.mtu.to_string()),
    );
    if let Some(rate) = link.rate
        && link.rate != base.rate
    {
        parts.push(("rate".to_owned(), Tree::Map(of_rate(rate))));
    }
    parts
}

/// The key of a fault on machines and the fields that say what it is, without whose. A short form
/// has one rule; several are in documents alone.
pub(super) fn of_machine(fault: &MachineFault) -> (&'static str, Entries) {
    match fault {
        MachineFault::Stress(all) => ("stress", all.first().map(stress).unwrap_or_default()),
        MachineFault::Disk(all) => ("disk", all.first().map(of_disk).unwrap_or_default()),
        MachineFault::Clock(skew) => ("clock", clock(*skew)),
        MachineFault::Http(all) => ("http", all.first().map(of_http).unwrap_or_default()),
        MachineFault::Dns(all) => ("dns", all.first().map(of_dns).unwrap_or_default()),
    }
}

fn entry(key: &str, value: impl Into<String>) -> (String, Tree) {
    (key.to_owned(), Tree::text(value))
}

fn name_of(distribution: Distribution) -> &'static str {
    let mut names = DISTRIBUTIONS.iter();
    let found = names.find(|(_, known)| *known == distribution);
    found.map_or("above", |(name, _)| name)
}

fn latency(delay: &Delay) -> Entries {
    let mut fields = vec![entry("delay", duration(delay.latency))];
    if !delay.jitter.is_zero() {
        fields.push(entry("jitter", duration(delay.jitter)));
    }
    if delay.distribution != Distribution::default() {
        fields.push(entry("distribution", name_of(delay.distribution)));
    }
    if delay.correlation != 0.0 {
        fields.push(entry("correlation", percent(delay.correlation)));
    }
    fields
}

fn of_loss(loss: Loss) -> Entries {
    let bursts = match loss {
        Loss::Random(chance) => return of_chance(chance),
        Loss::GilbertElliott(bursts) => bursts,
    };
    let fields = vec![
        entry("to_bad", percent(bursts.to_bad)),
        entry("to_good", percent(bursts.to_good)),
        entry("loss_when_bad", percent(bursts.loss_when_bad)),
        entry("loss_when_good", percent(bursts.loss_when_good)),
    ];
    vec![("bursts".to_owned(), Tree::Map(fields))]
}

fn of_chance(chance: Chance) -> Entries {
    let mut fields = vec![entry("percent", percent(chance.probability))];
    if chance.correlation != 0.0 {
        fields.push(entry("correlation", percent(chance.correlation)));
    }
    fields
}

fn of_reorder(reorder: Reorder) -> Entries {
    let mut fields = of_chance(reorder.chance);
    if reorder.gap != 0 {
        fields.push(entry("gap", reorder.gap.to_string()));
    }
    fields
}

fn of_rate(rate: Rate) -> Entries {
    vec![
        entry("rate", amount(rate.bytes_per_second, &units::BANDWIDTHS)),
        entry("burst", amount(rate.burst_bytes, &units::SIZES)),
        entry("queue", amount(rate.queue_bytes, &units::SIZES)),
    ]
}

fn stress(stressor: &Stressor) -> Entries {
    let mut fields = vec![entry("cpu", stressor.workers.to_string())];
    if stressor.load != 1.0 {
        fields.push(entry("load", percent(stressor.load)));
    }
    fields
}

fn of_disk(rule: &disk::Rule) -> Entries {
    let mut fields = vec![match rule.effect {
        disk::Effect::Delay(delay) => entry("slow", duration(delay)),
        disk::Effect::Errno(number) => {
            let known = ERRORS.iter().find(|(_, known)| *known == number);
            let name = known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned());
            entry("errors", name)
        }
        disk::Effect::Mistake {
            filling,
            occurrences_max,
            length_max,
        } => {
            let filling = match filling {
                Filling::Zero => "zero",
                Filling::Random => "random",
            };
            let mistake = vec![
                entry("filling", filling),
                entry("occurrences", occurrences_max.to_string()),
                entry("length", length_max.to_string()),
            ];
            ("mistake".to_owned(), Tree::Map(mistake))
        }
    }];
    if rule.probability != 1.0 {
        fields.push(entry("percent", percent(rule.probability)));
    }
    if let Some(path) = &rule.path {
        fields.push(entry("path", path));
    }
    if !rule.operations.is_empty() {
        let names = Tree::texts(rule.operations.iter().map(|operation| operation.name()));
        fields.push(("operations".to_owned(), names));
    }
    fields
}

fn clock(skew: Skew) -> Entries {
    let mut fields = vec![entry("offset", signed(skew.offset_ns))];
    if skew.drift_ppm != 0.0 {
        fields.push(entry("drift", format!("{}ppm", skew.drift_ppm)));
    }
    fields
}

fn of_http(rule: &http::Rule) -> Entries {
    // Only a document leaves the port open, and documents are written as they were.
    let port = rule.port.map(|port| entry("port", port.to_string()));
    let mut fields: Entries = port.into_iter().collect();
    let mut optional = |key: &str, value: Option<String>| {
        fields.extend(value.map(|value| entry(key, value)));
    };
    let number = |status: Option<u16>| status.map(|status| status.to_string());
    let (matches, effect) = (&rule.matches, &rule.effect);
    optional(
        "side",
        (rule.side == Side::Response).then(|| "response".to_owned()),
    );
    optional("path", matches.path.clone());
    optional("method", matches.method.clone());
    optional("status", number(matches.status));
    optional(
        "percent",
        (rule.probability != 1.0).then(|| percent(rule.probability)),
    );
    optional("abort", effect.abort.then(|| "true".to_owned()));
    optional("delay", effect.delay.map(duration));
    optional("answer", number(effect.answer));
    let maps = [
        ("request_headers", pairs(&matches.request_headers)),
        ("response_headers", pairs(&matches.response_headers)),
        ("replace", of_parts(&effect.replace)),
        ("patch", of_parts(&effect.patch)),
    ];
    let maps = maps.into_iter().filter(|(_, entries)| !entries.is_empty());
    fields.extend(maps.map(|(key, entries)| (key.to_owned(), Tree::Map(entries))));
    fields
}

fn pairs(pairs: &[(String, String)]) -> Entries {
    pairs.iter().map(|(key, value)| entry(key, value)).collect()
}

fn of_parts(parts: &Parts) -> Entries {
    let body = parts.body.as_deref().map(String::from_utf8_lossy);
    let texts = [
        ("path", parts.path.clone()),
        ("method", parts.method.clone()),
        ("status", parts.status.map(|status| status.to_string())),
        ("body", body.map(|body| body.into_owned())),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(key, value)| Some(entry(key, value?)));
    let mut fields: Entries = texts.collect();
    for (key, of) in [("queries", &parts.queries), ("headers", &parts.headers)] {
        if !of.is_empty() {
            fields.push((key.to_owned(), Tree::Map(pairs(of))));
        }
    }
    fields
}

fn of_dns(rule: &dns::Rule) -> Entries {
    let answer = match rule.effect {
        dns::Effect::Error => "error",
        dns::Effect::Random => "random",
    };
    let mut fields = vec![entry("answer", answer)];
    if !rule.patterns.is_empty() {
        let names = Tree::texts(rule.patterns.iter().map(String::as_str));
        fields.push(("names".to_owned(), names));
    }
    fields
}
