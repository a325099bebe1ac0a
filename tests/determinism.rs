//! One seed, one trace: at two positions in one process, and in two processes.
//!
//! One scenario is a short one with everything that draws from the seed: loss, jitter, a killed
//! container, health checks, random ports. Another has a control plane, names that it draws,
//! virtual addresses and replication. A third draws what its clients send, and has faults of HTTP, retries with
//! jitter, and a log. A fourth has HTTP/2, streams, elections, and Raft's own generator.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use squall_tests::{plan, play};

/// Set for the other process, which is this test binary again.
const OTHER: &str = "SQUALL_TEST_OTHER_PROCESS";

/// What is played, and with how many seeds: systems of Compose, and one of Kubernetes.
const PLAYED: [(&str, u64); 4] = [
    ("tests/determinism.yaml", 100),
    ("scenarios/postgres-k8s/demo-failover.yaml", 5),
    ("scenarios/splitdim/answers-lost.yaml", 2),
    ("scenarios/ha-counter/power-off-etcd-leader.yaml", 2),
];

/// The trace's hash and the number of events, for each seed.
fn traces() -> Vec<String> {
    let of = |(file, seeds): (&'static str, u64)| {
        let path = squall_tests::root().join(file);
        let plan = plan(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let one = move |seed| {
            let record = play(&plan, seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
            let (hash, events) = (record.summary.trace_hash, record.summary.events);
            format!("{file} with seed {seed}: {hash} after {events} events")
        };
        (0..seeds).map(one)
    };
    PLAYED.into_iter().flat_map(of).collect()
}

#[test]
fn a_seed_is_one_run_wherever_it_is_run() {
    let first = traces();
    if std::env::var_os(OTHER).is_some() {
        for trace in first {
            println!("{trace}");
        }
        return;
    }
    let second = traces();
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first, second, "at two positions in one process");
    }
    let other = Command::new(std::env::current_exe().unwrap())
        .args([
            "a_seed_is_one_run_wherever_it_is_run",
            "--exact",
            "--nocapture",
        ])
        .env(OTHER, "1")
        .output()
        .unwrap();
    let there = String::from_utf8_lossy(&other.stdout);
    for here in &first {
        assert!(
            there.lines().any(|line| line == here),
            "in another process: {here} is not in\n{there}"
        );
    }
    let mut distinct = first
        .iter()
        .map(|trace| trace.split(": ").nth(1))
        .collect::<Vec<_>>();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), first.len(), "two seeds are two runs");
}
