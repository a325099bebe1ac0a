//! Exploring and shrinking as their users meet them: what is drawn is what runs, what is shrunk
//! replays.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::process::Output;

use common::{NGINX, err, folder, out, squall};

/// Two servers that know nothing of each other, one of which is asked.
fn web(name: &str, phases: &str) -> PathBuf {
    let folder = folder(name);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("nginx.conf", NGINX);
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.27\n    container_name: web\n    ports: ['8080:80']\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro']\n  spare:\n    image: nginx:1.27\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro']\n",
    );
    let head = "scenario: web\nsystem: {compose: docker-compose.yml}\nclients:\n  - {name: load, get: 'http://localhost:8080/', rate: 10/s, timeout: 5s}\n";
    write("scenario.yaml", &format!("{head}phases:\n{phases}"));
    folder
}

const EXPLORING: &str = "  - {phase: faults, for: 20s, explore: {services: [web], faults: [kill, pause]}, expect: {success: 100%}}
  - {phase: well, for: 5s}
";

/// The words after `trace` at the end of a run.
fn trace(output: &Output) -> String {
    let text = out(output);
    let after = text.rsplit_once("trace ").unwrap().1;
    after.split(')').next().unwrap().to_owned()
}

#[test]
fn what_is_drawn_is_what_an_exploring_run_plays() {
    let folder = web("explore-draw", EXPLORING);
    let plain = squall(&folder, &["run", "scenario.yaml", "--seed", "3"]);
    assert_eq!(plain.status.code(), Some(0), "{}", out(&plain));
    let explored = squall(
        &folder,
        &["run", "scenario.yaml", "--explore", "--seed", "3"],
    );
    assert_eq!(explored.status.code(), Some(1), "{}", out(&explored));
    let replay = "replay: squall run scenario.yaml --explore --seed 3";
    assert!(out(&explored).contains(replay), "{}", out(&explored));
    let drawn = squall(&folder, &["draw", "scenario.yaml", "--seed", "3"]);
    assert_eq!(drawn.status.code(), Some(0), "{}", err(&drawn));
    std::fs::write(folder.join("drawn.yaml"), out(&drawn)).unwrap();
    let again = squall(&folder, &["run", "drawn.yaml"]);
    assert_eq!(trace(&again), trace(&explored));
    assert_ne!(trace(&plain), trace(&explored));
}

#[test]
fn without_a_budget_there_is_nothing_to_explore() {
    let folder = web("explore-none", "  - {phase: p, for: 1s}\n");
    for args in [
        &["run", "scenario.yaml", "--explore"][..],
        &["draw", "scenario.yaml"],
        &["shrink", "scenario.yaml", "--explore"],
    ] {
        let output = squall(&folder, args);
        assert_eq!(output.status.code(), Some(254), "{args:?}");
        assert!(
            err(&output).contains("no phase has an `explore`"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn a_failure_is_shrunk_to_a_file_that_replays() {
    let phases = "  - {phase: before, for: 4s, expect: {success: 100%}}
  - phase: faults
    for: 10s
    steps:
      - {at: 1s, pause: spare, for: 2s}
      - {at: 2.7s, kill: web, for: 3.4s}
      - {at: 5s, loss: {percent: 10%, of: spare}, for: 2s}
    expect: {success: 100%, requests: '> 0'}
  - {phase: after, for: 4s, expect: {success: 100%}}
invariants: [every-request-answered]
";
    let folder = web("explore-shrink", phases);
    let shrunk = squall(&folder, &["shrink", "scenario.yaml", "--seed", "5"]);
    assert_eq!(shrunk.status.code(), Some(1), "{}", err(&shrunk));
    let said = err(&shrunk);
    assert!(
        said.contains("fails at seed 5: every-request-answered"),
        "{said}"
    );
    assert!(
        said.contains("fails as well: success in \"faults\""),
        "{said}"
    );
    assert!(
        said.contains("scenario-shrunk.yaml: fails in the same way"),
        "{said}"
    );
    let text = std::fs::read_to_string(folder.join("scenario-shrunk.yaml")).unwrap();
    assert!(
        text.starts_with("# Written by: squall shrink scenario.yaml --seed 5\n"),
        "{text}"
    );
    for part in [
        "seed: 5\nfails: [every-request-answered]\n",
        "  without: spare\n",
        "phases:\n  - phase: faults\n",
        "invariants:\n  - every-request-answered\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert_eq!(text.matches("phase: ").count(), 1, "{text}");
    assert!(text.contains("kill: web"), "{text}");
    assert!(!text.contains("pause") && !text.contains("loss"), "{text}");
    let replayed = squall(&folder, &["run", "scenario-shrunk.yaml"]);
    assert_eq!(replayed.status.code(), Some(1), "{}", out(&replayed));
    assert!(
        text.contains(&trace(&replayed)),
        "{text}\n{}",
        out(&replayed)
    );
    // Cured: the file that keeps the failure is out of date, and is said to be.
    std::fs::write(
        folder.join("scenario-shrunk.yaml"),
        text.replace("kill: web", "kill: spare")
            .replace("without: spare", "up_within: 60s"),
    )
    .unwrap();
    let cured = squall(&folder, &["run", "scenario-shrunk.yaml"]);
    assert_eq!(cured.status.code(), Some(0), "{}", out(&cured));
    assert!(
        err(&cured).contains("says `verdict: failed`, and the verdict is: passed"),
        "{}",
        err(&cured)
    );
}

#[test]
fn what_passes_is_not_shrunk() {
    let folder = web(
        "explore-passes",
        "  - {phase: p, for: 1s, expect: {success: 100%}}\n",
    );
    let output = squall(&folder, &["shrink", "scenario.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        err(&output).contains("passed at seed 1: nothing to shrink"),
        "{}",
        err(&output)
    );
    assert!(!folder.join("scenario-shrunk.yaml").exists());
}
