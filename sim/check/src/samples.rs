//! Records made by hand, for the tests.

use crate::Counted;
use squall_record::{Failure, Happening, Kind, Log, Outcome, RunRecord, Sample, Summary, Verdict};

pub(crate) fn record(samples: Vec<Sample>) -> RunRecord {
    RunRecord {
        summary: Summary {
            scenario: "by hand".to_owned(),
            seed: 1,
            verdict: Verdict::Unknown,
            virtual_ms: 0,
            wall_ms: 0,
            events: 0,
            trace_hash: String::new(),
            phases: vec![],
            invariants: vec![],
        },
        samples,
        happenings: vec![],
        changes: vec![],
        log: Log::default(),
        epoch_s: 0,
    }
}

pub(crate) fn ok(at_s: u64) -> Sample {
    status(at_s, 200)
}

pub(crate) fn status(at_s: u64, status: u16) -> Sample {
    sample(at_s, Outcome::Status(status))
}

pub(crate) fn fails(at_s: u64) -> Sample {
    sample(at_s, Outcome::Failure(Failure::Timeout))
}

pub(crate) fn by(at_s: u64, backend: &str) -> Sample {
    Sample {
        backend: Some(backend.into()),
        ..ok(at_s)
    }
}

/// A write that is acknowledged after so long.
pub(crate) fn write(at_s: u64, after_s: u64) -> Sample {
    Sample {
        client: "writes".into(),
        latency_us: after_s * 1_000_000,
        ..ok(at_s)
    }
}

pub(crate) fn write_fails(at_s: u64) -> Sample {
    Sample {
        client: "writes".into(),
        ..fails(at_s)
    }
}

pub(crate) fn read(at_s: u64, value: i64) -> Sample {
    Sample {
        client: "reads".into(),
        value: Some(value),
        ..ok(at_s)
    }
}

pub(crate) fn counted() -> Counted {
    Counted {
        writes: "writes".to_owned(),
        reads: "reads".to_owned(),
    }
}

pub(crate) fn fault(at_s: u64) -> Happening {
    happening(at_s, Kind::Fault)
}

pub(crate) fn repair(at_s: u64) -> Happening {
    happening(at_s, Kind::Repair)
}

fn sample(at_s: u64, outcome: Outcome) -> Sample {
    Sample {
        request: None,
        client: "load".into(),
        sent_us: at_s * 1_000_000,
        latency_us: 1000,
        outcome,
        backend: None,
        database: None,
        value: None,
        body: None,
    }
}

fn happening(at_s: u64, kind: Kind) -> Happening {
    Happening {
        at_us: at_s * 1_000_000,
        host: "backend1".into(),
        what: "changed".to_owned(),
        kind,
        begins: None,
        ends: vec![],
    }
}
