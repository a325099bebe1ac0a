//! Istio's VirtualService: its `fault`, and of the rest as much as says whom that befalls.
//!
//! There is no mesh here: the fault sits in front of the service's port, and befalls requests from
//! any machine. What else a route would do (timeouts, retries, other destinations) is refused;
//! Istio's own routes have neither timeout nor retries once they have a fault.

use std::time::Duration;

use squall_fault::MachineFault;
use squall_fault::http::{Effect, Matches, Rule, Side};

use crate::document::{Chaos, Fault};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{Expect, Fields, Located, Node, Problems, Value};

/// The shortest delay that Istio takes.
const DELAY_MIN: Duration = Duration::from_millis(1);

/// What a route may say beside its fault, and would not be done.
const ROUTING: [&str; 10] = [
    "redirect",
    "directResponse",
    "delegate",
    "rewrite",
    "timeout",
    "retries",
    "mirror",
    "mirrors",
    "corsPolicy",
    "headers",
];

pub(crate) fn read(spec: &Node, problems: &mut Problems) -> Option<Chaos> {
    let mut fields = spec.fields("spec", problems)?;
    let hosts: Vec<Located<String>> = fields
        .require("hosts", "name the service: `hosts: [NAME]`", problems)
        .map(|node| select::texts(Some(node), "hosts", problems))
        .unwrap_or_default()
        .into_iter()
        .map(|host| service(host, problems))
        .collect();
    only_mesh(fields.take("gateways"), problems);
    for key in ["tls", "tcp"] {
        fields.refuse(key, "faults are for HTTP", "leave it out", problems);
    }
    for key in ["exportTo", "workloadSelector"] {
        fields.refuse(key, "there is no mesh", "leave it out", problems);
    }
    let routes = fields
        .require(
            "http",
            "say what goes wrong: `http: [{fault: …}]`",
            problems,
        )
        .map(|node| node.expect_list("http", problems))
        .unwrap_or_default();
    fields.finish(problems);
    let mut rules = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        let read = read_route(route, &hosts, problems).unwrap_or_default();
        if at > 0 && !read.is_empty() {
            problems.add(
                route.line,
                "a fault behind another route: which requests it befalls depends on the first",
                "put the fault first, one in each VirtualService",
            );
        }
        rules.extend(read);
    }
    if rules.is_empty() && problems.is_empty() {
        problems.add(
            spec.line,
            "this VirtualService has no fault",
            "write `fault: {abort: {percentage: {value: 50}, httpStatus: 503}}`",
        );
    }
    Some(Chaos {
        kind: "VirtualService",
        who: Who::Named(hosts),
        fault: Fault::Machine(MachineFault::Http(rules)),
        lasts: None,
    })
}

/// A service by its short name.
fn service(mut host: Located<String>, problems: &mut Problems) -> Located<String> {
    if host.value.contains('*') {
        let message = format!("the host `{}` may be anybody", host.value);
        problems.add(host.line, message, "name each service");
    }
    let is_full = host.value.ends_with(".svc") || host.value.ends_with(".svc.cluster.local");
    if let Some((name, _)) = host.value.split_once('.').filter(|_| is_full) {
        host.value = name.to_owned();
    }
    host
}

fn only_mesh(node: Option<&Node>, problems: &mut Problems) {
    for gateway in select::texts(node, "gateways", problems) {
        if gateway.value != "mesh" {
            let message = format!("the gateway `{}` is not honoured", gateway.value);
            problems.add(
                gateway.line,
                message,
                "leave `gateways` out: every caller is concerned",
            );
        }
    }
}

fn read_route(
    node: &Node,
    hosts: &[Located<String>],
    problems: &mut Problems,
) -> Option<Vec<Rule>> {
    let mut fields = node.fields("a route", problems)?;
    fields.take("name");
    for key in ROUTING {
        fields.refuse(
            key,
            "there is no mesh that would do it",
            "leave it out",
            problems,
        );
    }
    let mut port = None;
    if let Some(node) = fields.take("route") {
        let destinations = node.expect_list("route", problems);
        for destination in destinations {
            let found = read_destination(destination, hosts, destinations.len(), problems);
            port = port.or(found);
        }
    }
    let matches = read_matches(fields.take("match"), problems);
    let fault = fields.take("fault");
    fields.finish(problems);
    let fault_node = fault?;
    let effects = read_fault(fault_node, problems);
    let mut rules = Vec::new();
    for (matches, match_port) in matches {
        rules.extend(effects.iter().map(|(probability, effect)| Rule {
            port: match_port.or(port),
            side: Side::Request,
            matches: matches.clone(),
            probability: *probability,
            effect: effect.clone(),
        }));
    }
    Some(rules)
}

/// The port of a destination, which must be the service itself.
fn read_destination(
    node: &Node,
    hosts: &[Located<String>],
    count: usize,
    problems: &mut Problems,
) -> Option<u16> {
    let mut fields = node.fields("a destination of a route", problems)?;
    if let Some(weight) = fields.take("weight")
        && count > 1
    {
        let message = "`weight` between destinations is not honoured: there is no mesh";
        problems.add(
            weight.line,
            message,
            "leave one destination, the service itself",
        );
    }
    fields.refuse(
        "headers",
        "there is no mesh that would do it",
        "leave it out",
        problems,
    );
    let destination = fields.require("destination", "write `destination: {host: NAME}`", problems);
    fields.finish(problems);
    let mut fields = destination?.fields("destination", problems)?;
    if let Some(node) = fields.require("host", "name the service: `host: NAME`", problems)
        && let Some(host) = node.string("host", problems)
    {
        let located = Located {
            line: node.line,
            value: host.to_owned(),
        };
        let host = service(located, problems);
        if !hosts.iter().any(|known| known.value == host.value) {
            let message = format!("requests are not led to `{}`: there is no mesh", host.value);
            problems.add(host.line, message, "write one of `hosts`");
        }
    }
    fields.refuse("subset", "there are no subsets", "leave it out", problems);
    let port = fields.take("port");
    fields.finish(problems);
    let mut fields = port?.fields("destination.port", problems)?;
    let number = fields.require("number", "write `port: {number: 80}`", problems);
    fields.finish(problems);
    let number = number?.integer("number", 1, 65_535, problems)?;
    Some(number as u16)
}

/// What requests must be like, any of these; each with its port if it has one.
fn read_matches(node: Option<&Node>, problems: &mut Problems) -> Vec<(Matches, Option<u16>)> {
    let Some(node) = node else {
        return vec![(Matches::default(), None)];
    };
    let nodes = node.expect_list("match", problems).iter();
    nodes
        .filter_map(|node| read_match(node, problems))
        .collect()
}

fn read_match(node: &Node, problems: &mut Problems) -> Option<(Matches, Option<u16>)> {
    let mut fields = node.fields("a match", problems)?;
    fields.take("name");
    only_mesh(fields.take("gateways"), problems);
    let nobody = "the fault sits in front of the service, whoever asks";
    for key in ["sourceLabels", "sourceNamespace"] {
        fields.refuse(key, nobody, "leave it out", problems);
    }
    for key in [
        "scheme",
        "authority",
        "queryParams",
        "ignoreUriCase",
        "withoutHeaders",
        "statPrefix",
    ] {
        let help = "match by `uri`, `method`, `headers` or `port`";
        fields.refuse(key, "requests are not told apart by it", help, problems);
    }
    let path = fields
        .take("uri")
        .and_then(|node| string_match("uri", node, true, problems));
    let method = fields
        .take("method")
        .and_then(|node| string_match("method", node, false, problems));
    let mut request_headers = Vec::new();
    if let Some(node) = fields.take("headers") {
        for (key, value) in node.expect_map("headers", problems) {
            let value = string_match("headers", value, false, problems);
            request_headers.extend(value.map(|value| (key.text.clone(), value)));
        }
    }
    let port = fields
        .take("port")
        .and_then(|node| node.integer("port", 1, 65_535, problems))
        .map(|port| port as u16);
    fields.finish(problems);
    let matches = Matches {
        path,
        method,
        request_headers,
        ..Matches::default()
    };
    Some((matches, port))
}

/// `{exact: …}`, and where patterns are possible `{prefix: …}`.
fn string_match(
    what: &'static str,
    node: &Node,
    patterns: bool,
    problems: &mut Problems,
) -> Option<String> {
    let mut fields = node.fields(what, problems)?;
    let exact = fields
        .take("exact")
        .and_then(|node| node.string(what, problems));
    let prefix_node = fields.take("prefix");
    let help = if patterns {
        "write `exact` or `prefix`"
    } else {
        "write `exact`"
    };
    if let Some(node) = prefix_node.filter(|_| !patterns) {
        problems.add(
            node.line,
            format!("`prefix` in {what} is not honoured"),
            help,
        );
    }
    let prefix = prefix_node.and_then(|node| node.string(what, problems));
    fields.refuse(
        "regex",
        "there are only patterns with * and ?",
        help,
        problems,
    );
    fields.finish(problems);
    let text = exact.or(prefix);
    if text.is_none() && problems.is_empty() {
        problems.add(node.line, format!("{what} says nothing"), help);
    }
    if let Some(text) = text
        && patterns
        && text.contains(['*', '?', '['])
    {
        let message = format!("`{text}` in {what} would be taken for a pattern");
        problems.add(node.line, message, "there is no way to say it here");
    }
    match (exact, prefix) {
        (Some(exact), _) => Some(exact.to_owned()),
        (None, Some(prefix)) => Some(format!("{prefix}*")),
        (None, None) => None,
    }
}

/// Delay and abort draw each for itself (virtual_service.proto, `HTTPFaultInjection`).
fn read_fault(node: &Node, problems: &mut Problems) -> Vec<(f64, Effect)> {
    let Some(mut fields) = node.fields("fault", problems) else {
        return Vec::new();
    };
    let (delay, abort) = (fields.take("delay"), fields.take("abort"));
    fields.finish(problems);
    if delay.is_none() && abort.is_none() {
        problems.add(node.line, "the fault is empty", "write `delay` or `abort`");
    }
    let delay = delay.and_then(|node| read_delay(node, problems));
    let abort = abort.and_then(|node| read_abort(node, problems));
    delay.into_iter().chain(abort).collect()
}

fn read_delay(node: &Node, problems: &mut Problems) -> Option<(f64, Effect)> {
    let mut fields = node.fields("fault.delay", problems)?;
    let probability = percentage(&mut fields, problems);
    fields.refuse(
        "exponentialDelay",
        "Istio does not honour it either",
        "write `fixedDelay`",
        problems,
    );
    let fixed = fields.require("fixedDelay", "say how long: `fixedDelay: 5s`", problems);
    fields.finish(problems);
    let fixed = fixed?;
    let delay = fixed.duration("fixedDelay", problems)?;
    if delay < DELAY_MIN {
        problems.add(
            fixed.line,
            format!("fixedDelay is {delay:?}"),
            "write 1ms or more",
        );
    }
    let effect = Effect {
        delay: Some(delay),
        ..Effect::default()
    };
    Some((probability?, effect))
}

fn read_abort(node: &Node, problems: &mut Problems) -> Option<(f64, Effect)> {
    let mut fields = node.fields("fault.abort", problems)?;
    let probability = percentage(&mut fields, problems);
    for key in ["grpcStatus", "http2Error"] {
        let help = "write `httpStatus: 503`";
        fields.refuse(key, "only HTTP/1 is intercepted", help, problems);
    }
    let status = fields.require("httpStatus", "write `httpStatus: 503`", problems);
    fields.finish(problems);
    let status = status?.integer("httpStatus", 200, 599, problems)?;
    let effect = Effect {
        answer: Some(status as u16),
        ..Effect::default()
    };
    Some((probability?, effect))
}

/// `percentage.value`, a double from 0 to 100, as a fraction. Without it no request is concerned.
fn percentage(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<f64> {
    fields.refuse(
        "percent",
        "it is deprecated",
        "write `percentage: {value: 50}`",
        problems,
    );
    let Some(node) = fields.take("percentage") else {
        problems.warn(
            fields.line,
            format!(
                "{} has no `percentage`, so no request is concerned",
                fields.what()
            ),
            "write `percentage: {value: 100}` for all",
        );
        return Some(0.0);
    };
    let mut fields = node.fields("percentage", problems)?;
    let value = fields.take("value");
    fields.finish(problems);
    let Some(value) = value else {
        problems.warn(
            node.line,
            "percentage has no `value`, so no request is concerned",
            "write `percentage: {value: 100}` for all",
        );
        return Some(0.0);
    };
    let number: Option<f64> = match &value.value {
        Value::Number(number) => number.parse().ok(),
        _ => None,
    };
    let fraction = number
        .filter(|n| (0.0..=100.0).contains(n))
        .map(|n| n / 100.0);
    if fraction.is_none() {
        let help = "write a number from 0 to 100, without quotes";
        problems.add(value.line, "percentage.value is no percentage", help);
    }
    fraction
}
