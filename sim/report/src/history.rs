//! The history of a run as checkers of Jepsen's kind read it: for each request an invocation and a completion.
//!
//! The form is that of Jepsen's histories (<https://github.com/jepsen-io/history>, "Operations"): a completion is
//! `ok`, `fail` (certainly not done) or `info` (nobody knows), as [`squall_record::Fate`] has it. A process does one
//! thing at a time, and one whose request ended as `info` does nothing more: its request may still take effect.
//!
//! | module | idea |
//! |---|---|
//! | here | which operations there are, in which order, by whom |
//! | [`edn`] | an operation as Clojure's data |
//! | [`draw`] | a stretch of it as a picture, for people |
//!
//! Deliberately absent: faults (a nemesis in Jepsen; the picture has them), and any judgement of the history.

pub mod draw;
pub mod edn;

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;
use squall_record::{Fate, Name, Outcome, Sample};

/// One entry of a history. As JSON it is an object with these keys, in this order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation<'a> {
    /// Who does it: a number that does one thing at a time.
    pub process: usize,
    /// Whether it begins, or how it ended.
    #[serde(rename = "type", serialize_with = "word")]
    pub kind: Kind,
    /// What is done: the name of the client.
    pub f: &'a str,
    /// What was sent, as JSON where it is some; of `ok` what was answered, if the record has it.
    pub value: Value,
    /// Nanoseconds since the run began; exact to a thousand of them.
    #[serde(rename = "time")]
    pub time_ns: u64,
    /// Its place in the history, from 0.
    pub index: usize,
    /// Of `fail` and `info`: the status, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an entry of a history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It was done.
    Ok,
    /// It was not done and will not be.
    Fail,
    /// Nobody knows whether it was done, or will be.
    Info,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

fn word<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}

/// The history of some requests, in the order of time.
///
/// Of what happened in the same microsecond, beginnings come first, so that such requests overlap. A checker
/// takes a completion that stands before an invocation for one that was seen by it; the record is too coarse to
/// say so, and an order that was not there would make a sound system look wrong.
pub fn operations<'a>(samples: &[&'a Sample]) -> impl Iterator<Item = Operation<'a>> {
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(samples.len() * 2);
    for (at, sample) in samples.iter().enumerate() {
        events.push((sample.sent_us, false, at));
        events.push((sample.ended_us(), true, at));
    }
    events.sort_unstable();
    let samples = samples.to_vec();
    let mut processes = Processes::default();
    let mut doing = vec![0; samples.len()];
    let events = events.into_iter().enumerate();
    events.map(move |(index, (time_us, is_over, at))| {
        let sample = samples[at];
        let kind = match (is_over, sample.fate()) {
            (false, _) => Kind::Invoke,
            (true, Fate::Acknowledged) => Kind::Ok,
            (true, Fate::Refused) => Kind::Fail,
            (true, Fate::Unknown) => Kind::Info,
        };
        match kind {
            Kind::Invoke => doing[at] = processes.take(),
            Kind::Ok | Kind::Fail => processes.give_back(doing[at]),
            Kind::Info => {}
        }
        Operation {
            process: doing[at],
            kind,
            f: sample.client.as_str(),
            value: value(sample, kind),
            time_ns: time_us.saturating_mul(1000),
            index,
            error: matches!(kind, Kind::Fail | Kind::Info).then(|| error(sample.outcome)),
        }
    })
}

/// Writes a history in lines of JSON.
pub fn write_json_lines<'a>(
    operations: impl Iterator<Item = Operation<'a>>,
    out: &mut impl Write,
) -> io::Result<()> {
    for operation in operations {
        serde_json::to_writer(&mut *out, &operation)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// What goes with an entry: the answer where it is known, else what was sent.
fn value(sample: &Sample, kind: Kind) -> Value {
    let answer = match (kind, &sample.body, sample.value) {
        (Kind::Ok, Some(body), _) => Some(json_or_text(body)),
        (Kind::Ok, None, Some(number)) => Some(number.into()),
        _ => None,
    };
    let sent = || sample.request.as_ref().map(json_or_text);
    answer.or_else(sent).unwrap_or(Value::Null)
}

fn json_or_text(text: &Name) -> Value {
    let json = serde_json::from_str(text.as_str());
    json.unwrap_or_else(|_| Value::from(text.as_str()))
}

fn error(outcome: Outcome) -> String {
    match outcome {
        Outcome::Status(status) => format!("status {status}"),
        Outcome::Failure(failure) => failure.to_string(),
    }
}

/// The numbers that nobody uses.
#[derive(Default)]
struct Processes {
    free: BTreeSet<usize>,
    /// The lowest that nobody has ever used.
    next: usize,
}

impl Processes {
    /// The lowest that is free.
    fn take(&mut self) -> usize {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    fn give_back(&mut self, process: usize) {
        self.free.insert(process);
    }
}
