//! A stretch of a history, drawn.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use squall_record::{
    Failure, Happening, Invariant, Kind, Line, Log, Outcome, RunRecord, Sample, Summary, Verdict,
};
use squall_report::history::draw::{Stretch, draw, svg, text};

fn sample(client: &str, sent_us: u64, latency_us: u64, value: Option<i64>) -> Sample {
    Sample {
        client: client.into(),
        sent_us,
        latency_us,
        outcome: Outcome::Status(200),
        backend: None,
        database: None,
        value,
        request: None,
        body: None,
    }
}

fn line(at_us: u64, host: &str, op: &str, value: i64) -> Line {
    Line {
        at_us,
        host: host.into(),
        text: format!(r#"{{"counter":1,"op":"{op}","value":{value},"other":true}}"#),
    }
}

fn record(samples: Vec<Sample>, lines: Vec<Line>, blames: Vec<usize>) -> RunRecord {
    let broken = Invariant {
        name: "increments-linearizable".to_owned(),
        holds: Some(false),
        detail: "2 increments answered 13, sent at 12.340 s and 12.341 s".to_owned(),
        figures: BTreeMap::new(),
        blames,
    };
    RunRecord {
        summary: Summary {
            scenario: "by hand".to_owned(),
            seed: 1,
            verdict: Verdict::Failed,
            virtual_ms: 0,
            wall_ms: 0,
            events: 0,
            trace_hash: String::new(),
            phases: vec![],
            invariants: vec![broken],
        },
        samples,
        happenings: vec![],
        changes: vec![],
        log: Log { lines, dropped: 0 },
        epoch_s: 0,
    }
}

/// What `lock-early-release` does: two instances read 12, and both write 13.
fn lost_update() -> RunRecord {
    let mut samples = vec![
        sample("increments", 12_300_000, 20_000, Some(12)),
        sample("increments", 12_340_000, 30_000, Some(13)),
        sample("increments", 12_341_000, 37_000, Some(13)),
        sample("fetches", 12_375_000, 3_000, Some(13)),
        sample("increments", 12_372_000, 14_000, None),
        sample("increments", 12_380_000, 60_000, None),
        sample("increments", 13_000_000, 60_000, Some(14)),
    ];
    samples[4].outcome = Outcome::Status(503);
    samples[5].outcome = Outcome::Failure(Failure::Timeout);
    let lines = vec![
        line(12_318_000, "counter-0", "wrote", 12),
        line(12_350_000, "counter-1", "read", 12),
        line(12_355_000, "counter-2", "read", 12),
        line(12_369_000, "counter-1", "wrote", 13),
        line(12_377_000, "counter-2", "wrote", 13),
        line(12_377_500, "counter-0", "read", 13),
        Line {
            at_us: 12_360_000,
            host: "counter-0".into(),
            text: "\"counter\" is not all there is in a log".to_owned(),
        },
    ];
    let mut record = record(samples, lines, vec![1, 2]);
    record.happenings.push(Happening {
        at_us: 12_352_000,
        host: "etcd0".into(),
        what: "paused".to_owned(),
        kind: Kind::Fault,
        begins: None,
        ends: vec![],
    });
    record
}

fn drawn(record: &RunRecord, clients: &[&str], around_us: Option<u64>) -> (String, String) {
    let clients: Vec<String> = clients.iter().map(|name| (*name).to_owned()).collect();
    let stretch = Stretch::of(record, &clients, around_us).unwrap();
    let drawing = draw(record, &clients, stretch);
    let (mut letters, mut picture) = (Vec::new(), Vec::new());
    text::write(&drawing, &mut letters).unwrap();
    svg::write(&drawing, &mut picture).unwrap();
    (
        String::from_utf8(letters).unwrap(),
        String::from_utf8(picture).unwrap(),
    )
}

#[test]
fn a_lost_update_is_seen() {
    let (letters, _) = drawn(&lost_update(), &[], None);
    let expected = include_str!("draw.expected");
    assert_eq!(letters, expected, "\n{letters}");
}

#[test]
fn another_time_is_drawn_on_request() {
    let (letters, _) = drawn(&lost_update(), &["fetches"], Some(13_000_000));
    assert!(letters.starts_with("around 13.000 s\n"), "{letters}");
    assert!(letters.contains("├─"), "{letters}");
    assert!(!letters.contains("increments"), "{letters}");
}

#[test]
fn without_a_breach_the_beginning_is_drawn() {
    let mut record = lost_update();
    record.summary.invariants[0].holds = Some(true);
    let (letters, _) = drawn(&record, &["increments"], None);
    assert!(
        letters.starts_with("no invariant blames a request; the first of them\n"),
        "{letters}"
    );
    record.samples.clear();
    assert_eq!(Stretch::of(&record, &[], None), None);
}

#[test]
fn a_picture_marks_what_is_blamed_and_escapes_what_it_is_told() {
    let mut record = lost_update();
    record.happenings[0].what = "<paused> & \"more\"".to_owned();
    let (_, picture) = drawn(&record, &[], None);
    assert!(picture.contains(">13!</text>"), "{picture}");
    assert!(picture.contains(">12→13!</text>"), "{picture}");
    assert!(picture.contains("etcd0 &lt;paused&gt; &amp; \"more\""));
    assert!(
        picture.contains("stroke-dasharray"),
        "the one that nobody knows of"
    );
}

#[test]
fn too_much_to_show_is_counted_and_what_is_blamed_is_shown() {
    let mut samples: Vec<Sample> = (0..200)
        .map(|at| sample("increments", 1000 + at, 500, Some(at as i64)))
        .collect();
    samples.push(sample("increments", 1100, 500, Some(7)));
    let (letters, _) = drawn(&record(samples, vec![], vec![7, 200]), &[], None);
    assert!(letters.contains(" more\n"), "{letters}");
    assert_eq!(
        letters.matches("7!").count(),
        3,
        "two bars and the legend:\n{letters}"
    );
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let outcome = prop_oneof![
        Just(Outcome::Status(200)),
        Just(Outcome::Status(503)),
        Just(Outcome::Failure(Failure::Timeout))
    ];
    let one = (
        0..3_u8,
        any::<u64>(),
        0..100_000_000_u64,
        option::of(any::<i64>()),
        outcome,
    );
    let one = one.prop_map(|(client, sent_us, latency_us, value, outcome)| Sample {
        outcome,
        ..sample(
            &format!("client{client}"),
            sent_us >> (client * 20),
            latency_us,
            value,
        )
    });
    vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No line is wider than a terminal, and all text of the picture is text.
    #[test]
    fn any_record_can_be_drawn(
        samples in samples(),
        lines in vec((any::<u64>(), 0..3_u8, any::<bool>(), any::<i64>()), 0..20),
        blames in vec(0..50_usize, 0..3),
        around_us in option::of(any::<u64>()),
    ) {
        let lines = lines.into_iter().map(|(at_us, host, is_write, value)| {
            let op = if is_write { "wrote" } else { "read" };
            line(at_us, &format!("a-very-long-name-of-a-pod-{host}"), op, value)
        });
        let record = record(samples, lines.collect(), blames);
        if Stretch::of(&record, &[], around_us).is_some() {
            let (letters, picture) = drawn(&record, &[], around_us);
            let lanes = letters.lines().skip(1).take_while(|line| !line.starts_with("├─7"));
            for line in lanes {
                prop_assert!(line.chars().count() <= 106, "{}", line);
            }
            prop_assert_eq!(picture.matches('<').count(), picture.matches('>').count());
        }
    }
}
