//! NetworkChaos: netem, a bottleneck (tbf), or a partition (iptables' DROP: silence).

use std::time::Duration;

use squall_fault::link::{Chance, Distribution, Loss, Rate, Reorder};
use squall_fault::{Delay, LinkFault};

use crate::document::{Chaos, Context, Direction, Fault, lasts};
use crate::quantity::{Typed, bytes_per_second, named};
use crate::select::{self, Who};
use crate::yaml::{Expect, Fields, Node, Problems};

/// netem's own queue, in packets (sch_netem.c: 1000), times a full packet.
const NETEM_QUEUE_BYTES: u64 = 1_000 * 1_500;

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    const ACTIONS: [&str; 7] = [
        "netem",
        "delay",
        "loss",
        "duplicate",
        "corrupt",
        "partition",
        "bandwidth",
    ];
    let line = fields.line;
    let action = fields
        .require("action", "write for example `action: delay`", problems)
        .and_then(|node| node.word("action", &ACTIONS, problems));
    let who = select::read(fields, context.namespace.as_ref(), false, problems);
    let lasts = lasts(fields, context, problems);
    let netem = read_netem(fields, problems);
    let bandwidth_node = fields.take("bandwidth");
    let bandwidth = bandwidth_node.and_then(|node| read_bandwidth(node, problems));
    let is_partition = action == Some("partition");
    let (direction, peers) = read_peers(fields, context, is_partition, problems);
    for key in ["device", "targetDevice"] {
        let Some(node) = fields.take(key) else {
            continue;
        };
        if let Some(device) = node.string(key, problems)
            && device != "eth0"
        {
            let message = format!("`{key}: {device}`, and a machine has one interface, eth0");
            problems.add(node.line, message, "leave it out");
        }
    }
    let action = action?;
    let faults = match action {
        "partition" | "bandwidth" => {
            for (key, line, _) in &netem {
                let message = format!("`{key}` means nothing with `action: {action}`");
                let help = match action {
                    "bandwidth" => "tbf and netem exclude each other; write a document for each",
                    _ => "leave it out, or write `action: netem`",
                };
                problems.add(*line, message, help);
            }
            match (action, bandwidth) {
                ("partition", _) => vec![LinkFault::Cut],
                (_, Some(rate)) => vec![LinkFault::Rate(rate)],
                (_, None) => {
                    if bandwidth_node.is_none() {
                        missing(line, action, problems);
                    }
                    return None;
                }
            }
        }
        _ => {
            let wanted = netem.iter().any(|(key, ..)| *key == action);
            if !wanted && (action != "netem" || netem.is_empty()) {
                missing(line, action, problems);
            }
            netem.into_iter().flat_map(|(.., faults)| faults).collect()
        }
    };
    if let Some(node) = bandwidth_node
        && action != "bandwidth"
    {
        problems.add(
            node.line,
            format!("`bandwidth` means nothing with `action: {action}`"),
            "tbf and netem exclude each other; write a document with `action: bandwidth`, or \
             netem's `rate: {rate: 1mbps}`",
        );
    }
    Some(Chaos {
        kind: "NetworkChaos",
        who: Who::Selected(who?),
        fault: Fault::Links {
            direction,
            peers,
            faults,
        },
        lasts,
    })
}

fn missing(line: u32, action: &str, problems: &mut Problems) {
    let (message, help) = match action {
        "netem" => (
            "`action: netem` without any of its parameters".to_owned(),
            "write `delay`, `loss`, `duplicate`, `corrupt` or `rate`".to_owned(),
        ),
        _ => (
            format!("`action: {action}` has no `{action}`"),
            format!("write `{action}: …`"),
        ),
    };
    problems.add(line, message, help);
}

/// What netem is told: each key with its line. Whatever of these is there counts, whichever of
/// netem's actions is named (controllers/podnetworkchaos).
type Netem = Vec<(&'static str, u32, Vec<LinkFault>)>;

fn read_netem(fields: &mut Fields<'_>, problems: &mut Problems) -> Netem {
    let mut netem = Netem::new();
    if let Some(node) = fields.take("delay") {
        netem.push((
            "delay",
            node.line,
            read_delay(node, problems).unwrap_or_default(),
        ));
    }
    for key in ["loss", "duplicate", "corrupt"] {
        if let Some(node) = fields.take(key) {
            let chance = node
                .fields("spec's chance", problems)
                .and_then(|mut fields| {
                    let chance = read_chance(&mut fields, key, problems);
                    fields.finish(problems);
                    chance
                });
            let fault = chance.map(|chance| match key {
                "loss" => LinkFault::Loss(Loss::Random(chance)),
                "duplicate" => LinkFault::Duplicate(chance),
                _ => LinkFault::Corrupt(chance),
            });
            netem.push((key, node.line, fault.into_iter().collect()));
        }
    }
    if let Some(node) = fields.take("rate") {
        let rate = node.fields("spec.rate", problems).and_then(|mut fields| {
            let rate = fields.require("rate", "write `rate: 1mbps`", problems);
            fields.finish(problems);
            read_rate(rate?, problems)
        });
        let fault = rate.map(|bytes_per_second| {
            LinkFault::Rate(Rate {
                bytes_per_second,
                burst_bytes: 0,
                queue_bytes: NETEM_QUEUE_BYTES,
            })
        });
        netem.push(("rate", node.line, fault.into_iter().collect()));
    }
    netem
}

fn read_chance(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Chance> {
    let help = format!("say how often: `{key}: '25'`");
    let node = fields.require(key, &help, problems);
    let correlation = correlation(fields, problems);
    Some(Chance {
        probability: node?.percentage(key, problems)?,
        correlation,
    })
}

fn correlation(fields: &mut Fields<'_>, problems: &mut Problems) -> f64 {
    fields
        .take("correlation")
        .and_then(|node| node.percentage("correlation", problems))
        .unwrap_or(0.0)
}

fn read_delay(node: &Node, problems: &mut Problems) -> Option<Vec<LinkFault>> {
    let mut fields = node.fields("spec.delay", problems)?;
    let latency = fields.require("latency", "say how long: `latency: 10ms`", problems);
    let latency = latency.and_then(|node| node.duration("latency", problems));
    let jitter = fields
        .take("jitter")
        .and_then(|node| node.duration("jitter", problems));
    let correlation = correlation(&mut fields, problems);
    let reorder = fields
        .take("reorder")
        .and_then(|node| read_reorder(node, problems));
    fields.finish(problems);
    let mut faults = vec![LinkFault::Delay(Delay {
        latency: latency?,
        jitter: jitter.unwrap_or(Duration::ZERO),
        distribution: Distribution::Uniform,
        correlation,
    })];
    faults.extend(reorder.map(LinkFault::Reorder));
    Some(faults)
}

fn read_reorder(node: &Node, problems: &mut Problems) -> Option<Reorder> {
    let mut fields = node.fields("spec.delay.reorder", problems)?;
    let chance = read_chance(&mut fields, "reorder", problems);
    let gap = fields
        .take("gap")
        .and_then(|node| node.integer("gap", 0, 1_000_000, problems));
    fields.finish(problems);
    Some(Reorder {
        chance: chance?,
        gap: gap.unwrap_or(0) as u32,
    })
}

fn read_rate(node: &Node, problems: &mut Problems) -> Option<u64> {
    let text = node.string("rate", problems)?;
    let rate = bytes_per_second(text).map_err(|bad| named("rate", bad));
    problems.quantity(node.line, rate)
}

fn read_bandwidth(node: &Node, problems: &mut Problems) -> Option<Rate> {
    let mut fields = node.fields("spec.bandwidth", problems)?;
    let rate = fields
        .require("rate", "write `rate: 1mbps`", problems)
        .and_then(|node| read_rate(node, problems));
    let mut bytes = |key, help| {
        let node = fields.require(key, help, problems)?;
        node.integer(key, 1, u64::from(u32::MAX), problems)
    };
    let limit = bytes("limit", "say how many bytes may wait: `limit: 20971520`");
    let buffer = bytes(
        "buffer",
        "say how many bytes may pass at once: `buffer: 10000`",
    );
    for key in ["peakrate", "minburst"] {
        fields.refuse(
            key,
            "there is one token bucket, without a second for peaks",
            "leave it out",
            problems,
        );
    }
    fields.finish(problems);
    Some(Rate {
        bytes_per_second: rate?,
        burst_bytes: buffer?,
        queue_bytes: limit?,
    })
}

/// `direction`, `target` and `externalTargets`.
fn read_peers(
    fields: &mut Fields<'_>,
    context: &Context,
    is_partition: bool,
    problems: &mut Problems,
) -> (Direction, Vec<Who>) {
    let direction_node = fields.take("direction");
    let word =
        direction_node.and_then(|node| node.word("direction", &["to", "from", "both"], problems));
    let direction = match word {
        Some("from") => Direction::From,
        Some("both") => Direction::Both,
        _ => Direction::To,
    };
    let target_node = fields.take("target");
    let target = target_node.and_then(|node| {
        let mut fields = node.fields("spec.target", problems)?;
        let who = select::read(&mut fields, context.namespace.as_ref(), false, problems);
        fields.finish(problems);
        who
    });
    let external_node = fields.take("externalTargets");
    let external = select::texts(external_node, "externalTargets", problems);
    for one in &external {
        let bad = one.value.contains(['/', ':']);
        if bad {
            problems.add(
                one.line,
                format!("`{}` is neither a name nor an address", one.value),
                "networks and ports are not told apart here; write a name or one IPv4 address",
            );
        }
    }
    if let Some(node) = direction_node
        && direction != Direction::To
        && !is_partition
    {
        if external_node.is_some() {
            let message = "`externalTargets` go with `direction: to` only";
            problems.add(node.line, message, "write `direction: to`");
        } else if target_node.is_none() {
            let message = "netem needs a `target` for any direction but `to`";
            problems.add(node.line, message, "write a `target`, or `direction: to`");
        }
    }
    let mut peers: Vec<Who> = target.map(Who::Selected).into_iter().collect();
    if !external.is_empty() {
        peers.push(Who::Named(external));
    }
    (direction, peers)
}
