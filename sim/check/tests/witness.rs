//! What a witness told of a real etcd, judged: `services/witness/tests/real.sh` leaves the lines in a file.

#![allow(clippy::unwrap_used)]

use squall_check::Invariant;
use squall_record::{Line, Log, RunRecord, Summary, Verdict};

#[test]
#[ignore = "judges the file that SQUALL_WITNESS_LINES names"]
fn a_real_etcd_keeps_its_promises() {
    let path = std::env::var("SQUALL_WITNESS_LINES").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let line = |text: &str| Line {
        at_us: 0,
        host: "witness".into(),
        text: text.to_owned(),
    };
    let record = RunRecord {
        summary: Summary {
            scenario: "real".to_owned(),
            seed: 0,
            verdict: Verdict::Unknown,
            virtual_ms: 0,
            wall_ms: 0,
            events: 0,
            trace_hash: String::new(),
            phases: vec![],
            invariants: vec![],
        },
        samples: vec![],
        happenings: vec![],
        changes: vec![],
        log: Log {
            lines: text.lines().map(line).collect(),
            dropped: 0,
        },
        epoch_s: 0,
    };
    let invariants = [
        Invariant::CommittedKept,
        Invariant::EtcdReads,
        Invariant::LeasesLast,
        Invariant::WatchComplete,
    ];
    let judged = squall_check::judge(&invariants, &record);
    for one in &judged {
        println!(
            "{}: {:?}, {} {:?}",
            one.name, one.holds, one.detail, one.figures
        );
    }
    assert!(judged.iter().all(|one| one.holds == Some(true)));
}
