//! What is written reads as it was: scenarios made up by chance, and every file of the repository.
#![allow(clippy::unwrap_used)]

mod arbitrary;

use std::path::Path;

use arbitrary::{scenario, without_lines};
use proptest::prelude::*;
use squall_scenario::Scenario;
use squall_scenario::file::write::write;

fn read(text: &str) -> Scenario {
    let read = Scenario::read("x.yaml".into(), text);
    read.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

proptest! {
    #[test]
    fn what_is_written_reads_as_it_was(scenario in scenario()) {
        let text = write(&scenario, "by hand\n\nsquall run x.yaml");
        prop_assert!(text.starts_with("# by hand\n#\n# squall run x.yaml\n\nscenario:"));
        let again = read(&text);
        prop_assert_eq!(without_lines(again.clone()), scenario, "{}", text);
        prop_assert_eq!(write(&again, "by hand\n\nsquall run x.yaml"), text);
    }
}

#[test]
fn the_scenarios_of_the_repository_survive() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/postgres-compose");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if !squall_scenario::file::is_scenario(&text) {
            continue;
        }
        seen += 1;
        let scenario = read(&text);
        let again = read(&write(&scenario, ""));
        assert_eq!(
            without_lines(again),
            without_lines(scenario),
            "{}",
            path.display()
        );
    }
    assert!(seen > 5);
}

#[test]
fn it_is_pleasant_to_read() {
    let text = "\
# Found by chance.

scenario: kill-follower
about: >
  One of the two databases is killed under load and comes back. Every request is answered, since the
  proxy finds another one.

seed: 17
verdict: failed

system:
  compose: docker-compose.yml
  programs: {squall/users-api: users-api}
  scale: {backend: 1}
  without: [a, b]

network: {latency: 1ms}

clients:
  - name: load
    get: http://localhost:8080/data
    rate: 50/s
    backend: $.backend_id

phases:
  - phase: faults
    for: 20s
    load: off
    explore:
      faults: [kill, {loss: 10%..20%}]
      alive: {backend*: 1}
    steps:
      - kill: a
      - {at: 1.5s, partition: {between: a, and: [b, c]}, for: 3s}
      - {at: 2s, loss: {percent: 25%, towards: a}}
      - heal: all
    expect:
      success: \"> 99%\"
      databases: {a: 40%..60%, b: < 1%}

invariants:
  - no-failed-request
  - recovers: {within: 5s}
";
    assert_eq!(write(&read(text), "Found by chance."), text);
}
