//! The increments and reads of a counter, read from a record. Deliberately absent: any judgement.

use std::collections::BTreeMap;

use squall_record::{Fate, RunRecord, Sample};

use crate::linear::Operation;
use crate::linear::counter::Action;
use crate::{Counting, Start};

/// What clients saw of a counter.
pub(crate) struct History<'a> {
    /// What it counted before anything was done.
    pub(crate) from: i64,
    /// What may have happened: what was refused, and reads without an answer, are not in it.
    pub(crate) operations: Vec<Operation<Action>>,
    /// Of each operation its place in the record, and what it was.
    pub(crate) samples: Vec<(usize, &'a Sample)>,
}

impl<'a> History<'a> {
    /// The history of the clients of a counter, or why there is none.
    pub(crate) fn of(record: &'a RunRecord, counting: &Counting) -> Result<Self, String> {
        let (mut operations, mut samples) = (Vec::new(), Vec::new());
        for (place, sample) in record.samples.iter().enumerate() {
            let is_increment = sample.client.as_str() == counting.increments;
            let is_read = counting.reads.as_deref() == Some(sample.client.as_str());
            let (action, is_over) = match (is_increment, is_read, sample.fate()) {
                (true, _, Fate::Acknowledged) => (Action::Increment(sample.value), true),
                (true, _, Fate::Unknown) => (Action::Increment(None), false),
                (_, true, Fate::Acknowledged) if sample.value.is_some() => {
                    (Action::Read(sample.value), true)
                }
                _ => continue,
            };
            operations.push(Operation {
                action,
                from_us: sample.sent_us,
                to_us: is_over.then(|| sample.ended_us()),
            });
            samples.push((place, sample));
        }
        let from = match counting.from {
            Start::At(from) => from,
            Start::FirstRead => first_read(&operations)
                .ok_or("no read was over before the first increment was sent")?,
        };
        Ok(Self {
            from,
            operations,
            samples,
        })
    }

    /// How many increments were acknowledged.
    pub(crate) fn acknowledged(&self) -> i64 {
        self.increments().filter(|one| one.to_us.is_some()).count() as i64
    }

    /// Of how many increments nobody knows what became.
    pub(crate) fn unknown(&self) -> i64 {
        self.increments().filter(|one| one.to_us.is_none()).count() as i64
    }

    /// How many acknowledged increments were answered with a value that another was answered with, too.
    pub(crate) fn doubled(&self) -> i64 {
        let mut times: BTreeMap<i64, i64> = BTreeMap::new();
        for one in self.increments() {
            if let Action::Increment(Some(value)) = one.action {
                *times.entry(value).or_default() += 1;
            }
        }
        times.values().map(|times| times - 1).sum()
    }

    /// Those that add one.
    pub(crate) fn increments(&self) -> impl Iterator<Item = &Operation<Action>> {
        let all = self.operations.iter();
        all.filter(|one| matches!(one.action, Action::Increment(_)))
    }
}

/// What a read says that was over before anything was done.
fn first_read(operations: &[Operation<Action>]) -> Option<i64> {
    let increments = operations.iter();
    let increments = increments.filter(|one| matches!(one.action, Action::Increment(_)));
    let first_us = increments.map(|one| one.from_us).min()?;
    operations.iter().find_map(|one| match one.action {
        Action::Read(value) if one.to_us < Some(first_us) => value,
        _ => None,
    })
}
