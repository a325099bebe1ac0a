//! HTTPChaos: requests that come to a port of the pod, and the responses to them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use squall_fault::MachineFault;
use squall_fault::http::{Effect, Matches, Parts, Rule, Side};

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{Expect, Fields, Node, Problems, Value};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    let line = fields.line;
    let who = select::read(fields, context.namespace.as_ref(), false, problems);
    let lasts = lasts(fields, context, problems);
    let side = fields
        .require("target", "write `target: Request` or `Response`", problems)
        .and_then(|node| node.word("target", &["Request", "Response"], problems));
    let side = side.map(|word| match word {
        "Request" => Side::Request,
        _ => Side::Response,
    });
    let port = fields
        .require(
            "port",
            "name the port that the service listens on: `port: 80`",
            problems,
        )
        .and_then(|node| node.integer("port", 1, 65_535, problems));
    for (wrong, right) in [
        ("requestHeaders", "request_headers"),
        ("responseHeaders", "response_headers"),
    ] {
        if let Some(node) = fields.take(wrong) {
            let message = format!("unknown key `{wrong}` in spec");
            problems.add(node.line, message, format!("did you mean `{right}`?"));
        }
    }
    fields.refuse(
        "tls",
        "nothing here speaks TLS",
        "leave it out, and let clients speak plain HTTP",
        problems,
    );
    let code_node = fields.take("code");
    let response_headers_node = fields.take("response_headers");
    let path = fields
        .take("path")
        .and_then(|node| node.string("path", problems));
    let method = fields.take("method");
    let method = method.and_then(|node| node.word("method", &METHODS, problems));
    let matches = Matches {
        path: path.map(str::to_owned),
        method: method.map(str::to_owned),
        status: code_node
            .and_then(|node| node.integer("code", 100, 599, problems))
            .map(|code| code as u16),
        request_headers: select::pairs(fields.take("request_headers"), "request_headers", problems),
        response_headers: select::pairs(response_headers_node, "response_headers", problems),
    };
    if side == Some(Side::Request) {
        for (key, node) in [
            ("code", code_node),
            ("response_headers", response_headers_node),
        ] {
            if let Some(node) = node {
                let message =
                    format!("`{key}` tells responses apart, and the target is the request");
                problems.add(
                    node.line,
                    message,
                    "leave it out, or write `target: Response`",
                );
            }
        }
    }
    let abort_node = fields.take("abort");
    let abort = abort_node.and_then(|node| node.boolean("abort", problems));
    let delay = fields
        .take("delay")
        .and_then(|node| node.duration("delay", problems));
    let replace = fields
        .take("replace")
        .and_then(|node| read_replace(node, side, problems));
    let patch = fields
        .take("patch")
        .and_then(|node| read_patch(node, side, problems));
    let effect = Effect {
        abort: abort.unwrap_or(false),
        delay,
        answer: None,
        replace: replace.unwrap_or_default(),
        patch: patch.unwrap_or_default(),
    };
    if effect == Effect::default() && problems.is_empty() {
        problems.add(
            line,
            "nothing is done to the messages",
            "write `abort: true`, `delay: 1s`, `replace: …` or `patch: …`",
        );
    }
    Some(Chaos {
        kind: "HTTPChaos",
        who: Who::Selected(who?),
        fault: Fault::Machine(MachineFault::Http(vec![Rule {
            port: Some(port? as u16),
            side: side?,
            matches,
            probability: 1.0,
            effect,
        }])),
        lasts,
    })
}

/// A part that only the other side's messages have.
fn only(of: Side, key: &str, node: &Node, side: Option<Side>, problems: &mut Problems) {
    if side.is_some_and(|side| side != of) {
        let (has, target) = match of {
            Side::Request => ("a response has none", "Request"),
            Side::Response => ("a request has none", "Response"),
        };
        let help = format!("leave it out, or write `target: {target}`");
        problems.add(node.line, format!("`{key}`: {has}"), help);
    }
}

fn read_replace(node: &Node, side: Option<Side>, problems: &mut Problems) -> Option<Parts> {
    let mut fields = node.fields("spec.replace", problems)?;
    let mut of = |key, side_of, problems: &mut Problems| {
        let node = fields.take(key)?;
        only(side_of, key, node, side, problems);
        Some(node)
    };
    let path = of("path", Side::Request, problems);
    let method = of("method", Side::Request, problems);
    let queries = of("queries", Side::Request, problems);
    let code = of("code", Side::Response, problems);
    let body = fields.take("body").and_then(|node| {
        let text = node.string("body", problems)?;
        let bytes = STANDARD.decode(text.trim()).ok();
        if bytes.is_none() {
            let help = format!("write '{}'", STANDARD.encode(text));
            problems.add(node.line, "body is not base64", help);
        }
        bytes
    });
    let headers = select::pairs(fields.take("headers"), "headers", problems);
    fields.finish(problems);
    let path = path.and_then(|node| node.string("path", problems));
    let method = method.and_then(|node| node.word("method", &METHODS, problems));
    Some(Parts {
        path: path.map(str::to_owned),
        method: method.map(str::to_owned),
        status: code
            .and_then(|node| node.integer("code", 100, 599, problems))
            .map(|code| code as u16),
        body,
        queries: select::pairs(queries, "queries", problems),
        headers,
    })
}

fn read_patch(node: &Node, side: Option<Side>, problems: &mut Problems) -> Option<Parts> {
    let mut fields = node.fields("spec.patch", problems)?;
    let body = fields.take("body").and_then(|node| {
        let mut fields = node.fields("spec.patch.body", problems)?;
        fields
            .require("type", "write `type: JSON`", problems)
            .and_then(|node| node.word("type", &["JSON"], problems));
        let value = fields.require("value", "write `value: '{\"a\": 1}'`", problems);
        fields.finish(problems);
        Some(value?.string("value", problems)?.as_bytes().to_vec())
    });
    let queries = fields.take("queries");
    if let Some(node) = queries {
        only(Side::Request, "queries", node, side, problems);
    }
    let queries = list_of_pairs(queries, "queries", problems);
    let headers = list_of_pairs(fields.take("headers"), "headers", problems);
    fields.finish(problems);
    Some(Parts {
        body,
        queries,
        headers,
        ..Parts::default()
    })
}

/// `[[name, value], …]`.
fn list_of_pairs(
    node: Option<&Node>,
    what: &str,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for node in node.expect_list(what, problems) {
        if let Value::List(pair) = &node.value
            && let [name, value] = pair.as_slice()
        {
            let name = name.string(what, problems);
            let value = value.string(what, problems);
            pairs.extend(name.zip(value).map(|(n, v)| (n.to_owned(), v.to_owned())));
        } else {
            let message = format!("an entry of `{what}` is no pair");
            problems.add(node.line, message, "write `- [NAME, VALUE]`");
        }
    }
    pairs
}
