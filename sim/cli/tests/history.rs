//! `squall history` as its users meet it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{err, folder, out, squall};

const RECORD: &str = r#"{"summary": {"scenario": "demo", "seed": 7, "verdict": "passed", "virtual_ms": 1, "wall_ms": 1,
    "events": 1, "trace_hash": "", "invariants": [], "phases": []},
"samples": [
    {"client": "load", "sent_us": 1, "latency_us": 5, "outcome": {"status": 200}, "request": "{\"n\":3}"},
    {"client": "other", "sent_us": 2, "latency_us": 5, "outcome": {"failure": "refused"}},
    {"client": "third", "sent_us": 3, "latency_us": 1, "outcome": {"status": 500}}],
"happenings": [], "log": {"lines": [], "dropped": 0}}"#;

#[test]
fn a_record_becomes_a_history_of_whom_one_asks_for() {
    let folder = folder("history");
    std::fs::write(folder.join("run.json"), RECORD).unwrap();
    let all = squall(&folder, &["history", "run.json"]);
    assert_eq!(all.status.code(), Some(0), "{}", err(&all));
    assert_eq!(out(&all).lines().count(), 6);
    let args = [
        "history", "run.json", "--client", "load", "--client", "other",
    ];
    let two = squall(&folder, &args);
    assert_eq!(
        out(&two),
        r#"{"process":0,"type":"invoke","f":"load","value":{"n":3},"time":1000,"index":0}
{"process":1,"type":"invoke","f":"other","value":null,"time":2000,"index":1}
{"process":0,"type":"ok","f":"load","value":{"n":3},"time":6000,"index":2}
{"process":1,"type":"fail","f":"other","value":null,"time":7000,"index":3,"error":"refused"}
"#
    );
    let args = [
        "history", "run.json", "--client", "third", "--format", "edn",
    ];
    let third = squall(&folder, &args);
    assert_eq!(
        out(&third),
        "{:process 0, :type :invoke, :f :third, :value nil, :time 3000, :index 0}\n\
         {:process 0, :type :info, :f :third, :value nil, :time 4000, :index 1, :error \"status 500\"}\n"
    );
}

#[test]
fn who_sent_nothing_is_no_client() {
    let folder = folder("history-bad");
    std::fs::write(folder.join("run.json"), RECORD).unwrap();
    let output = squall(&folder, &["history", "run.json", "--client", "laod"]);
    assert_eq!(output.status.code(), Some(254));
    assert_eq!(out(&output), "");
    let said = err(&output);
    assert!(
        said.contains("no client `laod` sent anything; there are load, other, third"),
        "{said}"
    );
    let output = squall(&folder, &["history", "absent.json"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("absent.json: no record of a run"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_stretch_is_drawn() {
    let folder = folder("history-drawn");
    std::fs::write(folder.join("run.json"), RECORD).unwrap();
    let drawn = squall(
        &folder,
        &["history", "run.json", "--draw", "--client", "load"],
    );
    assert_eq!(drawn.status.code(), Some(0), "{}", err(&drawn));
    let said = out(&drawn);
    assert!(said.starts_with("no invariant blames a request"), "{said}");
    assert!(
        said.contains("\nload  ") && !said.contains("\nother"),
        "{said}"
    );
    let args = ["history", "run.json", "--format", "svg", "--around", "1s"];
    let svg = out(&squall(&folder, &args));
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    let args = ["history", "run.json", "--format", "edn", "--draw"];
    let both = squall(&folder, &args);
    assert_eq!(both.status.code(), Some(254));
    assert!(
        err(&both).contains("this form is no picture"),
        "{}",
        err(&both)
    );
}
