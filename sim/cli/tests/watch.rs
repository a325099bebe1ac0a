//! A run that is kept, and what is made of it: the lines of a load, the frames of a dashboard.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::{NGINX, err, folder, out, squall};

/// A server that is paused, killed and started.
fn web(name: &str) -> PathBuf {
    let folder = folder(name);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("nginx.conf", NGINX);
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.27\n    container_name: web\n    ports: ['8080:80']\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro']\n",
    );
    write(
        "scenario.yaml",
        "scenario: web
system: {compose: docker-compose.yml}
clients:
  - {name: load, get: 'http://localhost:8080/', rate: 10/s, timeout: 1s}
phases:
  - {phase: calm, for: 10s}
  - {phase: paused, for: 10s, steps: [{pause: web}]}
  - {phase: lost, for: 10s, steps: [{unpause: web}, {latency: {delay: 20ms, of: web}}]}
  - {phase: dead, for: 10s, steps: [{kill: web}, {heal: all}]}
  - {phase: back, for: 10s, steps: [{start: web}]}
",
    );
    folder
}

#[test]
fn a_run_that_is_kept_can_be_read_again() {
    let folder = web("watch-record");
    let run = squall(&folder, &["run", "scenario.yaml", "--record", "run.json"]);
    assert!(matches!(run.status.code(), Some(0..=2)), "{}", err(&run));

    let load = squall(&folder, &["load", "--record", "run.json"]);
    assert_eq!(load.status.code(), Some(1), "some requests failed");
    let text = out(&load);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 500, "{}", err(&load));
    // The clocks of the simulation begin at midnight.
    let wanted = "[01] 00:00:00 | backend=unknown | db=unknown | body=(status 200)";
    assert_eq!(lines[0], wanted);
    let wanted = "[111] 00:00:11 | backend=unknown | db=unknown | body=error: timeout";
    assert_eq!(lines[110], wanted);
    let none = squall(&folder, &["load", "--record", "run.json", "--client", "x"]);
    assert_eq!(none.status.code(), Some(254));
    assert!(err(&none).contains("no client `x` sent anything; there are load"));

    let watch = squall(&folder, &["watch", "--record", "run.json"]);
    assert_eq!(watch.status.code(), run.status.code());
    let text = out(&watch);
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
    let frames: Vec<&str> = text.trim_end().split("\n\n").collect();
    assert_eq!(frames.len(), 6, "{text}");
    let has = |frame: usize, wanted: &[&str]| {
        for wanted in wanted {
            assert!(
                frames[frame].contains(wanted),
                "{wanted}:\n{}",
                frames[frame]
            );
        }
    };
    let none = "│none ";
    has(0, &["web, seed 1", "phase 1 of 5: calm", none, "running  "]);
    has(
        1,
        &["phase 2 of 5: paused", "│web: paused  for", "paused  "],
    );
    has(2, &["10 without an answer", "│network: latency 20ms"]);
    has(3, &["phase 4 of 5: dead", "│web: killed  for", "ending  "]);
    has(4, &["phase 5 of 5: back", none, "running  "]);
    has(5, &["phase 5 of 5: back", none, "verdict: "]);
    let latency = "latency 20ms + 0ns: everybody and web  for";
    for (frame, over) in [(2, "web: paused  for"), (3, latency)] {
        assert!(!frames[frame].contains(over), "{}", frames[frame]);
    }
}

#[test]
fn a_scenario_is_run_and_shown_and_is_the_same_each_time() {
    let folder = web("watch-scenario");
    let first = squall(&folder, &["watch", "scenario.yaml", "--seed", "3"]);
    assert!(
        matches!(first.status.code(), Some(0..=2)),
        "{}",
        err(&first)
    );
    assert!(out(&first).contains("web, seed 3"));
    let second = squall(&folder, &["watch", "scenario.yaml", "--seed", "3"]);
    assert_eq!(out(&first), out(&second));
    let bad = squall(&folder, &["watch", "scenario.yaml", "--speed", "0"]);
    assert_eq!(bad.status.code(), Some(254));
    assert!(
        err(&bad).contains("a number from 0.25 to 100"),
        "{}",
        err(&bad)
    );
}
