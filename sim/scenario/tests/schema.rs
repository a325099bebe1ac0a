//! What a scenario file may say, and how it is told that it is wrong: with the line, the mistake and
//! what to write.

use std::time::Duration;

use squall_check::Invariant;
use squall_cluster::kubernetes::Parameters;
use squall_fault::LinkFault;
use squall_fault::link::Loss;
use squall_scenario::file::{
    Act, Extract, Load, Manifests, Pace, Process, Quantity, Scenario, is_scenario,
};

const GOOD: &str = r#"# A comment first.
scenario: kill-follower
about: >
  One of two databases dies and comes back.
system:
  compose: docker-compose.yml
  environment: {PORT: 8080}
  programs: {backend1: users-api, "my/image:*": users-api}
  up_within: 1m
network: {latency: 500us, jitter: 100us}
cpu: {poll: 20us, cores: 4}
clients:
  - name: load
    get: http://localhost:8080/data
    rate: 50/s
    timeout: 20s
    backend: $.backend_id
    database: $.postgres_ip
  - name: script
    post: http://localhost:8080/data
    headers: {content-type: text/plain}
    body: hello
    every: 500ms
    users: 2
    keep_alive: true
    backend: {header: X-Upstream-Addr}
phases:
  - phase: both
    for: 20s
    load: {script: off}
    expect:
      success: 100%
      status: [200]
      backends: {backend1: 40%..60%}
      only_databases: [postgres-slave1, postgres-slave2]
      longest_stall: < 1s
      latency: {p99: < 100ms}
  - phase: one
    for: 30s
    steps:
      - kill: postgres-slave2
      - at: 5s
        partition: {between: haproxy, and: [postgres-slave1, postgres-slave2]}
        for: 3s
      - {at: 9s, loss: {percent: 25%, towards: postgres-slave1}}
      - {at: 10s, latency: {delay: 50ms, jitter: 5ms, of: nginx}}
      - {at: 11s, heal: }
      - {at: 12s, reset: haproxy}
      - {at: 13s, isolate: backend1, for: 1s}
      - {at: 14s, power_off: [backend2], for: 2s}
      - {at: 15s, load: 100/s}
      - {at: 16s, stop_load: script}
      - {at: 17s, scale: {backend1: 3}}
      - {at: 20s, start: postgres-slave2}
invariants:
  - every-request-answered
  - recovers: {within: 5s}
  - balanced-after-recovery: {tolerance: 20%}
"#;

#[test]
fn a_scenario_says_what_it_says() {
    assert!(is_scenario(GOOD));
    let scenario = Scenario::read("x.yaml".into(), GOOD).unwrap();
    assert_eq!(scenario.name, "kill-follower");
    assert_eq!(
        scenario.about.as_deref(),
        Some("One of two databases dies and comes back.")
    );
    assert_eq!(scenario.system.environment["PORT"], "8080");
    assert_eq!(scenario.system.programs["backend1"].value, "users-api");
    assert_eq!(scenario.system.up_within, Duration::from_secs(60));
    assert_eq!(scenario.network.latency, Duration::from_micros(500));
    assert_eq!(
        (scenario.cpu.poll, scenario.cpu.cores),
        (Duration::from_micros(20), 4)
    );
    let [load, script] = &scenario.clients[..] else {
        panic!("{:?}", scenario.clients)
    };
    assert_eq!(
        load.pace,
        Pace::Open {
            period: Duration::from_millis(20)
        }
    );
    assert_eq!(
        load.backend,
        Some(Extract::Json(vec!["backend_id".to_owned()]))
    );
    assert!(!load.keep_alive && script.keep_alive);
    assert_eq!(
        script.pace,
        Pace::Closed {
            pause: Duration::from_millis(500)
        }
    );
    assert_eq!((script.users, script.body.as_str()), (2, "hello"));
    assert!(matches!(script.backend, Some(Extract::Header(_))));
    let [both, one] = &scenario.phases[..] else {
        panic!("{:?}", scenario.phases)
    };
    assert_eq!(both.load, [("script".to_owned(), Load::Off)]);
    assert_eq!(both.expect.len(), 6);
    assert!(matches!(both.expect[0].of, Quantity::Success(_)));
    assert_eq!(both.expect[0].line, 32);
    assert_eq!(one.steps.len(), 12);
    assert_eq!((one.steps[0].line, one.steps[0].at), (41, Duration::ZERO));
    let Act::Process(Process::Kill, services) = &one.steps[0].act else {
        panic!("{:?}", one.steps[0])
    };
    assert_eq!(
        (services[0].value.as_str(), services[0].line),
        ("postgres-slave2", 41)
    );
    let Act::Link(links, LinkFault::Cut) = &one.steps[1].act else {
        panic!("{:?}", one.steps[1])
    };
    assert!(links.both_ways);
    assert_eq!(links.towards.as_ref().unwrap().len(), 2);
    assert_eq!(one.steps[1].lasts, Some(Duration::from_secs(3)));
    let Act::Link(links, LinkFault::Loss(Loss::Random(loss))) = &one.steps[2].act else {
        panic!("{:?}", one.steps[2])
    };
    assert!(links.from.is_none() && !links.both_ways);
    assert_eq!(loss.probability, 0.25);
    assert_eq!(
        scenario.invariants,
        [
            Invariant::EveryRequestAnswered,
            Invariant::Recovers {
                within: Duration::from_secs(5)
            },
            Invariant::BalancedAfterRecovery {
                within: Duration::from_secs(10),
                tolerance: 0.2
            },
        ]
    );
}

/// A scenario that is good but for `more`, which begins at line 6.
fn with(more: &str) -> String {
    format!(
        "scenario: x\nsystem: {{compose: c.yml}}\nclients:\n  - {{name: load, get: 'http://x/', rate: 1/s}}\n\n{more}"
    )
}

fn kubernetes(paths: &str, more: &str) -> String {
    format!(
        "scenario: x\nsystem: {{kubernetes: {paths}, {more}}}\nphases: [{{phase: p, for: 1s}}]\n"
    )
}

fn phase(more: &str) -> String {
    with(&format!(
        "phases:\n  - phase: p\n    for: 10s\n    {more}\n"
    ))
}

fn client(fields: &str) -> String {
    format!(
        "scenario: x\nsystem: {{compose: c.yml}}\nclients:\n  - name: load\n    {fields}\nphases: [{{phase: p, for: 1s}}]\n"
    )
}

/// The complaints about a text, each as `line: message / help`.
fn complaints(text: &str) -> Vec<String> {
    let Err(diagnostics) = Scenario::read("x.yaml".into(), text) else {
        return vec![];
    };
    diagnostics
        .0
        .iter()
        .map(|one| {
            let origin = one
                .origin
                .as_ref()
                .expect("a mistake in a file has a place");
            assert_eq!(&*origin.file, "x.yaml");
            format!(
                "{}: {} / {}",
                origin.line,
                one.message,
                one.help.as_deref().unwrap_or("")
            )
        })
        .collect()
}

#[test]
fn every_mistake_has_its_line_and_its_help() {
    let cases: &[(String, &[&str])] = &[
        (
            client("post: http://x/\n    rate: 1/s\n    body: u${a}"),
            &["7: `${a}` is not drawn / say what it is: `draw: {a: 1..100}`"],
        ),
        (
            client(
                "post: 'http://x/${who}'\n    rate: 1/s\n    headers: {x: '${b}'}\n    body: u${a\n    draw: {whom: 1..2}",
            ),
            &[
                "5: `${who}` is not drawn / did you mean `whom`?",
                "7: `${b}` is not drawn",
                "8: `${a` names nothing that is drawn / write `${NAME}`",
                "9: `whom` is drawn, and nothing of the request uses it / write `${whom}` in the body",
            ],
        ),
        (
            client(
                "post: http://x/\n    rate: 1/s\n    body: ${a} ${b} ${c}\n    draw:\n      a: 2..1\n      b: []\n      c: 1.5..2\n      d-e: 1..2",
            ),
            &[
                "9: `a: 2..1` is nothing to draw from / write whole numbers",
                "10: `b: ` is nothing to draw from",
                "11: `c: 1.5..2` is nothing to draw from",
                "12: `d-e` is no name of what is drawn",
            ],
        ),
        (
            client(
                "get: 'http://x/${t}'\n    rate: 1/s\n    headers: {x: '${t}'}\n    draw: {t: ['a b', \"c\\nd\"]}",
            ),
            &[
                "5: `a b`, drawn for `${t}`, cannot stand in the path of an address / encode it",
                "7: `c\nd`, drawn for `${t}`, cannot stand in a header",
            ],
        ),
        (
            client(
                "post: http://x/\n    rate: 1/s\n    body: ${a}${b}${c}\n    draw: {a: 1..2, b: ['1', '2'], c: 2..2}\n    differ: [a, b, c]",
            ),
            &["9: `a`, `b`, `c` cannot all be different / draw them from more values"],
        ),
        (
            client(
                "post: http://x/\n    rate: 1/s\n    body: ${a}${b}\n    draw: {a: 1..2, b: 1..2}\n    differ: [a, d]",
            ),
            &["9: `d` differs from others, and is not drawn / "],
        ),
        (
            client(
                "post: http://x/\n    rate: 1/s\n    body: ${a}${b}\n    draw: {a: 1..2, b: 1..2}\n    differ: a",
            ),
            &["9: one cannot differ from each other / name from 2 to 8"],
        ),
        (
            client("get: http://x/\n    rate: 1/s\n    value: {metric: 'a{b=\"c\"}'}"),
            &["7: `a{b=\"c\"}` is no name of a metric"],
        ),
        (
            client("get: http://x/\n    rate: 1/s\n    backend: {metric: a}"),
            &[
                "7: where to read a value has no `header`",
                "7: unknown key `metric`",
            ],
        ),
        (
            "scenario: x\nphases: []\n".to_owned(),
            &["1: the scenario has no `system`", "at least one phase"],
        ),
        (
            "system: {compose: c}\nscenario: x\nphases: [{phase: p, for: 1s}]".to_owned(),
            &["1: a scenario file begins with `scenario:`"],
        ),
        (
            "- a\n".to_owned(),
            &["1: the scenario is a list, not a map"],
        ),
        ("scenario: [x\n".to_owned(), &["not good YAML"]),
        (
            "scenario: x\nscenario: y\n".to_owned(),
            &["2: not good YAML: "],
        ),
        (
            with("phases:\n  - {phase: p, for: 10s}\ncleints: []\n"),
            &["8: unknown key `cleints` in the scenario / did you mean `clients`?"],
        ),
        (
            with("phases:\n  - {phase: p, fro: 10s}\n"),
            &[
                "7: a phase has one of `for`, `requests` and `wait`, and this one none",
                "7: unknown key `fro` in a phase / did you mean `for`?",
            ],
        ),
        (
            with("phases:\n  - {phase: p, for: 10}\n"),
            &["7: `10` is no duration: the unit is missing / write a number with its unit"],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s, requests: 3}\n"),
            &["7: a phase has one of `for`, `requests` and `wait`, and this one several"],
        ),
        (
            with("phases:\n  - {phase: p, requests: 3}\n"),
            &[
                "7: a phase of so many `requests`, and `load` sends at a rate, answered or not / give it a pause",
            ],
        ),
        (
            with("phases:\n  - {phase: p, requests: 3, load: off}\n"),
            &["7: a phase of so many `requests`, and no client sends any"],
        ),
        (
            with("phases:\n  - {phase: p, requests: 0, load: 1s}\n"),
            &["7: `0` is no number of requests"],
        ),
        (
            with(
                "phases:\n  - {phase: p, requests: 3, load: 1s, steps: [{at: 1s, load: off}], explore: {}}\n",
            ),
            &[
                "7: faults are drawn for a phase that lasts for a known time",
                "7: the load changes in a phase of so many `requests`",
            ],
        ),
        (
            with("phases:\n  - {phase: p, wait: {rollout: a}}\n"),
            &["7: wait has no `within`"],
        ),
        (
            with(
                "phases:\n  - {phase: p, wait: {rollout: a, within: 1s}, steps: [{at: 1s, kill: a}]}\n",
            ),
            &["7: this happens at 1s, and the phase lasts 1s"],
        ),
        (
            with("phases:\n  - {phase: p, for: 0s}\n"),
            &["7: a phase lasts longer than nothing"],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s}\ninvariants: [no-failed-requests]\n"),
            &["8: unknown invariant `no-failed-requests` / did you mean `no-failed-request`?"],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s}\ninvariants: [{recovers: {within: 5}}]\n"),
            &["8: `5` is no duration"],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{no-server-error: {within: 5s}}]\n",
            ),
            &["8: unknown key `within` in the parameters of an invariant / there is none"],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s}\ninvariants: [no-lost-write]\n"),
            &["8: the invariant `no-lost-write` does not say which clients it speaks of / write"],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{no-lost-write: {writes: lode, reads: load}}]\n",
            ),
            &["8: no client `lode` / did you mean `load`?"],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{reads-go-forward: {writes: load, reads: load}}]\n",
            ),
            &["8: the client `load` reads no count / say where it is"],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s}\ninvariants: [balances-sum-to-zero]\n"),
            &[
                "8: the invariant `balances-sum-to-zero` speaks of a client `transfers`, and there is none / write `- balances-sum-to-zero: {transfers: CLIENT}`",
            ],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants:\n  - clear-settles: {transfers: load, accounts: lode, clear: load}\n",
            ),
            &["9: the client `load` does not keep what it is answered / give it `keep_body: true`"],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{bounded-retries: {requests: load}}]\n",
            ),
            &[
                "8: the invariant `bounded-retries` has no client that counts calls / let one for each instance",
            ],
        ),
        (
            with("phases:\n  - {phase: p, for: 1s}\ninvariants: [increments-add-up]\n"),
            &[
                "8: the invariant `increments-add-up` speaks of a client `increments`, and there is none / write `- increments-add-up: {increments: CLIENT}`",
            ],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{increments-linearizable: {increments: load, from: 0}}]\n",
            ),
            &["8: the client `load` reads no count / say where it is"],
        ),
        (
            with(
                "phases:\n  - {phase: p, for: 1s}\ninvariants: [{answered-within: {client: load, deadline: 5s, at_most: 5}}]\n",
            ),
            &[
                "8: unknown key `at_most` in the parameters of an invariant / known here: client, deadline",
            ],
        ),
        (
            phase("steps: [{drain: a, for: 1s}, {delete_pod: a, for: 1s}, {set_image: {}}]"),
            &["9: `delete_pod` is over at once", "9: no image is set"],
        ),
        (
            kubernetes("k8s", "profiles: [a], environment: {A: b}"),
            &[
                "2: `environment` in system is not honoured: it belongs to a system of `compose`",
                "2: `profiles` in system is not honoured",
            ],
        ),
        (
            kubernetes("k8s", "compose: c.yml"),
            &["2: a system has either `compose` or `kubernetes`, and this one both"],
        ),
        (
            with("").replace("compose: c.yml", "compose: c.yml, forward: {1: a}")
                + "phases: [{phase: p, for: 1s}]",
            &["2: `forward` in system is not honoured: it belongs to a system of `kubernetes`"],
        ),
        (
            "scenario: x\nsystem: {up_within: 1s}\nphases: [{phase: p, for: 1s}]".to_owned(),
            &["2: a system has either `compose` or `kubernetes`, and this one neither"],
        ),
        (
            kubernetes(
                "k8s",
                "forward: {8081: nginx, x: 'a:1', 1: 'a:0', 2: ':80'}",
            ),
            &[
                "2: `nginx` is no target with its port",
                "2: `x` is no port",
                "2: `a:0` is no target with its port",
                "2: `:80` is no target with its port",
            ],
        ),
        (
            kubernetes(
                "k8s",
                "cluster: {nodes: 0, dns_ttl: 500ms, dns_cache: maybe, wach: 1s, sandbox: 1}",
            ),
            &[
                "2: no cluster has 0 nodes",
                "2: `1` is no duration",
                "2: DNS counts in whole seconds",
                "2: dns_cache is neither",
                "2: unknown key `wach` in cluster / did you mean `watch`?",
            ],
        ),
        (
            kubernetes("k8s", "cluster: {nodes: [a, b, a]}"),
            &["2: a second node `a`"],
        ),
        (
            client(
                "get: http://x\n    rate: 1/s\n    database: {log: a, matches: '('}\n    backend: {log: a}",
            ),
            &[
                "7: `(` is no regular expression: error: unclosed group",
                "8: where to read a value has no `header`",
                "8: unknown key `log`",
            ],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    database: {log: a}"),
            &["7: where to read a value has no `matches`"],
        ),
        (
            phase("expect: {sequence: []}"),
            &["9: the sequence is empty"],
        ),
        (
            phase("expect: {sequence: [{status: 200, stal: 1s}]}"),
            &[
                "9: an item of a sequence has no `requests`",
                "9: unknown key `stal` in an item of a sequence / did you mean `stall`?",
            ],
        ),
        (
            phase("steps: [{at: 1s, kil: a}]"),
            &["9: unknown key `kil` in a step / did you mean `kill`?"],
        ),
        (
            phase("steps: [{at: 1s}]"),
            &["9: a step does one thing, and this one none / write one of: kill, stop"],
        ),
        (
            phase("steps: [{kill: a, start: b}]"),
            &["9: a step does one thing, and this one several"],
        ),
        (
            phase("steps: [{at: 10s, kill: a}]"),
            &["9: this happens at 10s, and the phase lasts 10s"],
        ),
        (
            phase("steps: [{at: 5s, kill: a, for: 6s}]"),
            &["9: this lasts 6s, which is beyond the end of the story at 10s"],
        ),
        (
            phase("steps: [{heal: all, for: 1s}]"),
            &["9: `heal` is over at once"],
        ),
        (
            phase("steps: [{heal: wounds}]"),
            &["9: `heal: wounds` heals nothing"],
        ),
        (phase("steps: [{kill: }]"), &["9: kill is empty"]),
        (
            phase("steps: [{loss: a}]"),
            &["9: `loss` does not say how much"],
        ),
        (
            phase("steps: [{loss: {percent: 250%, of: a}}]"),
            &["9: `250%` is no percentage: it is more than all"],
        ),
        (
            phase("steps: [{loss: {percent: 25%}}]"),
            &["9: `loss` does not say on which links"],
        ),
        (
            phase("steps: [{latency: {of: a}}]"),
            &["9: `latency` has no `delay`"],
        ),
        (
            phase("steps: [{partition: {between: a}}]"),
            &["9: `partition` does not say on which links"],
        ),
        (
            phase("steps: [{partition: {between: a, adn: b}}]"),
            &[
                "on which links",
                "9: unknown key `adn` in partition / did you mean `and`?",
            ],
        ),
        (
            phase("steps: [{rate: {rate: 10mbps, of: a}}]"),
            &["9: `10mbps` is no bandwidth: the unit is missing or unknown / write bits or bytes"],
        ),
        (
            phase("steps: [{stress: {cpu: many, of: a}}]"),
            &["9: cpu is no number of loops"],
        ),
        (
            phase("steps: [{stress: {cpu: 1}}]"),
            &["9: stress has no `of`"],
        ),
        (
            phase("steps: [{disk: {slow: 1ms, errors: EIO, of: a}}]"),
            &["9: `disk` says 2 things that are wrong with it"],
        ),
        (
            phase("steps: [{disk: {errors: EOI, of: a}}]"),
            &[
                "9: no error `EOI` / did you mean `EIO`?",
                "9: `disk` says 0 things",
            ],
        ),
        (
            phase("steps: [{clock: {of: a}}]"),
            &["9: `clock` does not say how it is wrong"],
        ),
        (
            phase("steps: [{http: {port: 80, of: a}}]"),
            &["9: `http` does nothing to the messages"],
        ),
        (
            phase("steps: [{http: {port: 80, status: 200, delay: 1s, of: a}}]"),
            &["9: `status` and `response_headers` tell responses apart"],
        ),
        (
            phase("steps: [{dns: {answer: nothing, of: a}}]"),
            &["9: no answer `nothing`"],
        ),
        (
            phase("steps: [{loss: {bursts: {to_bad: 1%}, of: a}}]"),
            &["9: bursts has no `to_good`"],
        ),
        (
            phase("steps: [{latency: {delay: 1ms, distribution: parteo, of: a}}]"),
            &["9: unknown distribution `parteo` / did you mean `pareto`?"],
        ),
        (
            phase(
                "steps: [{chaos: {apiVersion: chaos-mesh.org/v1alpha1, kind: PodChaos, metadata: {name: n}, spec: {action: pod-kill, mode: all, selector: {}}}}]",
            ),
            &["9: the selector is empty"],
        ),
        (
            with("links: [{between: a, and: b, mtu: 10}]\nphases:\n  - {phase: p, for: 1s}\n"),
            &["6: mtu is no size of a packet"],
        ),
        (
            phase("steps: [{scale: {a: many}}]"),
            &["9: `many` is no number of containers"],
        ),
        (
            phase("steps: [{load: {laod: off}}]"),
            &["9: no client `laod` / did you mean `load`?"],
        ),
        (
            phase("steps: [{load: 10}]"),
            &["9: `10` is no load / write `off`, `on`, a rate"],
        ),
        (
            phase("steps: [{stop_load: other}]"),
            &["9: no client `other` / known here: load"],
        ),
        (
            phase("expect: {sucess: 100%}"),
            &["9: unknown key `sucess` in expect / did you mean `success`?"],
        ),
        (
            phase("expect: {success: 100}"),
            &["9: `100` is no percentage: the % is missing"],
        ),
        (
            phase("expect: {longest_stall: 60s..40s}"),
            &["9: `60s..40s` is empty"],
        ),
        (
            phase("expect: {status: [2000]}"),
            &["9: `2000` is no HTTP status"],
        ),
        (
            phase("expect: {backends: [a]}"),
            &["9: backends is a list, not a map"],
        ),
        (
            client("get: https://x/\n    rate: 1/s"),
            &["5: `https://x/` is no address that a client can call: only http"],
        ),
        (
            client("rate: 1/s"),
            &["4: a client sends one kind of request, and this one has 0"],
        ),
        (
            client("get: http://x\n    post: http://x\n    rate: 1/s"),
            &["this one has 2"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    every: 1s"),
            &["4: a client has either `rate` or `every`, and this one both"],
        ),
        (
            client("get: http://x"),
            &["either `rate` or `every`, and this one neither"],
        ),
        (
            client("get: http://x\n    every: 0s"),
            &["6: a client that does not pause"],
        ),
        (
            client("get: http://x\n    rate: fast"),
            &["6: `fast` is no rate"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    timeout: 0s"),
            &["4: a timeout is longer than nothing"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    users: 3"),
            &["7: `users` go with `every`"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    keep_alive: perhaps"),
            &["7: `keep_alive: perhaps` is neither true nor false"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    backend: backend_id"),
            &["7: `backend_id` is no place in an answer / write `$.backend_id`"],
        ),
        (
            client("get: http://x\n    rate: 1/s\n    headers: {'a b': c}"),
            &["7: `a b` is no name of a header"],
        ),
    ];
    for (text, expected) in cases {
        let found = complaints(text);
        assert!(!found.is_empty(), "nothing is wrong with\n{text}");
        for wanted in *expected {
            assert!(
                found.iter().any(|one| one.contains(wanted)),
                "{wanted}\nis not in {found:#?}\nof\n{text}"
            );
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}\nof\n{text}");
    }
}

#[test]
fn every_fault_has_a_short_form() {
    let text = phase(
        "steps:
      - {duplicate: {percent: 1%, correlation: 5%, of: a}}
      - {corrupt: {percent: 2%, of: a}}
      - {reorder: {percent: 3%, gap: 5, of: a}}
      - {rate: {rate: 8mbit, of: a}}
      - {bandwidth: {rate: 8mbit, of: a}}
      - {loss: {bursts: {to_bad: 1%, to_good: 10%}, of: a}}
      - {stress: {cpu: 2, load: 90%, of: a}}
      - {disk: {slow: 20ms, path: '/data/**', operations: [sync], of: a}}
      - {disk: {full: true, of: a}}
      - {clock: {drift: -20ppm, of: [a, b]}}
      - {http: {port: 80, side: response, abort: true, percent: 5%, of: a}}
      - {dns: {answer: random, of: a}}
      - {chaos: chaos/file.yaml}",
    );
    let scenario = Scenario::read("x.yaml".into(), &text).unwrap();
    let acts: Vec<String> = scenario.phases[0]
        .steps
        .iter()
        .map(|step| match &step.act {
            Act::Link(_, fault) => fault.to_string(),
            Act::Machine(names, fault) => format!("{} {fault}", names.len()),
            Act::Chaos(applied) => format!("{:?}", applied.documents),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        acts,
        [
            "1% duplicates",
            "2% corruption",
            "3% out of order",
            "1000000 bytes a second",
            "1000000 bytes a second",
            "loss in bursts of 100%, 9.090909% of the time",
            "1 stress 2 x 90%",
            "1 disk 20ms slower",
            "1 disk fails with error 28",
            "2 clock drifts -20 ppm",
            "1 http on port 80: aborted (5%)",
            "1 dns lies",
            "None",
        ]
    );
    // Two keys for one thing are one thing.
    assert_eq!(
        scenario.phases[0].steps[3].act.to_owned(),
        match &scenario.phases[0].steps[4].act {
            Act::Link(links, fault) => {
                let mut links = links.clone();
                links.towards.as_mut().unwrap()[0].line -= 1;
                Act::Link(links, *fault)
            }
            other => panic!("{other:?}"),
        }
    );
}

#[test]
fn two_clients_with_one_name_are_told_apart_by_their_lines() {
    let one = "{name: load, get: 'http://x/', rate: 1/s}";
    let text = format!(
        "scenario: x\nsystem: {{compose: c}}\nclients:\n  - {one}\n  - {one}\nphases: [{{phase: p, for: 1s}}]"
    );
    assert_eq!(
        complaints(&text),
        ["5: a second client `load`; the first is in line 4 / give each client a name of its own"]
    );
}

#[test]
fn only_the_first_key_makes_a_scenario() {
    assert!(is_scenario("\n# x\n---\nscenario : x\n"));
    assert!(!is_scenario("services: {}\nscenario: x\n"));
    assert!(!is_scenario("scenarios: x\n"));
    assert!(!is_scenario(""));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Scenario::read("x.yaml".into(), &text);
    }

    #[test]
    fn no_value_makes_the_reader_panic(key in "[a-z_]{1,12}", value in "[-a-z0-9 {}\\[\\]:,%./<>=\"']{0,30}") {
        let _ = Scenario::read("x.yaml".into(), &phase(&format!("{key}: {value}")));
        let _ = Scenario::read("x.yaml".into(), &phase(&format!("steps: [{{{key}: {value}}}]")));
        let _ = Scenario::read("x.yaml".into(), &client(&format!("{key}: {value}")));
    }
}

#[test]
fn the_reference_in_the_documentation_is_a_scenario() {
    let source = include_str!("../src/file.rs");
    let lines = source
        .lines()
        .skip_while(|line| *line != "//! ```yaml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| {
            line.trim_start_matches("//!")
                .strip_prefix(' ')
                .unwrap_or("")
        });
    let text: Vec<&str> = lines.collect();
    assert!(text.len() > 40);
    let scenario = Scenario::read("file.rs".into(), &text.join("\n")).unwrap();
    assert_eq!(scenario.phases[0].steps.len(), 22);
    assert_eq!(scenario.phases[0].expect.len(), 15);
    // The same of Kubernetes.
    let of_compose = ["  compose:", "  environment:", "  profiles:"];
    let text = text
        .iter()
        .filter(|line| !of_compose.iter().any(|key| line.starts_with(key)))
        .filter(|line| !line.starts_with("  # In place"));
    let text: Vec<String> = text
        .map(|line| {
            line.strip_prefix("  # ")
                .map_or((*line).to_owned(), |of| format!("  {of}"))
        })
        .collect();
    let scenario = Scenario::read("file.rs".into(), &text.join("\n")).unwrap();
    let Manifests::Kubernetes(kubernetes) = &scenario.system.manifests else {
        panic!("{:?}", scenario.system)
    };
    // As the usual ones are.
    assert_eq!(kubernetes.parameters, Parameters::default());
    assert_eq!(kubernetes.forward.len(), 1);
}

#[test]
fn a_budget_that_cannot_be_drawn_from_is_a_mistake() {
    for (budget, wanted) in [
        (
            "faults: [kil]",
            "9: no kind of fault `kil` to draw from / did you mean `kill`?",
        ),
        ("faults: []", "9: no kind of fault to draw from"),
        ("faults: [{kill: 5s}]", "9: `kill` has no parameter"),
        ("faults: [{loss: 50%..5%}]", "9: `50%..5%` is empty"),
        ("faults: [{loss: 5}]", "9: `5` is no percentage"),
        ("last: 0..5s", "9: a fault that lasts no time is none"),
        ("at_once: 0", "9: `0` is no number of faults at once"),
        (
            "alive: {a: some}",
            "9: `some` is no number of containers / write `alive: {backend*: 1}`",
        ),
        ("lasts: 5s", "9: unknown key `lasts` in explore"),
    ] {
        let text = phase(&format!("explore: {{{budget}}}"));
        let found = complaints(&text);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(wanted), "{wanted}\nis not {}", found[0]);
    }
    for (more, wanted) in [
        ("seed: many", "6: `many` is no seed"),
        (
            "verdict: fail",
            "6: `fail` is no verdict / did you mean `failed`?",
        ),
    ] {
        let text = with(&format!("{more}\nphases: [{{phase: p, for: 1s}}]\n"));
        let found = complaints(&text);
        assert!(found.len() == 1 && found[0].contains(wanted), "{found:#?}");
    }
}

#[test]
fn a_cluster_is_described() {
    let text = kubernetes(
        "[k8s/base, k8s/cured]",
        "namespace: highload-dns, forward: {8081: svc/nginx:80, 8404: 'deploy/haproxy:8404'}, \
         cluster: {nodes: 2, dns_ttl: 30s, dns_cache: false, watch: 0, proxy_sync: 1s}, \
         scale: {backend: 3}, without: [haproxy]",
    );
    let scenario = Scenario::read("x.yaml".into(), &text).unwrap();
    let Manifests::Kubernetes(kubernetes) = &scenario.system.manifests else {
        panic!("{:?}", scenario.system)
    };
    let paths = kubernetes.paths.iter().map(|path| path.value.as_str());
    assert!(paths.eq(["k8s/base", "k8s/cured"]));
    let forward = kubernetes.forward.iter();
    let forward: Vec<_> = forward
        .map(|one| (one.port, one.to.value.as_str(), one.to_port))
        .collect();
    assert_eq!(
        forward,
        [(8081, "svc/nginx", 80), (8404, "deploy/haproxy", 8404)]
    );
    assert_eq!(
        kubernetes.parameters,
        Parameters {
            nodes: vec!["server-0".to_owned(), "agent-0".to_owned()],
            dns_ttl_s: 30,
            dns_cache: false,
            watch: Duration::ZERO,
            proxy_sync: Duration::from_secs(1),
            ..Parameters::default()
        }
    );
    assert_eq!(scenario.system.scale["backend"].value, 3);
}

/// The first block of YAML in a text, without comments.
fn block(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix("//! ").unwrap_or(line));
    let lines = lines.skip_while(|line| *line != "```yaml").skip(1);
    let lines = lines.take_while(|line| *line != "```");
    let without_comment = |line: &str| match line.split_once(" # ") {
        Some((code, _)) if !code.trim().is_empty() => code.trim_end().to_owned(),
        _ => line.to_owned(),
    };
    lines.map(without_comment).collect()
}

#[test]
fn the_book_says_what_the_reader_says() {
    let book = block(include_str!("../../../docs/src/scenarios.md"));
    assert!(book.len() > 60);
    assert_eq!(book, block(include_str!("../src/file.rs")));
}
