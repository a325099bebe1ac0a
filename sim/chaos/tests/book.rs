//! The tables of fields in the book ("Faults"), held against the readers: what they call honoured
//! changes what is read, what they call an error is one, and no field is missing.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use squall_chaos::yaml::{Key, Node, Problems, Value, parse};
use squall_chaos::{Document, read_node};

const BOOK: &str = include_str!("../../../docs/src/faults.md");

/// Good specs of each kind; a row holds if it does for one of them.
const SPECS: [(&str, &[&str]); 10] = [
    (
        "PodChaos",
        &[
            "{action: pod-kill, mode: all, selector: {labelSelectors: {app: a}}}",
            "{action: container-kill, mode: all, containerNames: [c], selector: {labelSelectors: {app: a}}}",
            "{action: pod-failure, mode: fixed, value: '2', selector: {labelSelectors: {app: a}}}",
        ],
    ),
    (
        "NetworkChaos",
        &[
            "{action: delay, mode: all, selector: {labelSelectors: {app: a}}, delay: {latency: 5ms, reorder: {reorder: '1'}}}",
            "{action: loss, mode: all, selector: {labelSelectors: {app: a}}, loss: {loss: '1'}, duplicate: {duplicate: '1'}, corrupt: {corrupt: '1'}, rate: {rate: 1kbps}}",
            "{action: bandwidth, mode: fixed, value: '2', selector: {labelSelectors: {app: a}}, bandwidth: {rate: 1kbps, limit: 1, buffer: 1}}",
            "{action: partition, mode: all, selector: {labelSelectors: {app: a}}, target: {mode: fixed, value: '2', selector: {labelSelectors: {app: a}}}}",
            "{action: partition, mode: all, selector: {labelSelectors: {app: a}}, target: {mode: all, selector: {labelSelectors: {app: a}}}}",
            "{action: partition, mode: all, selector: {labelSelectors: {app: a}}}",
        ],
    ),
    (
        "StressChaos",
        &[
            "{mode: all, selector: {labelSelectors: {app: a}}, stressors: {cpu: {workers: 1}}}",
            "{mode: fixed, value: '2', selector: {labelSelectors: {app: a}}, stressors: {cpu: {workers: 1}}}",
        ],
    ),
    (
        "IOChaos",
        &[
            "{action: latency, mode: all, selector: {labelSelectors: {app: a}}, volumePath: /data, delay: 1s}",
            "{action: fault, mode: fixed, value: '2', selector: {labelSelectors: {app: a}}, volumePath: /data, errno: 5}",
            "{action: mistake, mode: all, selector: {labelSelectors: {app: a}}, volumePath: /data, mistake: {filling: zero, maxOccurrences: 1, maxLength: 1}}",
        ],
    ),
    (
        "TimeChaos",
        &[
            "{mode: all, selector: {labelSelectors: {app: a}}, timeOffset: 1h}",
            "{mode: fixed, value: '2', selector: {labelSelectors: {app: a}}, timeOffset: 1h}",
        ],
    ),
    (
        "HTTPChaos",
        &[
            "{mode: all, selector: {labelSelectors: {app: a}}, target: Request, port: 80, delay: 1s, replace: {method: POST}, patch: {body: {type: JSON, value: '{}'}}}",
            "{mode: fixed, value: '2', selector: {labelSelectors: {app: a}}, target: Response, port: 80, delay: 1s, replace: {code: 500}}",
            "{mode: all, selector: {labelSelectors: {app: a}}, target: Request, port: 80, delay: 1s}",
        ],
    ),
    (
        "DNSChaos",
        &[
            "{action: error, mode: all, selector: {labelSelectors: {app: a}}}",
            "{action: error, mode: fixed, value: '2', selector: {labelSelectors: {app: a}}}",
        ],
    ),
    (
        "Schedule",
        &[
            "{schedule: '@every 5s', type: PodChaos, podChaos: {action: pod-kill, mode: all, selector: {labelSelectors: {app: a}}}}",
        ],
    ),
    (
        "Workflow",
        &[
            "{entry: first, templates: [{name: first, templateType: Serial, children: [second]}, {name: second, templateType: Suspend, deadline: 1s}]}",
        ],
    ),
    (
        "VirtualService",
        &[
            "{hosts: [a], http: [{match: [{uri: {exact: /x}}], route: [{destination: {host: a, port: {number: 80}}}], fault: {delay: {percentage: {value: 50}, fixedDelay: 1s}, abort: {percentage: {value: 50}, httpStatus: 503}}}]}",
        ],
    ),
];

struct Row {
    kind: String,
    path: String,
    example: String,
    here: String,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut kind = String::new();
    for line in BOOK.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            kind = heading.to_owned();
        } else if line.starts_with("## ") {
            kind.clear();
        } else if !kind.is_empty() && line.starts_with("| `") {
            let cells: Vec<&str> = line.split(" | ").collect();
            let code = |cell: &str| cell.trim_matches(['|', ' ']).trim_matches('`').to_owned();
            rows.push(Row {
                kind: kind.clone(),
                path: code(cells[0]),
                example: code(cells[1]),
                here: cells[2].to_owned(),
            });
        }
    }
    assert!(rows.len() > 150, "the tables are found: {}", rows.len());
    rows
}

/// Puts a value at a path such as `http[].fault.delay` (`[]` is the first element).
fn put(node: &mut Node, path: &str, value: Node) {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let (key, first) = match head.strip_suffix("[]") {
        Some(key) => (key, true),
        None => (head, false),
    };
    if node.value == Value::Null {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else {
        panic!("{path} leads into {node:?}");
    };
    let at = match entries.iter().position(|(k, _)| k.text == key) {
        Some(at) => at,
        None => {
            let key = Key {
                line: 1,
                text: key.to_owned(),
            };
            let nothing = Node {
                line: 1,
                value: Value::Null,
            };
            entries.push((key, nothing));
            entries.len() - 1
        }
    };
    let mut inner = &mut entries[at].1;
    if first {
        let Value::List(list) = &mut inner.value else {
            panic!("{path}: no list");
        };
        inner = &mut list[0];
    }
    match rest {
        Some(rest) => put(inner, rest, value),
        None => *inner = value,
    }
}

/// Whether a path's parents are all there.
fn has_parent(spec: &Node, path: &str) -> bool {
    let Some((parents, _)) = path.rsplit_once('.') else {
        return true;
    };
    let mut node = spec;
    for head in parents.split('.') {
        let key = head.trim_end_matches("[]");
        let Value::Map(entries) = &node.value else {
            return false;
        };
        let Some((_, inner)) = entries.iter().find(|(k, _)| k.text == key) else {
            return false;
        };
        node = inner;
        if head.ends_with("[]") {
            let Value::List(list) = &node.value else {
                return false;
            };
            node = &list[0];
        }
    }
    true
}

fn read(kind: &str, spec: Node) -> (Option<Document>, String) {
    let version = match kind {
        "VirtualService" => "networking.istio.io/v1",
        _ => "chaos-mesh.org/v1alpha1",
    };
    let text =
        format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: n}}, spec: {{}}}}");
    let mut document = parse("book", &text).unwrap();
    put(&mut document, "spec", spec);
    let mut problems = Problems::new("book".into());
    let read = read_node(&document, &mut problems);
    let complaints = problems.finish::<()>(None).unwrap_err().to_string();
    (read, complaints)
}

fn specs(kind: &str) -> Vec<Node> {
    let (_, specs) = SPECS.iter().find(|(known, _)| *known == kind).unwrap();
    let specs = specs.iter().map(|spec| parse("spec", spec).unwrap());
    specs.collect()
}

/// The kinds that a table is about: that of the selector is about all that have one.
fn kinds(row: &Row) -> Vec<&str> {
    match row.kind.as_str() {
        "selector" => SPECS[..7].iter().map(|(kind, _)| *kind).collect(),
        kind => vec![kind],
    }
}

#[test]
fn the_book_and_the_readers_agree() {
    let mut wrong = Vec::new();
    for row in rows() {
        for kind in kinds(&row) {
            let example = parse("example", &row.example)
                .unwrap_or_else(|bad| panic!("{} {}: {bad}", row.kind, row.path));
            let mut outcomes = Vec::new();
            for spec in specs(kind) {
                if !has_parent(&spec, &row.path) {
                    continue;
                }
                let (before, complaints) = read(kind, spec.clone());
                let before = before.unwrap_or_else(|| panic!("{kind}: {complaints}"));
                let mut changed = spec;
                if row.path == "selector.pods" {
                    put(&mut changed, "selector", parse("s", "{}").unwrap());
                }
                put(&mut changed, &row.path, example.clone());
                let (after, complaints) = read(kind, changed);
                let last = row.path.rsplit('.').next().unwrap();
                outcomes.push(match after {
                    Some(after) if after.body != before.body => "honoured".to_owned(),
                    Some(_) => "accepted".to_owned(),
                    None if complaints.contains(last) => "error".to_owned(),
                    None => format!("unclear: {complaints}"),
                });
            }
            let holds = match row.here.as_str() {
                "error" => !outcomes.is_empty() && outcomes.iter().all(|one| one == "error"),
                here => outcomes.iter().any(|one| one == here),
            };
            if !holds {
                wrong.push(format!(
                    "{kind} {}: {} but {outcomes:?}",
                    row.path, row.here
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_field_is_missing_in_the_book() {
    let rows = rows();
    let mut wrong = Vec::new();
    for (kind, _) in SPECS {
        let of_kind =
            |row: &&Row| row.kind == kind || (row.kind == "selector" && kinds(row).contains(&kind));
        let paths: BTreeSet<&str> = rows.iter().filter(of_kind).map(|row| &*row.path).collect();
        let parents: BTreeSet<&str> = paths
            .iter()
            .map(|path| path.rsplit_once('.').map_or("", |(parent, _)| parent))
            .collect();
        for parent in parents {
            let unknown = match parent {
                "" => "zzzzzzzzzzzz".to_owned(),
                parent => format!("{parent}.zzzzzzzzzzzz"),
            };
            let spec = specs(kind)
                .into_iter()
                .find(|spec| has_parent(spec, &unknown));
            let Some(mut spec) = spec else {
                wrong.push(format!("{kind}: no example has {parent}"));
                continue;
            };
            put(&mut spec, &unknown, parse("x", "1").unwrap());
            let (_, complaints) = read(kind, spec);
            let known = complaints
                .lines()
                .skip_while(|line| !line.contains("zzzzzzzzzzzz"))
                .find_map(|line| line.split_once("known here: "));
            let Some((_, known)) = known else {
                wrong.push(format!("{kind} {parent}: {complaints}"));
                continue;
            };
            for key in known.split(", ") {
                let path = match parent {
                    "" => key.to_owned(),
                    parent => format!("{parent}.{key}"),
                };
                let is_there =
                    paths.contains(path.as_str()) || paths.contains(&*format!("{path}[]"));
                if !is_there {
                    wrong.push(format!("{kind}: the book does not have `{path}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
