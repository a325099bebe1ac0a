//! The short forms of what is wrong with machines.

use std::time::Duration;

use squall_fault::clock::Skew;
use squall_fault::cpu::Stressor;
use squall_fault::disk::{self, Filling, Operation};
use squall_fault::http::{self, Matches, Parts, Side};
use squall_fault::{MachineFault, dns};

use super::{Act, names};
use crate::file::link::percent;
use crate::file::{Located, duration};
use crate::units;
use crate::yaml::{self, Expect, Fields, Node, Problems};

/// Error numbers by name (errno.h of Linux).
pub const ERRORS: [(&str, i32); 10] = [
    ("ENOENT", 2),
    ("EINTR", 4),
    ("EIO", 5),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EMFILE", 24),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("EDQUOT", 122),
];

/// More loops than this are a slip of the pen.
const WORKERS_MAX: u32 = 1_000;

pub(super) fn read(name: &'static str, node: &Node, problems: &mut Problems) -> Option<Act> {
    let mut fields = node.fields(name, problems)?;
    let of: Option<Vec<Located<String>>> = fields
        .require("of", "say whose: `of: NAME`", problems)
        .and_then(|node| names(node, "of", problems));
    let fault = match name {
        "stress" => read_stress(&mut fields, problems).map(MachineFault::Stress),
        "disk" => read_disk(&mut fields, problems).map(MachineFault::Disk),
        "clock" => read_clock(&mut fields, problems).map(MachineFault::Clock),
        "http" => read_http(&mut fields, problems).map(MachineFault::Http),
        _ => read_dns(&mut fields, problems).map(MachineFault::Dns),
    };
    fields.finish(problems);
    Some(Act::Machine(of?, fault?))
}

/// `cpu: 2` loops with a `load` of 90% each.
fn read_stress(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<Stressor>> {
    let workers = fields.require("cpu", "say how many loops: `cpu: 2`", problems);
    let load = percent(fields, "load", problems).unwrap_or(1.0);
    let node = workers?;
    let workers = node.text().and_then(|text| text.parse().ok());
    let workers = workers.filter(|workers| (1..=WORKERS_MAX).contains(workers));
    if workers.is_none() {
        let help = format!("write a whole number from 1 to {WORKERS_MAX}");
        problems.add(node.line, "cpu is no number of loops", help);
    }
    Some(vec![Stressor {
        workers: workers?,
        load,
    }])
}

/// One of `slow`, `errors`, `full` and `mistake`; for which files and operations, and how often.
fn read_disk(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<disk::Rule>> {
    let line = fields.line;
    let slow = duration(fields, "slow", problems).map(disk::Effect::Delay);
    let errors = fields
        .take("errors")
        .and_then(|node| read_errno(node, problems));
    let full = flag(fields, "full", problems);
    let mistake = fields
        .take("mistake")
        .and_then(|node| read_mistake(node, problems));
    let probability = percent(fields, "percent", problems).unwrap_or(1.0);
    let path = text(fields, "path", problems);
    let mut operations = Vec::new();
    if let Some(node) = fields.take("operations") {
        for (line, name) in node.expect_texts("operations", problems) {
            let known = Operation::ALL.map(Operation::name);
            match Operation::ALL.iter().find(|known| known.name() == name) {
                Some(operation) => operations.push(*operation),
                None => problems.add(
                    line,
                    format!("no operation `{name}`"),
                    yaml::suggestion(&name, &known),
                ),
            }
        }
    }
    const ENOSPC: disk::Effect = disk::Effect::Errno(28);
    let effects: Vec<disk::Effect> = [slow, errors, full.then_some(ENOSPC), mistake]
        .into_iter()
        .flatten()
        .collect();
    let [effect] = effects[..] else {
        problems.add(
            line,
            format!(
                "`disk` says {} things that are wrong with it",
                effects.len()
            ),
            "write one of `slow: 20ms`, `errors: EIO`, `full: true`, `mistake: …`",
        );
        return None;
    };
    if full && operations.is_empty() {
        operations.push(Operation::Append);
    }
    Some(vec![disk::Rule {
        path,
        operations,
        probability,
        effect,
    }])
}

fn read_errno(node: &Node, problems: &mut Problems) -> Option<disk::Effect> {
    let name = node.expect_text("errors", problems)?;
    let known = ERRORS.iter().find(|(known, _)| *known == name);
    let number = known.map(|(_, number)| *number).or_else(|| {
        let number = name.parse().ok();
        number.filter(|number| (1..=133).contains(number))
    });
    if number.is_none() {
        let help = yaml::suggestion(name, &ERRORS.map(|(name, _)| name));
        problems.add(node.line, format!("no error `{name}`"), help);
    }
    number.map(disk::Effect::Errno)
}

fn read_mistake(node: &Node, problems: &mut Problems) -> Option<disk::Effect> {
    let mut fields = node.fields("mistake", problems)?;
    let filling = text(&mut fields, "filling", problems);
    let occurrences_max = number(&mut fields, "occurrences", problems);
    let length_max = number(&mut fields, "length", problems);
    fields.finish(problems);
    let filling = match filling.as_deref() {
        Some("zero") => Filling::Zero,
        Some("random") | None => Filling::Random,
        Some(other) => {
            let help = "write `zero` or `random`";
            problems.add(node.line, format!("no filling `{other}`"), help);
            return None;
        }
    };
    Some(disk::Effect::Mistake {
        filling,
        occurrences_max: occurrences_max.unwrap_or(1),
        length_max: length_max.unwrap_or(1),
    })
}

/// `offset` and `drift`.
fn read_clock(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Skew> {
    let line = fields.line;
    let offset = fields.take("offset").and_then(|node| {
        let text = node.expect_text("offset", problems)?;
        let (negative, offset) = problems.quantity(node.line, units::signed_duration(text))?;
        let nanos = i64::try_from(offset.as_nanos()).unwrap_or(i64::MAX);
        Some(if negative { -nanos } else { nanos })
    });
    let drift = fields.take("drift").and_then(|node| {
        let text = node.expect_text("drift", problems)?;
        problems.quantity(node.line, units::drift_ppm(text))
    });
    if offset.is_none() && drift.is_none() {
        let help = "write `offset: -5m` or `drift: 100ppm`";
        problems.add(line, "`clock` does not say how it is wrong", help);
        return None;
    }
    Some(Skew {
        offset_ns: offset.unwrap_or(0),
        drift_ppm: drift.unwrap_or(0.0),
    })
}

/// HTTPChaos' fields by names without a format's history.
fn read_http(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<http::Rule>> {
    let line = fields.line;
    let port = fields.require("port", "say on which port: `port: 80`", problems);
    let port = port.and_then(|node| {
        let port = node.text().and_then(|text| text.parse().ok());
        let port = port.filter(|port| *port != 0);
        if port.is_none() {
            problems.add(node.line, "port is no port", "write `port: 80`");
        }
        port
    });
    let side = match text(fields, "side", problems).as_deref() {
        None | Some("request") => Side::Request,
        Some("response") => Side::Response,
        Some(other) => {
            let help = "write `request` or `response`";
            problems.add(line, format!("no side `{other}`"), help);
            return None;
        }
    };
    let matches = Matches {
        path: text(fields, "path", problems),
        method: text(fields, "method", problems),
        status: status(fields, problems),
        request_headers: pairs(fields, "request_headers", problems),
        response_headers: pairs(fields, "response_headers", problems),
    };
    if side == Side::Request && (matches.status.is_some() || !matches.response_headers.is_empty()) {
        problems.add(
            line,
            "`status` and `response_headers` tell responses apart",
            "write `side: response`",
        );
    }
    let probability = percent(fields, "percent", problems).unwrap_or(1.0);
    let abort = flag(fields, "abort", problems);
    let delay: Option<Duration> = duration(fields, "delay", problems);
    let answer = number(fields, "answer", problems);
    let mut parts = |key| {
        let node = fields.take(key)?;
        read_parts(node, key, problems)
    };
    let replace = parts("replace").unwrap_or_default();
    let patch = parts("patch").unwrap_or_default();
    let answer = answer.and_then(|status| u16::try_from(status).ok());
    let effect = http::Effect {
        abort,
        delay,
        answer,
        replace,
        patch,
    };
    if effect == http::Effect::default() {
        problems.add(
            line,
            "`http` does nothing to the messages",
            "write `abort: true`, `delay: 1s`, `answer: 503`, `replace: …` or `patch: …`",
        );
    }
    Some(vec![http::Rule {
        port: Some(port?),
        side,
        matches,
        probability,
        effect,
    }])
}

fn read_parts(node: &Node, what: &'static str, problems: &mut Problems) -> Option<Parts> {
    let mut fields = node.fields(what, problems)?;
    let parts = Parts {
        path: text(&mut fields, "path", problems),
        method: text(&mut fields, "method", problems),
        status: status(&mut fields, problems),
        body: text(&mut fields, "body", problems).map(String::into_bytes),
        queries: pairs(&mut fields, "queries", problems),
        headers: pairs(&mut fields, "headers", problems),
    };
    fields.finish(problems);
    Some(parts)
}

/// `answer: error` or `random`, for `names` with patterns.
fn read_dns(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<dns::Rule>> {
    let node = fields.require("answer", "write `answer: error` or `random`", problems);
    let patterns = fields
        .take("names")
        .map(|node| node.expect_texts("names", problems))
        .unwrap_or_default();
    for (line, pattern) in &patterns {
        if pattern.find('*').is_some_and(|at| at + 1 < pattern.len()) {
            let message = format!("`{pattern}` has a * that is not its last character");
            problems.add(*line, message, "write for example `postgres*`");
        }
    }
    let node = node?;
    let effect = match node.expect_text("answer", problems)? {
        "error" => dns::Effect::Error,
        "random" => dns::Effect::Random,
        other => {
            let help = "write `error` or `random`";
            problems.add(node.line, format!("no answer `{other}`"), help);
            return None;
        }
    };
    Some(vec![dns::Rule {
        patterns: patterns.into_iter().map(|(_, pattern)| pattern).collect(),
        effect,
    }])
}

fn text(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let node = fields.take(key)?;
    node.expect_text(key, problems).map(str::to_owned)
}

fn status(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u16> {
    let status = number(fields, "status", problems)?;
    u16::try_from(status).ok()
}

fn number(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<u32> {
    let node = fields.take(key)?;
    let is_status = key == "status" || key == "answer";
    let bounds = if is_status { 100..=599 } else { 1..=u32::MAX };
    let read = node.text().and_then(|text| text.parse().ok());
    let read = read.filter(|number| bounds.contains(number));
    if read.is_none() {
        let help = format!(
            "write a whole number from {} to {}",
            bounds.start(),
            bounds.end()
        );
        problems.add(node.line, format!("{key} is no such number"), help);
    }
    read
}

fn flag(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> bool {
    let Some(node) = fields.take(key) else {
        return false;
    };
    let is_true = node.text() == Some("true");
    if !is_true {
        problems.add(
            node.line,
            format!("{key} can only be true"),
            "leave it out, or write true",
        );
    }
    is_true
}

fn pairs(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let entries = fields.take(key).map(|node| node.expect_map(key, problems));
    let entries = entries.unwrap_or_default().iter();
    entries
        .filter_map(|(name, node)| {
            let value = node.expect_text(key, problems)?;
            Some((name.text.clone(), value.to_owned()))
        })
        .collect()
}
