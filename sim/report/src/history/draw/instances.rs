//! What instances of a counter say of themselves: a line of the log for each time that they read or write the count.
//!
//! A line is `{"counter":1,"op":"read","value":12}` or `{"counter":1,"op":"wrote","value":13}`, other keys do not
//! matter. Whose it is and when, says the record; an instance writes it when it knows what the store answered.
//! A write of 13 and the last read of 12 by the same instance before it, that no other write went with, are one bar.
//! Deliberately absent: what the store did. Two writes can have been the other way round there.

use std::collections::BTreeMap;

use serde::Deserialize;
use squall_record::Log;

use super::{Bar, End};

/// What an instance says that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it said so, in microseconds since the run began.
    pub at_us: u64,
    /// Who.
    pub host: String,
    /// Whether it wrote, or else read.
    pub is_write: bool,
    /// The count.
    pub value: i64,
    /// Of a write: what had been written last, and by whom.
    pub over: Option<(i64, String)>,
}

impl Step {
    /// Whether it wrote what is not more than what was there: an increment is lost.
    pub fn loses(&self) -> bool {
        let over = self.over.as_ref();
        over.is_some_and(|(value, _)| *value >= self.value)
    }
}

#[derive(Deserialize)]
struct Line {
    counter: u32,
    op: Op,
    value: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Read,
    Wrote,
}

/// All that instances say, in the order of the log.
pub(super) fn steps(log: &Log) -> Vec<Step> {
    let mut last = None;
    let lines = log.lines.iter();
    let steps = lines.filter_map(|line| {
        let is_one = line.text.contains("\"counter\"");
        let said: Line = is_one.then(|| serde_json::from_str(&line.text).ok())??;
        if said.counter != 1 {
            return None;
        }
        let is_write = said.op == Op::Wrote;
        let host = line.host.to_string();
        let over = match is_write {
            true => last.replace((said.value, host.clone())),
            false => None,
        };
        Some(Step {
            at_us: line.at_us,
            host,
            is_write,
            value: said.value,
            over,
        })
    });
    steps.collect()
}

/// The bars of each instance. What lost an increment is marked, and what it wrote over.
pub(super) fn bars(steps: &[Step]) -> BTreeMap<&str, Vec<Bar>> {
    let mut lanes: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
    // Of each instance and value the reads that no write went with, as places in its lane.
    let mut reads: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
    let mut last_write = None;
    for step in steps {
        let host = step.host.as_str();
        let lane = lanes.entry(host).or_default();
        let read = match step.is_write {
            true => reads.get_mut(&(host, step.value.saturating_sub(1))),
            false => None,
        };
        let place = match read.and_then(Vec::pop) {
            Some(place) => {
                let bar = &mut lane[place];
                bar.to_us = step.at_us;
                bar.end = End::Known;
                bar.label = format!("{}→{}", step.value.saturating_sub(1), step.value);
                place
            }
            None => {
                lane.push(alone(step));
                lane.len() - 1
            }
        };
        if !step.is_write {
            reads.entry((host, step.value)).or_default().push(place);
            continue;
        }
        lane[place].is_marked = step.loses();
        let before = last_write.replace((host, place));
        if let Some((host, place)) = before.filter(|_| step.loses())
            && let Some(lane) = lanes.get_mut(host)
        {
            lane[place].is_marked = true;
        }
    }
    lanes
}

/// A read without a write, or a write without a read.
fn alone(step: &Step) -> Bar {
    let word = if step.is_write { "wrote" } else { "read" };
    Bar {
        from_us: step.at_us,
        to_us: step.at_us,
        end: End::Instant,
        label: format!("{word} {}", step.value),
        is_marked: false,
    }
}
