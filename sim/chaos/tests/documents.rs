//! Documents read, and every trap of their formats: what is wrong, in which line, and what to do.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use squall_chaos::yaml::parse_all;
use squall_chaos::{Body, Chaos, Direction, Document, Fault, Mode, Selector, Who, is_chaos, read};
use squall_fault::http::Side;
use squall_fault::link::{Chance, Loss};
use squall_fault::{LinkFault, MachineFault};

fn document(kind: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: chaos-mesh.org/v1alpha1\nkind: {kind}\nmetadata: {{name: n}}\nspec:\n{spec}"
    )
}

fn good(text: &str) -> Vec<Document> {
    read(&"f.yaml".into(), text).unwrap_or_else(|bad| panic!("{bad}\n{text}"))
}

fn chaos(kind: &str, spec: &str) -> Chaos {
    let mut documents = good(&document(kind, spec));
    match documents.remove(0).body {
        Body::Chaos(chaos) => (*chaos).clone(),
        other => panic!("{other:?}"),
    }
}

const ALL: &str = "mode: all\nselector: {labelSelectors: {app: web}}\n";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_file_has_several_documents_each_with_its_lines() {
    let text = format!(
        "# two\n---\n{}---\n---\n{}",
        document("DNSChaos", &format!("action: error\n{ALL}")),
        document("TimeChaos", &format!("timeOffset: -10m\n{ALL}")),
    );
    assert!(is_chaos(&text) && !is_chaos("scenario: x\n"));
    let documents = good(&text);
    let kinds: Vec<_> = documents.iter().map(|d| (d.kind, d.line)).collect();
    assert_eq!(kinds, [("DNSChaos", 3), ("TimeChaos", 12)]);
    let nodes = parse_all("f", &text).unwrap();
    assert!(nodes.len() >= 2);
}

#[test]
fn netem_is_read_with_all_its_parameters() {
    let read = chaos(
        "NetworkChaos",
        &format!(
            "action: netem\n{ALL}direction: both\nduration: 1m30s\n\
             target: {{mode: one, selector: {{namespaces: [default]}}}}\n\
             delay: {{latency: 10ms, jitter: 2ms, correlation: '25', reorder: {{reorder: '5', gap: 3}}}}\n\
             loss: {{loss: '12.5', correlation: '10'}}\nrate: {{rate: 1mbps}}\n"
        ),
    );
    assert_eq!(read.lasts, Some(ms(90_000)));
    let Fault::Links {
        direction,
        peers,
        faults,
    } = read.fault
    else {
        panic!("{read:?}")
    };
    assert_eq!(
        (direction, peers.len(), faults.len()),
        (Direction::Both, 1, 4)
    );
    let LinkFault::Delay(delay) = faults[0] else {
        panic!("{faults:?}")
    };
    assert_eq!(
        (delay.latency, delay.jitter, delay.correlation),
        (ms(10), ms(2), 0.25)
    );
    let loss = Chance {
        probability: 0.125,
        correlation: 0.1,
    };
    assert_eq!(faults[2], LinkFault::Loss(Loss::Random(loss)));
    let LinkFault::Rate(rate) = faults[3] else {
        panic!("{faults:?}")
    };
    assert_eq!(rate.bytes_per_second, 1024 * 1024);
}

#[test]
fn http_is_read_with_its_bodies_decoded() {
    let read = chaos(
        "HTTPChaos",
        &format!(
            "{ALL}target: Response\nport: 80\ncode: 200\nreplace: {{code: 404, body: eyJhIjogMX0=}}\n"
        ),
    );
    let Fault::Machine(MachineFault::Http(rules)) = read.fault else {
        panic!("{read:?}")
    };
    assert_eq!(
        (rules[0].side, rules[0].matches.status),
        (Side::Response, Some(200))
    );
    assert_eq!(
        rules[0].effect.replace.body.as_deref(),
        Some(&b"{\"a\": 1}"[..])
    );
}

#[test]
fn istio_without_a_port_befalls_every_port() {
    let text = "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  \
        hosts: [kvstore]\n  http:\n    - match: [{uri: {exact: /api/put}}]\n      \
        fault: {abort: {httpStatus: 500, percentage: {value: 33}}}\n      route: [{destination: {host: kvstore}}]\n    \
        - route: [{destination: {host: kvstore}}]\n";
    let documents = good(text);
    let Body::Chaos(chaos) = &documents[0].body else {
        panic!()
    };
    let Fault::Machine(MachineFault::Http(rules)) = &chaos.fault else {
        panic!()
    };
    let ports: Vec<_> = rules.iter().map(|rule| rule.port).collect();
    assert_eq!(ports, [None]);
}

#[test]
fn istio_befalls_the_services_port() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  \
        hosts: [web.default.svc.cluster.local]\n  http:\n    - match: [{uri: {prefix: /api}}, {method: {exact: PUT}}]\n      \
        route: [{destination: {host: web, port: {number: 80}}}]\n      fault:\n        \
        delay: {percentage: {value: 12.5}, fixedDelay: 2s}\n        abort: {httpStatus: 503}\n";
    let documents = good(text);
    let Body::Chaos(chaos) = &documents[0].body else {
        panic!()
    };
    let Who::Named(names) = &chaos.who else {
        panic!()
    };
    assert_eq!(names[0].value, "web");
    let Fault::Machine(MachineFault::Http(rules)) = &chaos.fault else {
        panic!()
    };
    let shown: Vec<_> = rules
        .iter()
        .map(|r| {
            (
                r.port,
                r.matches.path.as_deref(),
                r.probability,
                r.effect.answer,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some(80), Some("/api*"), 0.125, None),
            (Some(80), Some("/api*"), 0.0, Some(503)),
            (Some(80), None, 0.125, None),
            (Some(80), None, 0.0, Some(503)),
        ]
    );
    let warnings: Vec<String> = documents[0]
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        warnings[0].starts_with("f.yaml:11: fault.abort has no `percentage`, so no request"),
        "{warnings:?}"
    );
}

/// Kind, spec (its first line is line 5, and `<all>` are two lines), and what is said of it.
const TRAPS: &[(&str, &str, &str)] = &[
    // Common.
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {}",
        "7: the selector is empty",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector:",
        "7: the selector is empty",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all",
        "5: spec has no `selector`",
    ),
    (
        "PodChaos",
        "action: pod-kil\n<all>",
        "5: action is `pod-kil` / did you mean `pod-kill`?",
    ),
    (
        "PodChaos",
        "action: pod-kill\n<all>graceperiod: 5",
        "8: unknown key `graceperiod` in spec / did you mean `gracePeriod`?",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: fixed\nvalue: 2\nselector: {labelSelectors: {app: a}}",
        "7: value is a number, not a string / write '2' with quotes",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: fixed\nselector: {labelSelectors: {app: a}}",
        "6: `mode: fixed` has no `value`",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: fixed-percent\nvalue: '101'\nselector: {labelSelectors: {app: a}}",
        "7: value is `101`",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: one\nvalue: '1'\nselector: {labelSelectors: {app: a}}",
        "7: `value` means nothing with `mode: one`",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {labelSelectors: {app: 1}}",
        "7: labelSelectors is a number, not a string / write '1' with quotes",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {labelSelector: {app: a}}",
        "7: unknown key `labelSelector` in selector / did you mean `labelSelectors`?",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {nodes: [a]}",
        "7: `nodes` in selector is not honoured",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {pods: {default: [a]}, labelSelectors: {app: a}}",
        "7: beside `pods` Chaos Mesh looks at nothing else",
    ),
    (
        "PodChaos",
        "action: pod-kill\nmode: all\nselector: {podPhaseSelectors: [running]}",
        "7: podPhaseSelectors is `running` / did you mean `Running`?",
    ),
    (
        "PodChaos",
        "action: pod-kill\n<all>duration: 10s",
        "5: `action: pod-kill` is over at once, so `duration` has no meaning",
    ),
    (
        "PodChaos",
        "action: pod-failure\n<all>duration: 10",
        "8: duration is 10, a duration without its unit / write for example 10s",
    ),
    (
        "PodChaos",
        "action: pod-failure\n<all>gracePeriod: 5",
        "8: `gracePeriod` means nothing with `action: pod-failure`",
    ),
    (
        "PodChaos",
        "action: container-kill\n<all>",
        "5: `action: container-kill` does not say which container",
    ),
    (
        "PodChaos",
        "action: pod-failure\n<all>scheduler: {cron: '@every 1m'}",
        "8: `scheduler` in spec is not honoured: it belongs to Chaos Mesh 1",
    ),
    // Network.
    (
        "NetworkChaos",
        "action: loss\n<all>loss: {loss: 25}",
        "8: loss is the number 25: percentages are strings / write '25' with quotes",
    ),
    (
        "NetworkChaos",
        "action: loss\n<all>loss: {loss: '25%'}",
        "8: loss is `25%`, which is no number / leave the % out: '25'",
    ),
    (
        "NetworkChaos",
        "action: loss\n<all>loss: {loss: '250'}",
        "8: loss is `250`, and percentages go from 0 to 100",
    ),
    (
        "NetworkChaos",
        "action: delay\n<all>loss: {loss: '25'}",
        "5: `action: delay` has no `delay`",
    ),
    (
        "NetworkChaos",
        "action: bandwidth\n<all>bandwidth: {rate: 1mbit, limit: 1, buffer: 1}",
        "8: rate: `1mbit` is no rate: the unit is none of bps, kbps, mbps, gbps, tbps / write for example 1mbps: one mega*byte*",
    ),
    (
        "NetworkChaos",
        "action: bandwidth\n<all>bandwidth: {rate: 1mbps, limit: 1, buffer: 1}\nloss: {loss: '1'}",
        "9: `loss` means nothing with `action: bandwidth` / tbf and netem exclude each other",
    ),
    (
        "NetworkChaos",
        "action: loss\n<all>loss: {loss: '1'}\nbandwidth: {rate: 1mbps, limit: 1, buffer: 1}",
        "9: `bandwidth` means nothing with `action: loss` / tbf and netem exclude each other",
    ),
    (
        "NetworkChaos",
        "action: bandwidth\n<all>bandwidth: {rate: 1mbps}",
        "8: spec.bandwidth has no `limit`",
    ),
    (
        "NetworkChaos",
        "action: delay\n<all>delay: {latency: 10ms}\ndirection: from",
        "9: netem needs a `target` for any direction but `to`",
    ),
    (
        "NetworkChaos",
        "action: delay\n<all>delay: {latency: 10ms}\ndirection: both\nexternalTargets: [a]",
        "9: `externalTargets` go with `direction: to` only",
    ),
    (
        "NetworkChaos",
        "action: partition\n<all>externalTargets: [10.0.0.0/8]",
        "8: `10.0.0.0/8` is neither a name nor an address",
    ),
    (
        "NetworkChaos",
        "action: partition\n<all>device: eth1",
        "8: `device: eth1`, and a machine has one interface",
    ),
    (
        "NetworkChaos",
        "action: partition\n<all>target: {mode: all, selector: {}}",
        "8: the selector is empty",
    ),
    // The others.
    (
        "StressChaos",
        "<all>stressors: {memory: {workers: 1, size: 1GB}}",
        "7: `memory` in spec.stressors is not honoured: no memory is modelled",
    ),
    (
        "StressChaos",
        "<all>stressors: {cpu: {workers: '2'}}",
        "7: workers is a string, not a number",
    ),
    (
        "StressChaos",
        "<all>stressors: {cpu: {load: 50}}",
        "7: spec.stressors.cpu has no `workers`",
    ),
    (
        "IOChaos",
        "action: attrOverride\n<all>volumePath: /d\nattr: {perm: 72}",
        "5: `action: attrOverride` is not honoured: files here have no attributes",
    ),
    (
        "IOChaos",
        "action: latency\n<all>volumePath: /d\ndelay: 1s\nmethods: [open]",
        "10: the method `open` is not honoured: no program here calls it",
    ),
    (
        "IOChaos",
        "action: latency\n<all>volumePath: /d\ndelay: 1s\nmethods: [raed]",
        "10: unknown method `raed` / did you mean `read`?",
    ),
    (
        "IOChaos",
        "action: latency\n<all>volumePath: /d\ndelay: 1s\npercent: '50'",
        "10: percent is a string, not a number",
    ),
    (
        "IOChaos",
        "action: fault\n<all>volumePath: /d\ndelay: 1s",
        "9: `delay` means nothing with `action: fault`",
    ),
    (
        "TimeChaos",
        "<all>timeOffset: -10m\nclockIds: [CLOCK_MONOTONIC]",
        "8: the clock `CLOCK_MONOTONIC` is not honoured",
    ),
    (
        "TimeChaos",
        "<all>timeOffset: 10",
        "7: timeOffset: `10` is no duration: the unit is missing",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80\nabort: true\ntls: {secretName: s}",
        "10: `tls` in spec is not honoured",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80\nabort: true\nrequestHeaders: {a: b}",
        "10: unknown key `requestHeaders` in spec / did you mean `request_headers`?",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80\nreplace: {body: hello}",
        "9: body is not base64 / write 'aGVsbG8='",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80\nreplace: {code: 404}",
        "9: `code`: a request has none",
    ),
    (
        "HTTPChaos",
        "<all>target: Response\nport: 80\nreplace: {path: /}",
        "9: `path`: a response has none",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80\ncode: 500\nabort: true",
        "9: `code` tells responses apart",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: 80",
        "5: nothing is done to the messages",
    ),
    (
        "HTTPChaos",
        "<all>target: Request\nport: '80'\nabort: true",
        "8: port is a string, not a number",
    ),
    (
        "DNSChaos",
        "action: error\n<all>patterns: ['*.com']",
        "8: `*.com` has a * that is not its last character",
    ),
    // Schedules and workflows.
    (
        "Schedule",
        "schedule: '@every 5 s'\ntype: PodChaos\npodChaos: {action: pod-kill, mode: all, selector: {labelSelectors: {app: a}}}",
        "5: `@every 5 s` is no schedule",
    ),
    (
        "Schedule",
        "schedule: '* * * *'\ntype: PodChaos\npodChaos: {action: pod-kill, mode: all, selector: {labelSelectors: {app: a}}}",
        "5: `* * * *` is no schedule: it has not five fields",
    ),
    (
        "Schedule",
        "schedule: '61 * * * *'\ntype: PodChaos\npodChaos: {action: pod-kill, mode: all, selector: {labelSelectors: {app: a}}}",
        "5: `61 * * * *` is no schedule",
    ),
    (
        "Schedule",
        "schedule: '@hourly'\ntype: PodChaos",
        "6: `type: PodChaos` has no `podChaos`",
    ),
    (
        "Schedule",
        "schedule: '@hourly'\ntype: PodChaos\npodChaos: {action: pod-kill, mode: all, selector: {}}",
        "7: the selector is empty",
    ),
    (
        "Workflow",
        "entry: a\ntemplates:\n  - {name: a, templateType: PodChaos, deadline: 5s, podChaos: {action: pod-failure, duration: 5s, mode: all, selector: {labelSelectors: {app: a}}}}",
        "7: `duration` is not looked at in a Workflow's template / write `deadline`",
    ),
    (
        "Workflow",
        "entry: a\ntemplates:\n  - {name: a, templateType: Suspend, duration: 5s}",
        "7: unknown key `duration` in a template / a template's end is its `deadline`",
    ),
    (
        "Workflow",
        "entry: a\ntemplates:\n  - {name: a, templateType: Task}",
        "7: `templateType: Task` is not honoured",
    ),
    (
        "Workflow",
        "entry: a\ntemplates:\n  - {name: a, templateType: Serial, children: [b]}",
        "7: no template `b`",
    ),
    (
        "Workflow",
        "entry: b\ntemplates:\n  - {name: a, templateType: Suspend, deadline: 1s}",
        "5: no template `b`",
    ),
    (
        "Workflow",
        "entry: a\ntemplates:\n  - {name: a, templateType: Serial, children: [a]}",
        "7: the template `a` contains itself",
    ),
    (
        "Workflow",
        "entry: s\ntemplates:\n  - {name: s, templateType: Serial, children: [a, a]}\n  - {name: a, templateType: DNSChaos, dnsChaos: {action: error, mode: all, selector: {labelSelectors: {app: a}}}}",
        "8: `a` has no deadline, so what follows it never begins",
    ),
];

fn complaints(text: &str) -> String {
    let Err(bad) = read(&"f.yaml".into(), text) else {
        return String::new();
    };
    let one = |d: &squall_host::Diagnostic| {
        let line = d.origin.as_ref().unwrap().line;
        format!(
            "{line}: {} / {}",
            d.message,
            d.help.as_deref().unwrap_or("")
        )
    };
    bad.0.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_trap_is_told_with_its_line_and_its_help() {
    for (kind, spec, wanted) in TRAPS {
        let text = document(kind, &spec.replace("<all>", ALL));
        let found = complaints(&text);
        assert!(
            found.contains(wanted),
            "{wanted}\nis not in\n{found}\nof\n{text}"
        );
        assert!(!found.contains("/ \n"), "without help: {found}");
    }
}

#[test]
fn what_is_around_a_spec_is_checked_too() {
    let text = document("PodChaos", &format!("action: pod-kill\n{ALL}"));
    for (from, to, wanted) in [
        (
            "v1alpha1",
            "v1",
            "1: `apiVersion: chaos-mesh.org/v1` has no kind PodChaos",
        ),
        (
            "PodChaos",
            "PodChoas",
            "2: unknown kind `PodChoas` / did you mean `PodChaos`?",
        ),
        (
            "PodChaos",
            "JVMChaos",
            "2: `JVMChaos` is not honoured: no program here runs on a JVM",
        ),
        (
            "{name: n}",
            "{nmae: n}",
            "3: unknown key `nmae` in metadata / did you mean `name`?",
        ),
        (
            "spec:",
            "status: {}\nspec:",
            "4: `status` in the document is not honoured",
        ),
        (
            "{name: n}",
            "{name: n, annotations: {experiment.chaos-mesh.org/pause: 'true'}}",
            "3: `experiment.chaos-mesh.org/pause` keeps this",
        ),
    ] {
        let found = complaints(&text.replacen(from, to, 1));
        assert!(found.contains(wanted), "{wanted}\nis not in\n{found}");
    }
    assert!(complaints("").contains("there is no document"));
    assert!(complaints("a: [").contains("not good YAML"));
}

#[test]
fn modes_choose_as_many_as_they_say() {
    let mut turn = 0_u64;
    let mut draw = |below: u64| {
        turn = turn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (turn >> 33) % below
    };
    for (mode, count, wanted) in [
        (Mode::All, 5, 5..=5),
        (Mode::One, 5, 1..=1),
        (Mode::One, 0, 0..=0),
        (Mode::Fixed(2), 5, 2..=2),
        (Mode::Fixed(7), 5, 5..=5),
        (Mode::FixedPercent(50), 5, 3..=3),
        (Mode::FixedPercent(1), 5, 1..=1),
        (Mode::RandomMaxPercent(50), 5, 0..=3),
    ] {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let chosen = mode.choose(count, &mut draw);
            assert!(wanted.contains(&chosen.len()), "{mode:?}: {chosen:?}");
            assert!(chosen.windows(2).all(|w| w[0] < w[1]) && chosen.iter().all(|at| *at < count));
            seen.extend(chosen);
        }
        assert_eq!(seen.len(), count, "{mode:?} leaves nobody out for ever");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,300}") {
        let _ = read(&"f".into(), &text);
    }

    #[test]
    fn no_value_makes_a_reader_panic(
        kind in 0_usize..10,
        key in "[a-zA-Z_]{1,16}",
        value in "[-a-zA-Z0-9 {}\\[\\]:,%./<>='@*]{0,40}",
    ) {
        let kinds = squall_chaos::document::HONOURED;
        let _ = read(&"f".into(), &document(kinds[kind], &format!("{ALL}{key}: {value}")));
        for known in ["action", "delay", "loss", "stressors", "methods", "replace", "schedule", "templates", "http", "hosts", "value", "duration"] {
            let _ = read(&"f".into(), &document(kinds[kind], &format!("{ALL}{known}: {value}")));
        }
    }

    #[test]
    fn an_empty_selector_selects_everybody(name in "[a-z]{1,5}", label in "[a-z]{1,5}") {
        let member = squall_chaos::Member {
            name,
            labels: [("app".to_owned(), label)].into(),
            ..squall_chaos::Member::default()
        };
        proptest::prop_assert!(Selector::default().matches(&member));
    }
}
