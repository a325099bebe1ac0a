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
    fake.state.lock().unwrap().log = Some(journal.clone());
    let director = Director {
        scenario: Arc::new(Scenario::read("x.yaml".into(), text).unwrap()),
        workloads: Vec::new(),
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

/// Plays steps over ten seconds with half a request a second; the state of the fake world after it.
async fn steps(fake: &Arc<Fake>, more: &str, steps: &str) -> RunRecord {
    let head = HEAD.replace("10/s", "0.5/s");
    let text = format!("{head}{more}\nphases:\n  - phase: p\n    for: 10s\n    steps:\n{steps}");
    direct(fake, &text).await.0
}

fn told(record: &RunRecord) -> Vec<String> {
    let told = record.happenings.iter();
    told.map(|h| format!("{} {}: {}", h.at_us / 1_000_000 - 5, h.host, h.what))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn faults_overlap_and_the_end_of_one_leaves_the_others() {
    let fake = Arc::new(Fake::new());
    let record = steps(
        &fake,
        "",
        "      - {at: 1s, latency: {delay: 50ms, from: a, towards: b}, for: 6s}
      - {at: 2s, loss: {percent: 50%, from: a, towards: b}, for: 2s}
      - {at: 3s, loss: {percent: 50%, correlation: 10%, from: a, towards: b}, for: 3s}
      - at: 5s
        for: 4s
        chaos:
          apiVersion: chaos-mesh.org/v1alpha1
          kind: NetworkChaos
          metadata: {name: slow}
          spec:
            action: netem
            mode: all
            selector: {labelSelectors: {app: a}}
            target: {mode: all, selector: {labelSelectors: {app: b}}}
            delay: {latency: 10ms, jitter: 1ms}
            duplicate: {duplicate: '1'}
      - {at: 8s, heal: latency}
",
    )
    .await;
    let state = fake.state.lock().unwrap();
    let shown: Vec<String> = state
        .links
        .iter()
        .map(|(from, to, link)| {
            let Loss::Random(loss) = link.loss else {
                panic!("{link:?}")
            };
            let (loss, twice) = (loss.probability, link.duplicate.probability);
            format!("{from}-{to} {:?} {loss} {twice}", link.latency)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1-2 50ms 0 0",
            "1-2 50ms 0.5 0",
            "1-2 50ms 0.75 0",
            "1-2 50ms 0.5 0",
            // Added to what the short form has set.
            "1-2 60ms 0.5 0.01",
            "1-2 60ms 0 0.01",
            "1-2 10.2ms 0 0.01",
            // The delay is healed; the duplicates of the same document stay to its end.
            "1-2 200µs 0 0.01",
            "1-2 200µs 0 0",
        ]
    );
    let told = told(&record);
    assert!(
        told.contains(
            &"5 network: NetworkChaos slow: delay 10ms + 1ms, 1% duplicates: a towards b"
                .to_owned()
        ),
        "{told:#?}"
    );
    assert_eq!(
        told.last().unwrap(),
        "9 network: NetworkChaos slow: delay 10ms + 1ms, 1% duplicates over: a towards b"
    );
}

#[tokio::test(start_paused = true)]
async fn machines_are_made_slow_and_wrong_and_well_again() {
    let fake = Arc::new(Fake::new());
    let record = steps(
        &fake,
        "",
        "      - {at: 1s, stress: {cpu: 2, load: 50%, of: a}, for: 3s}
      - {at: 2s, stress: {cpu: 1, of: a}, for: 1s}
      - {at: 5s, clock: {offset: -5m, drift: 100ppm, of: b}}
      - {at: 5s, disk: {errors: EIO, percent: 10%, of: b}}
      - {at: 5s, http: {port: 80, answer: 503, of: a}, for: 4s}
      - {at: 5s, dns: {answer: error, names: [b], of: load}}
      - {at: 6s, heal: disk}
      - {at: 7s, heal: all}
",
    )
    .await;
    let state = fake.state.lock().unwrap();
    let shown: Vec<String> = state
        .faults
        .iter()
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    assert_eq!(
        shown,
        [
            "1 [Stressor { workers: 2, load: 0.5 }]",
            "1 [Stressor { workers: 2, load: 0.5 }, Stressor { workers: 1, load: 1.0 }]",
            "1 [Stressor { workers: 2, load: 0.5 }]",
            "1 []",
            "2 Skew { offset_ns: -300000000000, drift_ppm: 100.0 }",
            "2 [Rule { path: None, operations: [], probability: 0.1, effect: Errno(5) }]",
            "1 [Rule { port: Some(80), side: Request, matches: Matches { path: None, method: None, status: None, request_headers: [], response_headers: [] }, probability: 1.0, effect: Effect { abort: false, delay: None, answer: Some(503), replace: Parts { path: None, method: None, status: None, body: None, queries: [], headers: [] }, patch: Parts { path: None, method: None, status: None, body: None, queries: [], headers: [] } } }]",
            "101 [Rule { patterns: [\"b\"], effect: Error }]",
            "2 []",
            "2 Skew { offset_ns: 0, drift_ppm: 0.0 }",
            "1 []",
            "101 []",
        ]
    );
    // What was healed does not end a second time.
    let told = told(&record);
    assert_eq!(told.last().unwrap(), "7 network: healed", "{told:#?}");
    assert!(
        told.contains(&"1 a: stress 2 x 50%".to_owned()),
        "{told:#?}"
    );
    assert!(
        told.contains(&"4 a: stress 2 x 50% over".to_owned()),
        "{told:#?}"
    );
}

fn pod_chaos(at: u32, name: &str, spec: &str) -> String {
    format!(
        "      - at: {at}s
        chaos: {{apiVersion: chaos-mesh.org/v1alpha1, kind: PodChaos, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn pods_are_killed_emptied_and_restarted() {
    let fake = Arc::new(Fake::new());
    let of_a = "mode: all, selector: {labelSelectors: {app: a}}";
    let text = [
        pod_chaos(1, "kill", &format!("action: pod-kill, {of_a}")),
        pod_chaos(
            2,
            "gently",
            &format!("action: pod-kill, gracePeriod: 5, {of_a}"),
        ),
        pod_chaos(
            3,
            "fail",
            &format!("action: pod-failure, duration: 2s, {of_a}"),
        ),
        pod_chaos(
            6,
            "container",
            &format!("action: container-kill, containerNames: [a], {of_a}"),
        ),
        pod_chaos(
            7,
            "container",
            &format!("action: container-kill, containerNames: [a], {of_a}"),
        ),
    ]
    .concat();
    let record = steps(&fake, "", &text).await;
    let state = fake.state.lock().unwrap();
    use Process::{Kill, Start};
    let acts: Vec<Process> = state.acts.iter().map(|(_, process)| *process).collect();
    assert_eq!(acts, [Kill, Start, Start, Start, Start, Start]);
    assert_eq!(
        state.pods,
        [
            "a stopped within 5s",
            "a hollow at 8s",
            "a hollow at 11s",
            "a hollow at 12s"
        ]
    );
    // The second restart of the kubelet waits for ten seconds, to which the run waits.
    assert!(fake.began.elapsed() >= Duration::from_secs(22));
    let told = told(&record);
    assert!(
        told.contains(&"1 a: PodChaos kill: killed, another takes its place".to_owned()),
        "{told:#?}"
    );
    assert!(
        told.contains(&"5 a: PodChaos fail: pod failure over".to_owned()),
        "{told:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_seed_says_whom_a_fault_befalls() {
    let one = "action: pod-kill, mode: one, selector: {namespaces: [default]}";
    let text: String = (0..8).map(|at| pod_chaos(at, "one", one)).collect();
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let fake = Arc::new(Fake {
            seed,
            ..Fake::new()
        });
        // A fault of another name changes nothing for these.
        let text = match seen.len() {
            1 => text.clone() + &pod_chaos(0, "other", one).replace("pod-kill", "pod-failure"),
            _ => text.clone(),
        };
        let record = steps(&fake, "", &text).await;
        let told = told(&record).into_iter();
        let told: Vec<String> = told.filter(|one| one.contains("killed")).collect();
        assert_eq!(told.len(), 8);
        seen.push(told);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    assert!(seen[0].iter().any(|one| one.contains("a:")));
    assert!(seen[0].iter().any(|one| one.contains("b:")));
}

#[tokio::test(start_paused = true)]
async fn links_have_their_own_normal() {
    let fake = Arc::new(Fake::new());
    let more = "links:\n  - {between: a, and: b, latency: 20ms, rate: 100mbit}\n  - {from: a, towards: b, mtu: 1400}\n";
    steps(
        &fake,
        more,
        "      - {at: 1s, partition: {from: b, towards: a}, for: 1s}\n",
    )
    .await;
    let state = fake.state.lock().unwrap();
    let shown: Vec<_> = state
        .links
        .iter()
        .map(|(from, to, link)| {
            let rate = link.rate.map(|rate| rate.bytes_per_second);
            (
                *from,
                *to,
                link.is_cut,
                link.latency.as_millis(),
                rate,
                link.mtu,
            )
        })
        .collect();
    let slow = |is_cut| (2, 1, is_cut, 20, Some(12_500_000), 1500);
    // The last entry for a link counts.
    assert_eq!(
        shown,
        [
            (1, 2, false, 0, None, 1400),
            slow(false),
            slow(true),
            slow(false)
        ]
    );
}

fn closed_loop() -> String {
    HEAD.replace("rate: 10/s", "every: 300ms")
}

/// Name, start, length and requests of each phase.
fn phases(record: &RunRecord) -> Vec<(String, u64, u64, u64)> {
    let phases = record.summary.phases.iter();
    let show = |p: &squall_record::Phase| {
        let lasts_ms = p.to_ms - p.from_ms;
        (p.name.clone(), p.from_ms - 5000, lasts_ms, p.requests)
    };
    phases.map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn a_phase_ends_when_its_requests_are_answered() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{}
phases:
  - {{phase: before, for: 1s}}
  - {{phase: a, requests: 12, steps: [{{at: 2s, kill: a, for: 5s}}, {{at: 3s, pause: b, for: 100ms}}]}}
  - {{phase: b, requests: 5, load: 100ms, steps: [{{at: 10s, kill: b, for: 2s}}]}}
  - {{phase: after, for: 10s, load: off}}
",
        closed_loop()
    );
    let (record, heard) = direct(&fake, &text).await;
    // An answer takes 10 ms.
    let named = |name: &str, from, lasts, requests| (name.to_owned(), from, lasts, requests);
    assert_eq!(
        phases(&record),
        [
            named("before", 0, 1000, 4),
            named("a", 1000, 12 * 310, 12),
            named("b", 4720, 5 * 110, 5),
            named("after", 5270, 10_000, 0),
        ]
    );
    assert_eq!(heard.len(), 5, "{heard:?}");
    let told: Vec<String> = record
        .happenings
        .iter()
        .map(|h| format!("{} {} {}", h.at_us / 1000 - 5000, h.host, h.what))
        .collect();
    assert_eq!(
        told,
        [
            "3000 a killed",
            "4000 b paused",
            "4100 b unpaused",
            // Its phase has ended before: so it is done at the end.
            "5270 b killed",
            "7270 b started",
            // Seven seconds into the phase that began at one second.
            "8000 a started",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn users_share_the_requests_of_a_phase() {
    let fake = Arc::new(Fake::new());
    let head = closed_loop().replace("300ms", "300ms\n    users: 3");
    let text = format!("{head}\nphases: [{{phase: p, requests: 7}}]\n");
    let (record, _) = direct(&fake, &text).await;
    // Three, three, and one more.
    assert_eq!(phases(&record), [("p".to_owned(), 0, 3 * 310, 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_phase_ends_with_a_rollout() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - {{phase: before, for: 1s, steps: [{{kill: a, for: 4s}}], load: off}}
  - {{phase: in time, wait: {{rollout: a, within: 60s}}, load: on, expect: {{success: 100%}}}}
  - {{phase: late, wait: {{rollout: b, within: 3s}}, steps: [{{kill: b}}]}}
  - {{phase: wrong, wait: {{rollout: nobody, within: 3s}}}}
  - {{phase: after, for: 1s}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let named = |name: &str, from, lasts, requests| (name.to_owned(), from, lasts, requests);
    assert_eq!(
        phases(&record),
        [
            named("before", 0, 1000, 0),
            // Until a is there again, and a second.
            named("in time", 1000, 4000, 40),
            named("late", 5000, 3000, 30),
            named("wrong", 8000, 0, 0),
            named("after", 8000, 1000, 10),
        ]
    );
    let judged: Vec<(String, Option<bool>)> = record.summary.phases[1..4]
        .iter()
        .map(|phase| &phase.expectations[0])
        .map(|one| {
            (
                format!("{} {}: {}", one.what, one.expected, one.actual),
                one.holds,
            )
        })
        .collect();
    let judgement = |text: &str, holds| (text.to_owned(), Some(holds));
    assert_eq!(
        judged,
        [
            judgement("rollout of a within 60s: after 4.000 s", true),
            judgement("rollout of b within 3s: not done by then", false),
            judgement("rollout of nobody within 3s: there is no nobody", false),
        ]
    );
    assert_eq!(record.summary.verdict, Verdict::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_told_what_to_do_in_the_words_of_kubectl() {
    let fake = Arc::new(Fake::new());
    let record = steps(
        &fake,
        "",
        "      - {at: 1s, delete_pod: [a, b]}
      - {at: 2s, rollout_restart: a}
      - {at: 3s, set_image: {a: 'registry/a:2'}}
      - {at: 4s, drain: agent-0, for: 2s}
      - {at: 7s, uncordon: agent-1}
      - {at: 8s, power_off: b}
",
    )
    .await;
    let state = fake.state.lock().unwrap();
    assert_eq!(
        state.pods,
        [
            "delete pod a at 6s",
            "delete pod b at 6s",
            "rollout restart a at 7s",
            "set image a registry/a:2 at 8s",
            "drain agent-0 at 9s",
            "uncordon agent-0 at 11s",
            "uncordon agent-1 at 12s",
            "b dark, 0 off before",
        ]
    );
    assert_eq!(state.power, [(2, false)]);
    let told: Vec<(String, Kind)> = record
        .happenings
        .iter()
        .map(|one| (format!("{} {}", one.host, one.what), one.kind))
        .collect();
    let one = |text: &str, kind| (text.to_owned(), kind);
    assert_eq!(
        told,
        [
            one("a deleted", Kind::Fault),
            one("b deleted", Kind::Fault),
            one("a rollout restarted", Kind::Note),
            one("a image set to registry/a:2", Kind::Note),
            one("agent-0 drained", Kind::Fault),
            one("agent-0 uncordoned", Kind::Note),
            one("agent-1 uncordoned", Kind::Note),
            one("b power is gone", Kind::Fault),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_proxy_s_log_tells_the_database() {
    let fake = Arc::new(Fake::new());
    // The line of a request comes when the next one is on its way.
    let head = closed_loop().replace("300ms", "20ms").replace(
        "$.postgres_ip",
        "{log: haproxy, matches: 'pool/(pg_[a-z]+)'}",
    );
    let text = format!(
        "{head}
phases:
  - {{phase: one, requests: 10, expect: {{databases: {{pg_a: 50%, pg_b: 50%}}, distinct_databases: 2}}}}
  - phase: two
    requests: 3
    expect:
      only_databases: [pg_a, pg_b]
      sequence: [{{requests: 1, database: pg_b}}, {{requests: 1, database: pg_a}}, {{requests: 1}}]
"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary.phases
    );
    for sample in &record.samples {
        let (backend, database) = (sample.backend.clone().unwrap(), sample.database.clone());
        assert_eq!(database.unwrap().as_str(), format!("pg_{backend}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_is_whoever_has_it_when_the_step_begins() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
roles:
  leader: {{of: [a, 'b*'], last_said: I lead}}
  other: {{of: [a, b], not: leader}}
phases:
  - phase: one
    for: 10s
    steps:
      - {{at: 1s, start: b}}
      - {{at: 2s, kill: leader, for: 2s}}
      - {{at: 3s, start: a}}
      - {{at: 5s, pause: other, for: 2s}}
      - {{at: 6s, start: a}}
      - {{at: 8s, isolate: leader}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let state = fake.state.lock().unwrap();
    let acts: Vec<(&str, Process)> = state
        .acts
        .iter()
        .map(|(of, act)| (of.as_str(), *act))
        .collect();
    use Process::{Kill, Pause, Start, Unpause};
    let wanted = [
        ("b", Start),
        ("b", Kill),
        ("a", Start),
        // Not a, who leads by then.
        ("b", Start),
        ("a", Pause),
        ("a", Start),
        // Not b, who does not lead any more.
        ("a", Unpause),
    ];
    assert_eq!(acts, wanted);
    let cut = state.links.iter().filter(|(_, _, link)| link.is_cut);
    assert!(cut.clone().count() > 0 && cut.clone().all(|(from, to, _)| *from == 1 || *to == 1));
    let told: Vec<&str> = record
        .happenings
        .iter()
        .map(|one| one.host.as_str())
        .collect();
    assert!(
        !told.contains(&"leader") && !told.contains(&"other"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_nobody_has_leaves_the_step_undone() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
roles: {{leader: {{of: [a, b], last_said: I lead}}}}
phases: [{{phase: one, for: 3s, steps: [{{at: 1s, kill: leader, for: 1s}}]}}]
"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(record.summary.verdict, Verdict::Unknown);
    let why = &record.summary.invariants[0];
    assert_eq!(
        why.detail,
        "a step: nobody is `leader`: none of a, b has written `I lead`"
    );
    assert!(fake.state.lock().unwrap().acts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_pause_is_no_matter_for_who_was_killed_meanwhile() {
    let fake = Arc::new(Fake::new());
    let record = steps(
        &fake,
        "",
        "      - {at: 1s, pause: a, for: 4s}
      - {at: 2s, kill: a}
      - {at: 3s, pause: b, for: 1s}
      - {at: 6s, kill: b}
      - {at: 7s, unpause: b}",
    )
    .await;
    // A step that says so is another thing.
    let undone = record.summary.invariants.iter();
    let undone: Vec<&str> = undone
        .filter(|one| one.name == "every-step-is-done")
        .map(|one| one.detail.as_str())
        .collect();
    assert_eq!(undone, ["unpause b: b is not running"]);
}
