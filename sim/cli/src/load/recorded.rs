//! The requests of a run that is over, as the lines of a load.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use squall_record::{Name, Outcome, RunRecord, Sample};

use crate::exit::{Exit, written};
use crate::load::row::Row;
use crate::load::tally::Tally;

/// The longest part of a recorded answer that is shown, in bytes; all of it is in the record.
const SHOWN_BYTES_MAX: usize = 200;

/// Prints the requests of one client, or of all.
pub(super) fn print(record: &RunRecord, client: Option<&str>) -> Exit {
    let is_asked_for = |sample: &&Sample| client.is_none_or(|name| sample.client.as_str() == name);
    let mut tally = Tally::default();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut result = Ok(());
    for (sample, number) in record.samples.iter().filter(is_asked_for).zip(1..) {
        result = result.and_then(|()| row(record, sample, number, &mut out));
        let name = |name: &Option<Name>| name.as_ref().map_or("unknown", Name::as_str).to_owned();
        tally.count(
            &sample.outcome.to_string(),
            &name(&sample.backend),
            &name(&sample.database),
            Duration::from_micros(sample.latency_us),
            sample.is_ok(),
        );
    }
    written(result.and_then(|()| out.flush()));
    tally.say();
    tally.exit()
}

fn row(record: &RunRecord, sample: &Sample, number: u64, out: &mut impl Write) -> io::Result<()> {
    let since = Duration::from_secs(record.epoch_s) + Duration::from_micros(sample.sent_us);
    // What an answer said is kept only for clients that ask for it.
    let instead = match sample.outcome {
        Outcome::Status(status) => format!("(status {status})"),
        Outcome::Failure(failure) => format!("error: {failure}"),
    };
    let body = sample.body.as_ref().map(|body| beginning(body.as_str()));
    Row {
        number,
        at: UNIX_EPOCH + since,
        backend: sample.backend.as_ref().map(Name::as_str),
        database: sample.database.as_ref().map(Name::as_str),
        body: body.as_ref().unwrap_or(&instead),
    }
    .write(out)
}

/// The beginning of an answer, in one line.
fn beginning(body: &str) -> String {
    let mut line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.floor_char_boundary(SHOWN_BYTES_MAX));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_request_is_a_line_with_the_simulation_s_clock() {
        let mut record: RunRecord = serde_json::from_str(
            r#"{"summary": {"scenario": "demo", "seed": 7, "verdict": "passed", "virtual_ms": 1, "wall_ms": 1,
                "events": 1, "trace_hash": "", "invariants": [], "phases": []},
            "samples": [
                {"client": "load", "sent_us": 61000000, "latency_us": 5, "outcome": {"status": 200},
                 "backend": "backend-1", "database": "pg2", "body": "{\"users\":3}\n"},
                {"client": "load", "sent_us": 61000001, "latency_us": 5, "outcome": {"status": 200},
                 "body": "LONG"},
                {"client": "load", "sent_us": 62999999, "latency_us": 5, "outcome": {"failure": "gave_up"}}],
            "happenings": [], "log": {"lines": [], "dropped": 0}, "epoch_s": 1735689600}"#,
        )
        .unwrap();
        let long = format!("<p>\n  {}é", "x".repeat(195));
        record.samples[1].body = Some(long.as_str().into());
        let mut out = Vec::new();
        for (sample, number) in record.samples.iter().zip(1..) {
            row(&record, sample, number, &mut out).unwrap();
        }
        let page = format!("<p> {}", "x".repeat(195));
        let page = format!("[02] 00:01:01 | backend=unknown | db=unknown | body={page}\n");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[01] 00:01:01 | backend=backend-1 | db=pg2 | body={\"users\":3}\n".to_owned()
                + &page
                + "[03] 00:01:02 | backend=unknown | db=unknown | body=error: gave up\n"
        );
    }
}
