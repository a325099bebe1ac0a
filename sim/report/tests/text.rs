//! What a run looks like on a terminal that shows no colours.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use squall_record::{
    Expectation, Failure, Happening, Invariant, Kind, Latency, Log, Outcome, Phase, RunRecord,
    Sample, Summary, Verdict,
};
use squall_report::text::Text;

fn sample(sent_ms: u64, latency_ms: u64, status: Option<u16>, number: usize) -> Sample {
    let served = |names: [&str; 2]| status.map(|_| names[number % 2].into());
    Sample {
        request: None,
        client: "load".into(),
        sent_us: sent_ms * 1000,
        latency_us: latency_ms * 1000,
        outcome: status.map_or(Outcome::Failure(Failure::Timeout), Outcome::Status),
        backend: served(["backend1", "backend2"]),
        database: served(["postgres-slave1", "postgres-slave2"]),
        value: None,
        body: None,
    }
}

fn record() -> RunRecord {
    let mut samples: Vec<Sample> = (0..6_usize)
        .map(|n| sample(5000 + 500 * n as u64, 2, Some(200), n))
        .collect();
    samples[3].latency_us = 1_250_000;
    samples.push(sample(8000, 3000, None, 0));
    let count = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    };
    let phases = vec![
        Phase {
            name: "one database is gone".to_owned(),
            from_ms: 5000,
            to_ms: 10_000,
            requests: 7,
            ok: 6,
            failed: 1,
            by_status: count(&[("200", 6), ("timeout", 1)]),
            by_backend: count(&[("backend1", 3), ("backend2", 3)]),
            by_database: count(&[("postgres-slave1", 3), ("postgres-slave2", 3)]),
            latency_ms: Some(Latency {
                p50: 2.0,
                p90: 1250.0,
                p99: 1250.0,
                max: 1250.0,
            }),
            longest_stall_ms: 3000.0,
            expectations: vec![
                Expectation {
                    what: "success".to_owned(),
                    expected: "100%".to_owned(),
                    actual: "85.7%".to_owned(),
                    holds: Some(false),
                },
                Expectation {
                    what: "longest stall".to_owned(),
                    expected: "< 5s".to_owned(),
                    actual: "3.000 s".to_owned(),
                    holds: Some(true),
                },
            ],
        },
        Phase {
            name: "silence".to_owned(),
            from_ms: 10_000,
            to_ms: 12_000,
            requests: 0,
            ok: 0,
            failed: 0,
            by_status: BTreeMap::new(),
            by_backend: BTreeMap::new(),
            by_database: BTreeMap::new(),
            latency_ms: None,
            longest_stall_ms: 0.0,
            expectations: vec![Expectation {
                what: "success".to_owned(),
                expected: "100%".to_owned(),
                actual: "nothing to count".to_owned(),
                holds: None,
            }],
        },
    ];
    RunRecord {
        summary: Summary {
            scenario: "kill-follower".to_owned(),
            seed: 7,
            verdict: Verdict::Failed,
            virtual_ms: 12_000,
            wall_ms: 31,
            events: 4321,
            trace_hash: "00c0ffee".to_owned(),
            phases,
            invariants: vec![Invariant {
                figures: std::collections::BTreeMap::new(),
                blames: Vec::new(),
                name: "every-request-answered".to_owned(),
                holds: Some(false),
                detail: "1 of 7 not answered".to_owned(),
            }],
        },
        samples,
        happenings: vec![Happening {
            at_us: 6_000_000,
            host: "postgres-slave2".into(),
            what: "killed".to_owned(),
            kind: Kind::Fault,
            begins: None,
            ends: vec![],
        }],
        changes: vec![],
        log: Log::default(),
        epoch_s: 0,
    }
}

fn written() -> Vec<u8> {
    let record = record();
    let mut text = Text::new(Vec::new());
    text.head("kill-follower", Some("One of two databases dies."), 7)
        .unwrap();
    text.up(5000).unwrap();
    for view in record.views() {
        text.phase(&view).unwrap();
    }
    text.summary(&record.summary, "squall run kill-follower.yaml --seed 7")
        .unwrap();
    text.into_inner()
}

#[test]
fn a_run_reads_without_colours() {
    let plain = anstream::adapter::strip_bytes(&written()).into_vec();
    let plain = String::from_utf8(plain).unwrap();
    assert_eq!(plain, include_str!("text.expected"), "\n{plain}");
}

#[test]
fn colours_are_there_for_those_who_see_them() {
    let written = String::from_utf8(written()).unwrap();
    assert!(written.contains("\u{1b}[31m"), "{written}");
}

#[test]
fn json_is_one_object_with_the_verdict() {
    let mut out = Vec::new();
    squall_report::json::write(&mut out, &record().summary).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["verdict"], "failed");
    assert_eq!(json["phases"][0]["by_status"]["timeout"], 1);
    assert_eq!(json["phases"][1]["latency_ms"], serde_json::Value::Null);
    assert_eq!(out.last(), Some(&b'\n'));
}
