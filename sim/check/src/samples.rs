//! Records made by hand, for the tests.

use crate::{Accounts, Counted};
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

/// A transfer that is acknowledged after a millisecond.
pub(crate) fn transfer(at_s: u64, sender: &str, receiver: &str, amount: i64) -> Sample {
    let request = format!(r#"{{"sender":"{sender}","receiver":"{receiver}","amount":{amount}}}"#);
    Sample {
        client: "transfers".into(),
        request: Some(request.into()),
        ..ok(at_s)
    }
}

pub(crate) fn refused(at_s: u64, sender: &str, receiver: &str, amount: i64) -> Sample {
    Sample {
        outcome: Outcome::Status(503),
        ..transfer(at_s, sender, receiver, amount)
    }
}

pub(crate) fn unknown(at_s: u64, sender: &str, receiver: &str, amount: i64) -> Sample {
    Sample {
        outcome: Outcome::Failure(Failure::Timeout),
        ..transfer(at_s, sender, receiver, amount)
    }
}

/// A read of the accounts.
pub(crate) fn balances(at_s: u64, held: &[(&str, i64)]) -> Sample {
    let held = held
        .iter()
        .map(|(holder, balance)| format!(r#"{{"holder":"{holder}","balance":{balance}}}"#));
    let held: Vec<String> = held.collect();
    Sample {
        body: Some(format!("[{}]", held.join(",")).into()),
        ..empty(at_s, "accounts")
    }
}

/// A success of a client, without anything in it.
pub(crate) fn empty(at_s: u64, client: &str) -> Sample {
    Sample {
        client: client.into(),
        ..ok(at_s)
    }
}

pub(crate) fn accounts() -> Accounts {
    Accounts::default()
}

/// An increment that answers this after a millisecond.
pub(crate) fn increment(at_s: u64, value: i64) -> Sample {
    Sample {
        client: "increments".into(),
        ..read(at_s, value)
    }
}

/// A read of a counter.
pub(crate) fn fetch(at_s: u64, value: i64) -> Sample {
    Sample {
        client: "fetches".into(),
        ..read(at_s, value)
    }
}
