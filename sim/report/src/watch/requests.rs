//! Requests in the order of their answers: who served lately, how many came back in each second.

use std::collections::{BTreeMap, BTreeSet};

use squall_record::{Name, Sample};

use super::frame::{Answers, SECONDS, Served};

const SECOND_US: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Requests<'a> {
    /// In the order of sending.
    samples: &'a [Sample],
    /// By their ends.
    ended: Vec<&'a Sample>,
    /// What came back in each second of the run.
    seconds: Vec<Answers>,
    backends: BTreeSet<&'a Name>,
    databases: BTreeSet<&'a Name>,
}

/// A name that a sample has, or none.
type NameOf = fn(&Sample) -> Option<&Name>;

impl<'a> Requests<'a> {
    pub(super) fn new(samples: &'a [Sample]) -> Self {
        let mut ended: Vec<&Sample> = samples.iter().collect();
        ended.sort_by_key(|sample| sample.ended_us());
        let mut seconds = Vec::new();
        for sample in &ended {
            let second = (sample.ended_us() / SECOND_US) as usize;
            if seconds.len() <= second {
                seconds.resize(second + 1, Answers::default());
            }
            match sample.is_ok() {
                true => seconds[second].ok += 1,
                false => seconds[second].failed += 1,
            }
        }
        let names = |of: NameOf| samples.iter().filter_map(of).collect();
        Self {
            samples,
            seconds,
            backends: names(|sample| sample.backend.as_ref()),
            databases: names(|sample| sample.database.as_ref()),
            ended,
        }
    }

    /// Those who have served lately, and those who are there and serve at some time.
    pub(super) fn backends(&self, at_us: u64, is_there: impl Fn(&Name) -> bool) -> Vec<Served<'a>> {
        self.served(at_us, is_there, &self.backends, |s| s.backend.as_ref())
    }

    pub(super) fn databases(
        &self,
        at_us: u64,
        is_there: impl Fn(&Name) -> bool,
    ) -> Vec<Served<'a>> {
        self.served(at_us, is_there, &self.databases, |s| s.database.as_ref())
    }

    fn served(
        &self,
        at_us: u64,
        is_there: impl Fn(&Name) -> bool,
        names: &BTreeSet<&'a Name>,
        of: NameOf,
    ) -> Vec<Served<'a>> {
        let mut counts: BTreeMap<&Name, (u64, u64)> = BTreeMap::new();
        for sample in self.ended_within(at_us, 10 * SECOND_US) {
            let Some(name) = of(sample).filter(|_| sample.is_ok()) else {
                continue;
            };
            let (second, ten_seconds) = counts.entry(name).or_default();
            *second += u64::from(sample.ended_us() + SECOND_US > at_us);
            *ten_seconds += 1;
        }
        let served = names.iter().filter_map(|name| {
            let (second, ten_seconds) = match counts.get(name) {
                Some(counts) => *counts,
                None if is_there(name) => (0, 0),
                None => return None,
            };
            Some(Served {
                name,
                second,
                ten_seconds,
            })
        });
        served.collect()
    }

    /// What came back in each of the last seconds, of which the last is not over.
    pub(super) fn answers(&self, at_us: u64) -> Vec<Answers> {
        let now = (at_us / SECOND_US) as usize;
        let first = (now + 1).saturating_sub(SECONDS);
        let mut answers: Vec<Answers> = (first..now)
            .map(|second| self.seconds.get(second).copied().unwrap_or_default())
            .collect();
        let mut last = Answers::default();
        let since_us = at_us % SECOND_US + 1;
        for sample in self.ended_within(at_us, since_us) {
            match sample.is_ok() {
                true => last.ok += 1,
                false => last.failed += 1,
            }
        }
        answers.push(last);
        answers
    }

    /// How many are without an answer, and the longest that one waits.
    pub(super) fn waiting(&self, at_us: u64) -> (u64, u64) {
        let sent = self.samples.partition_point(|s| s.sent_us <= at_us);
        let ended = self.ended.partition_point(|s| s.ended_us() <= at_us);
        let waiting = sent.saturating_sub(ended);
        let on_its_way = self.samples[..sent]
            .iter()
            .rev()
            .filter(|sample| sample.ended_us() > at_us);
        let oldest = on_its_way.take(waiting).last();
        let longest = oldest.map_or(0, |sample| at_us - sample.sent_us);
        (waiting as u64, longest)
    }

    /// Those that ended at `at_us` or in so much time before.
    fn ended_within(&self, at_us: u64, span_us: u64) -> &[&'a Sample] {
        let until = |us: u64| self.ended.partition_point(|s| s.ended_us() <= us);
        let start = match at_us.checked_sub(span_us) {
            Some(us) => until(us),
            None => 0,
        };
        &self.ended[start..until(at_us)]
    }
}
