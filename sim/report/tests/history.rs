//! The history of a run, in Jepsen's form.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use squall_record::{Failure, Fate, Outcome, Sample};
use squall_report::history::{Kind, Operation, edn, operations, write_json_lines};

fn sample(client: &str, sent_us: u64, latency_us: u64, outcome: Outcome) -> Sample {
    Sample {
        client: client.into(),
        sent_us,
        latency_us,
        outcome,
        backend: None,
        database: None,
        value: None,
        request: None,
        body: None,
    }
}

fn history(samples: &[Sample]) -> Vec<Operation<'_>> {
    operations(&samples.iter().collect::<Vec<_>>()).collect()
}

fn lines(samples: &[Sample]) -> (String, String) {
    let (mut json, mut clojure) = (Vec::new(), Vec::new());
    let all: Vec<&Sample> = samples.iter().collect();
    write_json_lines(operations(&all), &mut json).unwrap();
    edn::write(operations(&all), &mut clojure).unwrap();
    (
        String::from_utf8(json).unwrap(),
        String::from_utf8(clojure).unwrap(),
    )
}

/// A transfer that is done, one that is refused, one that nobody knows of, and a read.
fn story() -> Vec<Sample> {
    let ok = Outcome::Status(200);
    let transfer = |sent_us, latency_us, outcome| Sample {
        request: Some("{\"sender\":\"u1\",\"amount\":5}".into()),
        ..sample("transfer", sent_us, latency_us, outcome)
    };
    let mut read = sample("accounts", 50, 5, ok);
    read.body = Some("[{\"holder\":\"u1\",\"balance\":-5}]\n".into());
    vec![
        transfer(10, 15, ok),
        transfer(20, 10, Outcome::Failure(Failure::Timeout)),
        transfer(40, 2, Outcome::Status(503)),
        read,
    ]
}

#[test]
fn a_history_in_lines_of_json() {
    assert_eq!(
        lines(&story()).0,
        r#"{"process":0,"type":"invoke","f":"transfer","value":{"sender":"u1","amount":5},"time":10000,"index":0}
{"process":1,"type":"invoke","f":"transfer","value":{"sender":"u1","amount":5},"time":20000,"index":1}
{"process":0,"type":"ok","f":"transfer","value":{"sender":"u1","amount":5},"time":25000,"index":2}
{"process":1,"type":"info","f":"transfer","value":{"sender":"u1","amount":5},"time":30000,"index":3,"error":"timeout"}
{"process":0,"type":"invoke","f":"transfer","value":{"sender":"u1","amount":5},"time":40000,"index":4}
{"process":0,"type":"fail","f":"transfer","value":{"sender":"u1","amount":5},"time":42000,"index":5,"error":"status 503"}
{"process":0,"type":"invoke","f":"accounts","value":null,"time":50000,"index":6}
{"process":0,"type":"ok","f":"accounts","value":[{"holder":"u1","balance":-5}],"time":55000,"index":7}
"#
    );
}

#[test]
fn a_history_as_clojure_s_data() {
    let clojure = lines(&story()).1;
    let lines: Vec<&str> = clojure.lines().collect();
    assert_eq!(
        lines[3],
        r#"{:process 1, :type :info, :f :transfer, :value {"sender" "u1", "amount" 5}, :time 30000, :index 3, :error "timeout"}"#
    );
    assert_eq!(
        lines[7],
        r#"{:process 0, :type :ok, :f :accounts, :value [{"holder" "u1", "balance" -5}], :time 55000, :index 7}"#
    );
    assert!(lines[6].contains(":value nil,"), "{}", lines[6]);
}

#[test]
fn every_json_has_its_clojure() {
    let value = |text: &str| {
        let mut one = sample("a b", 1, 1, Outcome::Status(200));
        one.request = Some(text.into());
        let clojure = lines(&[one]).1;
        let line = clojure.lines().next().unwrap().to_owned();
        let rest = line
            .strip_prefix("{:process 0, :type :invoke, :f \"a b\", :value ")
            .unwrap();
        rest.strip_suffix(", :time 1000, :index 0}")
            .unwrap()
            .to_owned()
    };
    for (json, clojure) in [
        ("true", "true"),
        ("null", "nil"),
        ("[]", "[]"),
        ("{}", "{}"),
        (
            r#"{"a":[1,2.5,-3e300],"b":{"c d":null}}"#,
            r#"{"a" [1 2.5 -3e+300], "b" {"c d" nil}}"#,
        ),
        ("18446744073709551615", "18446744073709551615N"),
        ("-9223372036854775808", "-9223372036854775808"),
        // What is no JSON is a text.
        ("/x/3", r#""/x/3""#),
        (
            "say \"\\\"\n\t\r\u{1}\u{7f}é",
            r#""say \"\\\"\n\t\r\u0001\u007fé""#,
        ),
    ] {
        assert_eq!(value(json), clojure, "{json}");
    }
}

#[test]
fn the_number_that_a_client_reads_is_the_answer_where_no_answer_is_kept() {
    let mut read = sample("count", 0, 1, Outcome::Status(200));
    read.value = Some(7);
    assert_eq!(history(&[read.clone()])[1].value, 7);
    read.body = Some("{\"n\":8}".into());
    assert_eq!(history(&[read])[1].value["n"], 8);
}

/// What was answered in the microsecond in which another was sent may not have been seen by it.
#[test]
fn what_happens_at_once_overlaps() {
    let ok = Outcome::Status(200);
    let samples = [sample("a", 0, 10, ok), sample("b", 10, 0, ok)];
    let order: Vec<_> = history(&samples)
        .iter()
        .map(|one| (one.f, one.kind, one.process))
        .collect();
    assert_eq!(
        order,
        [
            ("a", Kind::Invoke, 0),
            ("b", Kind::Invoke, 1),
            ("a", Kind::Ok, 0),
            ("b", Kind::Ok, 1)
        ]
    );
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let outcome = prop_oneof![
        (100..=599_u16).prop_map(Outcome::Status),
        Just(Outcome::Status(200)),
        Just(Outcome::Failure(Failure::Timeout)),
        Just(Outcome::Failure(Failure::Overload)),
    ];
    let one = (0..30_u64, 0..9_u64, outcome, option::of("\\PC{0,8}"));
    vec(one, 0..40).prop_map(|all| {
        let mut samples: Vec<Sample> = all
            .into_iter()
            .map(|(sent_us, latency_us, outcome, request)| Sample {
                request: request.map(Into::into),
                ..sample("load", sent_us, latency_us, outcome)
            })
            .collect();
        samples.sort_by_key(|sample| sample.sent_us);
        samples
    })
}

proptest! {
    #[test]
    fn a_process_does_one_thing_at_a_time_and_nothing_after_info(samples in samples()) {
        let history = history(&samples);
        prop_assert_eq!(history.len(), samples.len() * 2);
        let mut open: BTreeMap<usize, u64> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        let mut ended = BTreeMap::new();
        for (at, operation) in history.iter().enumerate() {
            prop_assert_eq!(operation.index, at);
            prop_assert!(at == 0 || history[at - 1].time_ns <= operation.time_ns);
            let process = operation.process;
            if operation.kind == Kind::Invoke {
                prop_assert!(!gone.contains(&process), "{} comes back", process);
                // It takes the lowest number that is free.
                for lower in 0..process {
                    prop_assert!(open.contains_key(&lower) || gone.contains(&lower));
                }
                prop_assert!(open.insert(process, operation.time_ns).is_none());
                prop_assert!(operation.error.is_none());
            } else {
                prop_assert!(open.remove(&process).is_some(), "{} did nothing", process);
                if operation.kind == Kind::Info {
                    gone.insert(process);
                }
                prop_assert_eq!(operation.error.is_none(), operation.kind == Kind::Ok);
                *ended.entry(operation.kind.as_str()).or_insert(0) += 1;
            }
        }
        prop_assert!(open.is_empty());
        for (kind, fate) in [("ok", Fate::Acknowledged), ("fail", Fate::Refused), ("info", Fate::Unknown)] {
            let count = samples.iter().filter(|sample| sample.fate() == fate).count();
            prop_assert_eq!(ended.get(kind).copied().unwrap_or(0), count);
        }
    }

    #[test]
    fn a_line_is_one_operation(samples in samples()) {
        let (json, clojure) = lines(&samples);
        for line in json.lines() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{}", line);
        }
        prop_assert_eq!(json.lines().count(), samples.len() * 2);
        prop_assert_eq!(clojure.lines().count(), samples.len() * 2);
    }
}
