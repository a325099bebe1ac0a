//! What is to be seen of a run at an instant.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use squall_record::{
    Change, Failure, Happening, Kind, Line, Log, Outcome, Phase, Pod, RunRecord, Sample, State,
    Summary, Verdict,
};
use squall_report::watch::{Answers, Watch};

fn phase(name: &str, from_s: u64, to_s: u64) -> Phase {
    Phase {
        name: name.to_owned(),
        from_ms: from_s * 1000,
        to_ms: to_s * 1000,
        requests: 0,
        ok: 0,
        failed: 0,
        by_status: BTreeMap::new(),
        by_backend: BTreeMap::new(),
        by_database: BTreeMap::new(),
        latency_ms: None,
        longest_stall_ms: 0.0,
        expectations: vec![],
    }
}

fn sample(sent_ms: u64, latency_ms: u64, backend: Option<&str>) -> Sample {
    Sample {
        request: None,
        client: "load".into(),
        sent_us: sent_ms * 1000,
        latency_us: latency_ms * 1000,
        outcome: match backend {
            Some(_) => Outcome::Status(200),
            None => Outcome::Failure(Failure::Timeout),
        },
        backend: backend.map(Into::into),
        database: backend.map(|_| "pg1".into()),
        value: None,
        body: None,
    }
}

fn pod(at_ms: u64, name: &str, status: &str, ready: bool) -> Change {
    Change {
        at_us: at_ms * 1000,
        state: State::Pod(Pod {
            name: name.into(),
            workload: "backend".into(),
            node: None,
            address: None,
            status: status.into(),
            ready,
            restarts: 0,
        }),
    }
}

fn happening(at_ms: u64, host: &str, what: &str, kind: Kind) -> Happening {
    Happening {
        at_us: at_ms * 1000,
        host: host.into(),
        what: what.to_owned(),
        kind,
        begins: None,
        ends: vec![],
    }
}

fn begins(happening: Happening, number: u32) -> Happening {
    let begins = Some(number);
    Happening {
        begins,
        ..happening
    }
}

fn ends(happening: Happening, numbers: &[u32]) -> Happening {
    let ends = numbers.to_vec();
    Happening { ends, ..happening }
}

fn record() -> RunRecord {
    RunRecord {
        summary: Summary {
            scenario: "by hand".to_owned(),
            seed: 1,
            verdict: Verdict::Passed,
            virtual_ms: 60_000,
            wall_ms: 0,
            events: 0,
            trace_hash: String::new(),
            phases: vec![phase("calm", 5, 20), phase("storm", 20, 60)],
            invariants: vec![],
        },
        samples: vec![],
        happenings: vec![],
        changes: vec![],
        log: Log::default(),
        epoch_s: 1_735_689_600,
    }
}

const S: u64 = 1_000_000;

#[test]
fn a_phase_is_that_of_the_instant() {
    let record = record();
    let watch = Watch::new(&record);
    let of = |at_us| {
        watch
            .at(at_us)
            .phase
            .map(|at| (at.phase.name.clone(), at.number))
    };
    assert_eq!(of(0), None);
    assert_eq!(of(5 * S), Some(("calm".to_owned(), 1)));
    assert_eq!(of(20 * S - 1), Some(("calm".to_owned(), 1)));
    assert_eq!(of(20 * S), Some(("storm".to_owned(), 2)));
    // Beyond the end there is the end.
    assert_eq!(watch.at(999 * S).at_us, 60 * S);
    assert_eq!(watch.at(61 * S).clock_s, 1_735_689_660);
    assert_eq!(watch.phases_us().collect::<Vec<_>>(), [5 * S, 20 * S]);
}

#[test]
fn pods_come_change_and_go() {
    let mut record = record();
    record.changes = vec![
        pod(0, "b-2", "Pending", false),
        pod(0, "b-1", "Running", true),
        pod(3_000, "b-2", "Running", true),
        Change {
            at_us: 4 * S,
            state: State::Endpoints {
                service: "backend".into(),
                ready: vec!["10.42.0.1:8000".into()],
            },
        },
        Change {
            at_us: 9 * S,
            state: State::PodGone { name: "b-1".into() },
        },
    ];
    let watch = Watch::new(&record);
    let pods = |at_us| {
        let pods = watch.at(at_us).pods;
        let pods = pods
            .iter()
            .map(|pod| format!("{} {}", pod.name, pod.status));
        pods.collect::<Vec<_>>()
    };
    assert_eq!(pods(S), ["b-1 Running", "b-2 Pending"]);
    assert_eq!(pods(3 * S), ["b-1 Running", "b-2 Running"]);
    assert_eq!(pods(9 * S), ["b-2 Running"]);
    // Backwards it is the same.
    assert_eq!(pods(S), ["b-1 Running", "b-2 Pending"]);
    assert!(watch.at(3 * S).endpoints.is_empty());
    let endpoints = watch.at(4 * S).endpoints;
    assert_eq!(endpoints[0].0.as_str(), "backend");
    assert_eq!(endpoints[0].1[0].as_str(), "10.42.0.1:8000");
}

#[test]
fn a_fault_is_in_force_until_what_names_it() {
    let mut record = record();
    let (fault, repair) = (Kind::Fault, Kind::Repair);
    record.happenings = vec![
        begins(happening(6_000, "a", "cpu stress", fault), 1),
        begins(happening(6_000, "b", "cpu stress", fault), 1),
        // The same words at the same time, and not the same fault.
        begins(happening(7_000, "a", "cpu stress", fault), 2),
        begins(happening(8_000, "network", "loss 25%", fault), 3),
        ends(happening(10_000, "a", "cpu stress over", repair), &[1]),
        ends(happening(10_000, "b", "cpu stress over", repair), &[]),
        happening(11_000, "network", "healed", repair),
        ends(happening(12_000, "network", "healed", repair), &[2, 3]),
    ];
    let watch = Watch::new(&record);
    let now = |at_us| {
        let faults = watch.at(at_us).faults;
        let faults = faults.iter().map(|fault| {
            let hosts: Vec<&str> = fault.hosts.iter().map(|host| host.as_str()).collect();
            format!("{} {}: {}", fault.since_us / S, hosts.join("+"), fault.what)
        });
        faults.collect::<Vec<_>>()
    };
    assert_eq!(now(6 * S), ["6 a+b: cpu stress"]);
    let all = [
        "6 a+b: cpu stress",
        "7 a: cpu stress",
        "8 network: loss 25%",
    ];
    assert_eq!(now(9 * S), all);
    assert_eq!(now(11 * S), all[1..]);
    assert_eq!(now(12 * S), [""; 0]);
}

#[test]
fn a_kill_is_shown_until_whom_it_befell_is_ready_again() {
    let mut record = record();
    record.changes = vec![
        pod(0, "p-backend-1", "running", true),
        pod(0, "p-backend-2", "running", true),
        pod(6_000, "p-backend-2", "exited (137)", false),
        pod(30_000, "p-backend-2", "running", true),
    ];
    let kill = |host: &str| happening(6_000, host, "killed", Kind::Fault);
    // The pod, its workload, its number; another pod; nobody.
    for (host, until) in [
        ("p-backend-2", 30),
        ("backend", 30),
        ("backend-2", 30),
        ("p-backend-1", 9),
        ("network", 9),
    ] {
        record.happenings = vec![kill(host)];
        let watch = Watch::new(&record);
        assert_eq!(watch.at(until * S - 1).faults.len(), 1, "{host}");
        assert!(watch.at(until * S).faults.is_empty(), "{host}");
    }
}

#[test]
fn who_served_is_counted_by_the_time_of_the_answer() {
    let mut record = record();
    record.changes = vec![pod(0, "b-3", "Running", true)];
    record.samples = vec![
        sample(5_000, 100, Some("b-1")),
        sample(5_500, 9_000, Some("b-2")),
        sample(6_000, 2_000, None),
        sample(14_200, 100, Some("b-1")),
        sample(50_000, 100, Some("b-3")),
    ];
    let watch = Watch::new(&record);
    let served = |at_us| {
        let served = watch.at(at_us).backends;
        let each = served
            .iter()
            .map(|one| (one.name.as_str(), one.second, one.ten_seconds));
        each.collect::<Vec<_>>()
    };
    // b-3 is there and serves later; b-2 is neither there nor has it answered yet.
    assert_eq!(served(6 * S), [("b-1", 1, 1), ("b-3", 0, 0)]);
    assert_eq!(
        served(14_500_000),
        [("b-1", 1, 2), ("b-2", 1, 1), ("b-3", 0, 0)]
    );
    assert_eq!(served(40 * S), [("b-3", 0, 0)]);
    assert_eq!(watch.at(14_500_000).databases[0].ten_seconds, 3);
    // Two are on their way at 7 s, the older one for 1.5 s.
    assert_eq!(watch.at(7 * S).waiting, (2, 1_500_000));
    assert_eq!(watch.at(40 * S).waiting, (0, 0));
}

#[test]
fn the_last_minute_is_counted_by_seconds() {
    let mut record = record();
    record.samples = vec![
        sample(0, 0, Some("b")),
        sample(100, 899, Some("b")),
        sample(100, 900, Some("b")),
        sample(1_200, 300, None),
    ];
    let watch = Watch::new(&record);
    let answers = |at_us| watch.at(at_us).answers;
    let of = |ok, failed| Answers { ok, failed };
    assert_eq!(answers(0), [of(1, 0)]);
    assert_eq!(answers(S - 1), [of(2, 0)]);
    assert_eq!(answers(S), [of(2, 0), of(1, 0)]);
    assert_eq!(answers(1_500_000), [of(2, 0), of(1, 1)]);
    assert_eq!(answers(60 * S).len(), 60);
    assert_eq!(answers(60 * S)[0], of(1, 1));
}

#[test]
fn nothing_of_the_future_is_told() {
    let mut record = record();
    record.happenings = vec![happening(5_000, "a", "x", Kind::Note)];
    record.log.lines = vec![Line {
        at_us: 6 * S,
        host: "a".into(),
        text: "y".to_owned(),
    }];
    let watch = Watch::new(&record);
    let seen = |at_us| {
        let frame = watch.at(at_us);
        (frame.happenings.len(), frame.lines.len())
    };
    assert_eq!(seen(5 * S - 1), (0, 0));
    assert_eq!(seen(5 * S), (1, 0));
    assert_eq!(seen(6 * S), (1, 1));
}
