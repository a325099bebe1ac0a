//! Whole runs in the simulation, with a small program of this test's own in the containers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures::future::BoxFuture;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use squall_record::{Failure, Fate, Outcome, RunRecord, Verdict};
use squall_scenario::{Plan, Programs, RunError, RunOptions, simulated};

/// A web server that says who it is.
fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let name = launch.env.get("NAME").cloned().unwrap_or_default();
    Ok(Loaded::new(
        Facts::default(),
        move |host: Host, shutdown: Shutdown| {
            let body = format!("{{\"name\":\"{name}\"}}");
            async move {
                let listener = host.net.listen("0.0.0.0:80".parse().unwrap())?;
                host.out.line("Server web/me is UP");
                let slow = || async {
                    tokio::time::sleep(Duration::from_secs(40)).await;
                };
                let app = Router::new()
                    .route("/", get(move || async move { body }))
                    .route("/slow", get(slow));
                axum::serve(listener, app)
                    .with_graceful_shutdown(async move { shutdown.requested().await })
                    .await
            }
        },
    ))
}

fn exec(_: Host, _: BTreeMap<String, String>, _: Vec<String>) -> BoxFuture<'static, i32> {
    Box::pin(async { 0 })
}

const COMPOSE: &str = "
services:
  one:
    image: test/web
    environment: {NAME: first}
    labels: {tier: web}
    ports: ['8080:80']
  two:
    image: test/web
    environment: {NAME: second}
";

/// Writes the files of a system with this scenario, and where the scenario is.
fn files(test: &str, scenario: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("docker-compose.yml"), COMPOSE).unwrap();
    let head = "scenario: test\nsystem: {compose: docker-compose.yml, programs: {test/web: web}}\n";
    let path = folder.join("scenario.yaml");
    std::fs::write(&path, format!("{head}{scenario}")).unwrap();
    path
}

fn open(path: &Path) -> Result<Plan, Diagnostics> {
    Plan::open(
        path,
        &Programs {
            names: &["web"],
            load: &|name| (name == "web").then(|| load.into()),
            knows: &|_| true,
        },
    )
}

fn play(test: &str, seed: u64, scenario: &str) -> RunRecord {
    let plan = open(&files(test, scenario)).unwrap();
    let options = RunOptions { seed, trace: None };
    simulated::run(&plan, exec, &options, Arc::new(())).unwrap()
}

const DRAW: &str = "
clients:
  - name: load
    post: 'http://localhost:8080/?k=${k}'
    body: '{\"from\":${a},\"to\":${b}}'
    every: 10ms
    users: 3
    keep_body: true
    draw: {a: 1..1000, b: 1..1000, k: [x, y]}
    differ: [a, b]
phases:
  - {phase: one, for: 1s}
  - {phase: two, requests: 60}
";

#[test]
fn the_seed_decides_what_is_drawn() {
    let requests = |seed| {
        let record = play("draw", seed, DRAW);
        let sent = record.samples.into_iter().map(|sample| {
            assert!(
                sample.is_ok() || sample.outcome == Outcome::Status(405),
                "{sample:?}"
            );
            (sample.sent_us, sample.request.unwrap().as_str().to_owned())
        });
        sent.collect::<Vec<_>>()
    };
    let first = requests(7);
    assert!(first.len() > 100, "{}", first.len());
    assert_eq!(requests(7), first);
    let bodies = |all: &[(u64, String)]| -> std::collections::BTreeSet<String> {
        all.iter().map(|(_, body)| body.clone()).collect()
    };
    let (first, other) = (bodies(&first), bodies(&requests(8)));
    // Both phases draw anew, and not the same again: of a million there are hardly two alike.
    assert!(first.len() > 100, "{}", first.len());
    assert!(first.intersection(&other).count() < 10);
}

const GONE: &str = "
clients:
  - {name: kept, get: 'http://localhost:8080/', every: 1s, timeout: 30m, keep_alive: true}
  - {name: fresh, get: 'http://localhost:8080/', every: 1s, timeout: 5m}
phases:
  - {phase: gone, for: 60s, steps: [{at: 5s, power_off: one}]}
";

/// The kernel says "host unreachable" of both; a request on an open connection may have arrived.
#[test]
fn only_what_was_not_sent_is_refused() {
    let record = play("gone", 1, GONE);
    let failures = |client: &str| -> Vec<(Outcome, Fate)> {
        let sent = record.samples.iter();
        let failed = sent.filter(|sample| sample.client.as_str() == client && !sample.is_ok());
        failed
            .map(|sample| (sample.outcome, sample.fate()))
            .collect()
    };
    let unreachable = (Outcome::Failure(Failure::Unreachable), Fate::Refused);
    assert_eq!(failures("fresh")[0], unreachable);
    let gave_up = (Outcome::Failure(Failure::GaveUp), Fate::Unknown);
    assert_eq!(failures("kept"), [gave_up]);
}

const KILL: &str = "
clients:
  - {name: load, get: 'http://localhost:8080/', rate: 20/s, timeout: 3s, backend: $.name}
phases:
  - phase: well
    for: 5s
    expect: {success: 100%, only_backends: first, longest_stall: < 50ms}
  - phase: killed
    for: 5s
    steps: [{kill: one}]
    expect: {success: 0%}
  - phase: back
    for: 5s
    steps: [{start: one}]
    expect: {success: 100%}
invariants: [{recovers: {within: 1s}}]
";

#[test]
fn a_killed_server_is_gone_and_comes_back() {
    let record = play("kill", 1, KILL);
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary
    );
    assert_eq!(record.summary.phases[1].failed, 100);
    assert!(record.summary.events > 1000);
    assert_eq!(record.summary.trace_hash.len(), 16);
    let up = record
        .happenings
        .iter()
        .filter(|h| h.what.contains("is UP"))
        .count();
    assert_eq!(up, 3, "{:#?}", record.happenings);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let strip = |mut record: RunRecord| {
        record.summary.wall_ms = 0;
        record
    };
    let first = strip(play("again", 7, KILL));
    assert_eq!(first, strip(play("again", 7, KILL)));
}

#[test]
fn faults_of_the_network_are_felt_by_the_clients() {
    let record = play(
        "network",
        1,
        "
clients:
  - {name: load, get: 'http://one/', rate: 20/s, timeout: 10s, backend: $.name}
phases:
  - phase: partition
    for: 10s
    steps: [{at: 2s, partition: {between: load, and: one}, for: 3s}]
    expect: {success: 100%, longest_stall: 2s..5s, longest_outage: 3s..5s}
  - phase: latency
    for: 10s
    steps: [{latency: {delay: 100ms, of: one}, for: 9s}]
    expect: {success: 100%, latency: {p50: 390ms..500ms}}
  - phase: loss
    for: 20s
    steps: [{loss: {percent: 30%, towards: one}, for: 19s}]
    expect: {success: 100%, longest_stall: '>= 1s'}
  - phase: paused
    for: 10s
    steps: [{at: 1s, pause: one, for: 2s}]
    expect: {success: 100%, longest_stall: 1900ms..2100ms}
  - phase: power
    for: 45s
    steps: [{at: 1s, power_off: one, for: 15s}]
    expect: {success: 50%..95%}
invariants: [{recovers: {within: 15s}}]
",
    );
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary
    );
}

#[test]
fn a_request_that_is_never_answered_is_waited_for() {
    let record = play(
        "slow",
        1,
        "
clients: [{name: load, get: 'http://two/slow', rate: 1/s, timeout: 20s}]
phases: [{phase: all, for: 3s, expect: {status: {timeout: 100%}, requests: 3}}]
invariants: [every-request-answered]
",
    );
    assert_eq!(record.summary.phases[0].expectations[0].holds, Some(true));
    assert_eq!(record.summary.verdict, Verdict::Failed);
    assert!(
        record.summary.virtual_ms >= 22_000,
        "{}",
        record.summary.virtual_ms
    );
}

#[test]
fn a_trace_has_a_line_for_each_event_and_must_be_writable() {
    let path = files("trace", KILL);
    let plan = open(&path).unwrap();
    let trace = path.with_extension("trace");
    let options = RunOptions {
        seed: 1,
        trace: Some(trace.clone()),
    };
    let record = simulated::run(&plan, exec, &options, Arc::new(())).unwrap();
    let lines = std::fs::read_to_string(trace).unwrap().lines().count() as u64;
    assert!(
        lines >= record.summary.events,
        "{lines} lines, {} events",
        record.summary.events
    );
    let options = RunOptions {
        seed: 1,
        trace: Some("/nonexistent/x".into()),
    };
    let error = simulated::run(&plan, exec, &options, Arc::new(())).unwrap_err();
    assert!(matches!(error, RunError::Trace { .. }), "{error}");
}

#[test]
fn names_that_mean_nothing_are_found_before_the_run() {
    let path = files(
        "names",
        "
clients:
  - {name: load, get: 'http://localhost:9999/', rate: 1/s}
  - {name: other, get: 'http://noe/', rate: 1/s}
  - {name: two, get: 'http://one/', rate: 1/s}
phases:
  - phase: p
    for: 10s
    steps:
      - kill: thre
      - {at: 1s, kill: [one, other]}
      - {at: 2s, partition: {between: load, and: tow}}
      - {at: 3s, scale: {names-one-1: 2}}
      - {at: 4s, stop: one-1}
",
    );
    let Diagnostics(list) = open(&path).unwrap_err();
    let shown: Vec<String> = list
        .iter()
        .map(|one| {
            let line = one.origin.as_ref().unwrap().line;
            format!(
                "{line}: {} / {}",
                one.message,
                one.help.as_deref().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "5: no service publishes the port 9999 / published: 8080",
            "6: the name `noe` resolves to nothing / did you mean `one`?",
            "7: the client `two` has the name of a service / give it another name",
            "12: no service `thre` in the system / services: one, two",
            "13: no service `other` in the system / it is a client; services: one, two",
            "14: no service `tow` in the system / did you mean `two`? services: one, two",
            "15: no service `names-one-1` in the system / services: one, two",
        ]
    );
}

#[test]
fn a_run_that_would_fill_the_memory_is_refused() {
    let path = files(
        "size",
        "
clients: [{name: load, get: 'http://localhost:8080/', rate: 100000/s}]
phases: [{phase: p, for: 1h}]
",
    );
    let error = open(&path).unwrap_err().to_string();
    assert!(
        error.contains("the clients send up to 360000001 requests"),
        "{error}"
    );
}

#[test]
fn every_word_for_a_process_does_what_docker_does() {
    let record = play(
        "words",
        1,
        "
clients:
  - {name: load, get: 'http://two/', rate: 10/s, timeout: 2s, backend: $.name}
phases:
  - {phase: well, for: 5s, expect: {success: 100%}}
  - {phase: stopped, for: 5s, steps: [{stop: two}], expect: {success: < 5%}}
  - {phase: started, for: 5s, steps: [{start: two}], expect: {success: 100%}}
  - {phase: restarted, for: 5s, steps: [{restart: two}], expect: {success: '>= 90%'}}
  - {phase: scaled, for: 5s, steps: [{scale: {two: 3}}], expect: {success: 100%}}
  - {phase: one of three, for: 5s, steps: [{at: 1s, kill: two-2}], expect: {success: '> 40%'}}
  - {phase: reset, for: 5s, steps: [{reset: two}, {at: 1s, pause: two-1, for: 1s}]}
",
    );
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary
    );
    assert_eq!(record.summary.invariants, []);
}

const PODS: &str = "
clients:
  - {name: load, get: 'http://localhost:8080/', rate: 20/s, timeout: 3s, backend: $.name}
phases:
  - phase: emptied
    for: 5s
    steps:
      - at: 1s
        chaos:
          apiVersion: chaos-mesh.org/v1alpha1
          kind: PodChaos
          metadata: {name: empty}
          spec: {action: pod-failure, duration: 4s, mode: all, selector: {labelSelectors: {app: one}}}
    expect: {status: {200: 20%, refused: 80%}}
  - phase: killed and replaced
    for: 5s
    steps:
      - at: 1s
        chaos:
          apiVersion: chaos-mesh.org/v1alpha1
          kind: PodChaos
          metadata: {name: kill}
          spec: {action: pod-kill, mode: all, selector: {labelSelectors: {com.docker.compose.service: one}}}
    expect: {success: '> 95%'}
  - phase: container restarted
    for: 5s
    steps:
      - at: 1s
        chaos:
          apiVersion: chaos-mesh.org/v1alpha1
          kind: PodChaos
          metadata: {name: restart}
          spec: {action: container-kill, containerNames: [one], mode: one, selector: {labelSelectors: {tier: web}}}
    expect: {success: '>= 99%'}
";

#[test]
fn pods_fail_and_come_back() {
    let record = play("pods", 1, PODS);
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}\n{:#?}",
        record.summary,
        record.happenings
    );
}

#[test]
fn a_fault_that_can_befall_nobody_is_an_input_error() {
    let of = |spec: &str| {
        format!(
            "phases:\n  - phase: p\n    for: 5s\n    steps:\n      - chaos:\n          apiVersion: chaos-mesh.org/v1alpha1\n          kind: PodChaos\n          metadata: {{name: n}}\n          spec: {spec}\n"
        )
    };
    for (spec, wanted) in [
        (
            "{action: pod-kill, mode: all, selector: {labelSelectors: {app: three}}}",
            "scenario.yaml:11: the selector selects nobody",
        ),
        (
            "{action: pod-kill, mode: all, selector: {namespaces: [production]}}",
            "scenario.yaml:11: no namespace `production`",
        ),
        (
            "{action: container-kill, containerNames: [sidecar], mode: all, selector: {labelSelectors: {app: one}}}",
            "scenario.yaml:11: nobody-one-1 has no container `sidecar`",
        ),
    ] {
        let Err(bad) = open(&files("nobody", &of(spec))) else {
            panic!("{spec} is good")
        };
        assert!(bad.to_string().contains(wanted), "{bad}\nfor {wanted}");
    }
    let bad = open(&files(
        "nobody",
        "phases: [{phase: p, for: 5s, steps: [{chaos: none.yaml}]}]\n",
    ));
    let bad = bad.err().unwrap().to_string();
    assert!(bad.contains("scenario.yaml:3: cannot read"), "{bad}");
}

#[test]
fn schedules_begin_when_the_simulation_does() {
    let when = squall_chaos::schedule::When::read("0 0 2 1 *").unwrap();
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(when.next(Duration::ZERO), Some(day));
    assert_eq!(
        squall_engine::Config::default().epoch,
        Duration::from_secs(1_735_689_600)
    );
}
