//! The director in a world without an engine, on tokio's paused clock.
#![allow(clippy::unwrap_used)]

mod fake;

use squall_fault::link::Loss;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_record::{Kind, PhaseView, RunRecord, Verdict};
use squall_scenario::director::Measured;
use squall_scenario::file::Process;
use squall_scenario::journal::Journal;
use squall_scenario::{Director, Progress, Scenario};

use self::fake::{Fake, Handle};

/// Remembers what it was told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn system_is_up(&self, at: Duration) {
        self.0.lock().unwrap().push(format!("up at {at:?}"));
    }
    fn phase_ended(&self, view: PhaseView<'_>) {
        let (phase, samples, happenings) = (view.phase, view.samples.len(), view.happenings.len());
        let text = format!(
            "{}: {} requests, {samples} samples, {happenings} happenings",
            phase.name, phase.requests
        );
        self.0.lock().unwrap().push(text);
    }
}

const HEAD: &str = "
scenario: fake
system: {compose: c.yml}
clients:
  - name: load
    get: http://localhost:8080/data
    rate: 10/s
    timeout: 2s
    backend: $.backend_id
    database: $.postgres_ip
";

async fn direct(fake: &Arc<Fake>, text: &str) -> (RunRecord, Vec<String>) {
    let handle = Handle(fake.clone());
    let (journal, heard) = (Arc::new(Journal::new()), Arc::new(Heard::default()));
    let director = Director {
        scenario: Arc::new(Scenario::read("x.yaml".into(), text).unwrap()),
        world: Arc::new(handle.clone()),
        system: Arc::new(handle),
        journal: journal.clone(),
        progress: heard.clone(),
        seed: fake.seed,
    };
    // As the engine does: the story is a task of its own.
    let told = tokio::spawn(director.direct()).await.unwrap();
    let measured = Measured {
        seed: 3,
        virtual_time: fake.began.elapsed(),
        ..Measured::default()
    };
    let record = told.into_record(measured, &journal);
    let heard = heard.0.lock().unwrap().clone();
    (record, heard)
}

#[tokio::test(start_paused = true)]
async fn a_story_is_played_and_judged() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - phase: both
    for: 10s
    expect: {{success: 100%, backends: {{a: 50%, b: 50%}}, only_databases: database, longest_stall: < 50ms}}
  - phase: b alone
    for: 10s
    steps: [{{kill: a, for: 12s}}]
    expect: {{success: 100%, only_backends: b}}
  - phase: nobody
    for: 10s
    steps: [{{kill: b, for: 1s}}]
    expect: {{status: {{200: 90%, refused: 10%}}, longest_outage: 1s..1200ms}}
invariants: [every-request-answered, {{recovers: {{within: 1s}}}}, balanced-after-recovery]
"
    );
    let (record, heard) = direct(&fake, &text).await;
    let summary = &record.summary;
    let judged: Vec<_> = summary
        .phases
        .iter()
        .flat_map(|p| &p.expectations)
        .collect();
    assert_eq!(judged.len(), 10);
    assert!(
        judged.iter().all(|one| one.holds == Some(true)),
        "{judged:#?}"
    );
    assert_eq!(
        heard,
        [
            "up at 5s",
            "both: 100 requests, 100 samples, 0 happenings",
            "b alone: 100 requests, 100 samples, 1 happenings",
            "nobody: 100 requests, 100 samples, 3 happenings",
        ]
    );
    let holds: Vec<Option<bool>> = summary.invariants.iter().map(|one| one.holds).collect();
    // Ten seconds after the last change nothing is sent any more.
    assert_eq!(
        holds,
        [Some(false), Some(true), None],
        "{:#?}",
        summary.invariants
    );
    assert_eq!(summary.verdict, Verdict::Failed);
    assert_eq!(
        (
            summary.seed,
            summary.phases[1].from_ms,
            summary.phases[1].to_ms
        ),
        (3, 15_000, 25_000)
    );
    let happened: Vec<String> = record
        .happenings
        .iter()
        .map(|h| format!("{} {} {} {:?}", h.at_us / 1000, h.host, h.what, h.kind))
        .collect();
    assert_eq!(
        happened,
        [
            "15000 a killed Fault",
            "25000 b killed Fault",
            "26000 b started Repair",
            "27000 a started Repair"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn links_are_broken_and_mended() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - phase: network
    for: 10s
    steps:
      - {{at: 1s, loss: {{percent: 25%, towards: a}}, for: 1s}}
      - {{at: 3s, partition: {{between: a, and: b}}}}
      - {{at: 4s, latency: {{delay: 50ms, from: a, towards: b}}}}
      - {{at: 5s, heal: partitions}}
      - {{at: 6s, heal: }}
      - {{at: 7s, reset: {{between: a, and: load}}}}
      - {{at: 8s, power_off: b, for: 1s}}
      - {{at: 9500ms, load: off}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let state = fake.state.lock().unwrap();
    let shown: Vec<String> = state
        .links
        .iter()
        .map(|(from, to, link)| {
            let Loss::Random(loss) = link.loss else {
                panic!("{link:?}")
            };
            let probability = loss.probability;
            format!(
                "{from}-{to} {} {probability} {:?}",
                link.is_cut, link.latency
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            // Loss towards a, from b (2) and from the client (101), and its end.
            "2-1 false 0.25 200µs",
            "101-1 false 0.25 200µs",
            "2-1 false 0 200µs",
            "101-1 false 0 200µs",
            "1-2 true 0 200µs",
            "2-1 true 0 200µs",
            "1-2 true 0 50ms",
            "1-2 false 0 50ms",
            "2-1 false 0 200µs",
            "1-2 false 0 200µs",
        ]
    );
    assert_eq!(state.resets, [(1, 101)]);
    assert_eq!(state.power, [(2, false), (2, true)]);
    assert_eq!(state.acts, [("b".to_owned(), Process::Start)]);
    assert_eq!(record.summary.phases[0].requests, 95);
    let faults = record
        .happenings
        .iter()
        .filter(|h| h.kind == Kind::Fault)
        .count();
    assert_eq!(faults, 5);
    // Nothing is expected, so nothing was shown.
    assert_eq!(record.summary.verdict, Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn stragglers_belong_to_the_phase_in_which_they_were_sent() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - {{phase: one, for: 1s, load: 100/s}}
  - {{phase: two, for: 1s, load: off, expect: {{requests: 0}}}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let phases = &record.summary.phases;
    assert_eq!(
        (phases[0].requests, phases[0].ok, phases[1].requests),
        (100, 100, 0)
    );
    assert_eq!(record.summary.verdict, Verdict::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_cannot_be_done_leaves_the_verdict_open() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases: [{{phase: one, for: 1s, steps: [{{stop: a}}], expect: {{success: 100%}}}}]
"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(record.summary.verdict, Verdict::Unknown);
    let mishap = &record.summary.invariants[0];
    assert_eq!(
        (mishap.name.as_str(), mishap.holds),
        ("every-step-is-done", None)
    );
    assert_eq!(mishap.detail, "stop a: it does not want to");
}

#[tokio::test(start_paused = true)]
async fn a_system_that_does_not_start_has_failed() {
    let fake = Arc::new(Fake {
        up: Err("nginx exited with status 1".to_owned()),
        ..Fake::new()
    });
    let text = format!("{HEAD}\nphases: [{{phase: one, for: 1s, expect: {{success: 100%}}}}]\n");
    let (record, heard) = direct(&fake, &text).await;
    assert_eq!(record.summary.verdict, Verdict::Failed);
    assert_eq!(
        record.summary.invariants[0].detail,
        "nginx exited with status 1"
    );
    assert!(heard.is_empty() && record.samples.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_known_is_a_failed_request() {
    let fake = Arc::new(Fake::new());
    let head = HEAD.replace("localhost", "nowhere");
    let text = format!(
        "{head}\nphases: [{{phase: one, for: 1s, expect: {{status: {{no such name: 100%}}}}}}]\n"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary.phases
    );
}
