//! What is to be seen of a run at an instant: the model of a dashboard, without a terminal.
//!
//! | module | idea |
//! |---|---|
//! | [`frame`] | what is to be seen, as plain data |
//! | `pods` | pods and endpoints over time |
//! | `faults` | from when to when each fault is in force |
//! | `requests` | requests in the order of their answers |
//!
//! A [`Watch`] is built once from a record, after which each instant costs little: play, jump and
//! rewind are the same. Deliberately absent: widgets, colours, keys, and the time of the one who
//! watches.

mod faults;
pub mod frame;
mod pods;
mod requests;

use squall_record::{Name, RunRecord};

use faults::Faults;
pub use frame::{Answers, Frame, InForce, PhaseAt, Served};
use pods::Pods;
use requests::Requests;

/// A run, so that it can be looked at instant by instant.
#[derive(Debug)]
pub struct Watch<'a> {
    record: &'a RunRecord,
    pods: Pods<'a>,
    faults: Faults<'a>,
    requests: Requests<'a>,
}

impl<'a> Watch<'a> {
    /// Of a run that is over.
    pub fn new(record: &'a RunRecord) -> Self {
        let pods = Pods::new(&record.changes);
        Self {
            record,
            faults: Faults::new(&record.happenings, &pods),
            requests: Requests::new(&record.samples),
            pods,
        }
    }

    /// The record of the run.
    pub fn record(&self) -> &'a RunRecord {
        self.record
    }

    /// The end of the run, in microseconds since it began.
    pub fn end_us(&self) -> u64 {
        let phases = self.record.summary.phases.last();
        let phases = phases.map_or(0, |phase| phase.to_ms);
        self.record.summary.virtual_ms.max(phases) * 1000
    }

    /// The starts of all phases, in microseconds since the run began.
    pub fn phases_us(&self) -> impl DoubleEndedIterator<Item = u64> {
        let phases = self.record.summary.phases.iter();
        phases.map(|phase| phase.from_ms * 1000)
    }

    /// What is to be seen at an instant.
    pub fn at(&self, at_us: u64) -> Frame<'a> {
        let at_us = at_us.min(self.end_us());
        let record = self.record;
        let happenings = &record.happenings;
        let lines = &record.log.lines;
        let pods = self.pods.at(at_us);
        let is_there = |name: &Name| {
            pods.iter()
                .any(|pod| pod.name == *name || pod.workload == *name)
        };
        Frame {
            at_us,
            end_us: self.end_us(),
            clock_s: record.epoch_s + at_us / 1_000_000,
            summary: &record.summary,
            phase: self.phase(at_us),
            endpoints: self.pods.endpoints_at(at_us),
            backends: self.requests.backends(at_us, is_there),
            databases: self.requests.databases(at_us, is_there),
            answers: self.requests.answers(at_us),
            waiting: self.requests.waiting(at_us),
            faults: self.faults.at(at_us),
            happenings: &happenings[..happenings.partition_point(|one| one.at_us <= at_us)],
            lines: &lines[..lines.partition_point(|line| line.at_us <= at_us)],
            pods,
        }
    }

    fn phase(&self, at_us: u64) -> Option<PhaseAt<'a>> {
        let phases = &self.record.summary.phases;
        let number = phases.partition_point(|phase| phase.from_ms * 1000 <= at_us);
        let phase = phases.get(number.checked_sub(1)?)?;
        Some(PhaseAt {
            phase,
            number,
            of: phases.len(),
        })
    }
}
