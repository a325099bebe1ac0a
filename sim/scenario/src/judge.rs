//! The figures of a phase, and whether they are what the scenario expects.

mod sequence;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_record::{self as record, Latency, Name, Outcome, Sample};

use crate::file::explore::matches;
use crate::file::{Expectation, Phase, Quantity, Run, Served};
use crate::units::Comparison;

/// To which workloads pods belong, by their names: also pods that are no more.
#[derive(Clone, Debug, Default)]
pub struct Workloads(pub BTreeMap<Name, Name>);

impl Workloads {
    /// Whether a name of an expectation means this one: it is its name, a pattern of it, or the name of
    /// its workload.
    pub fn fits(&self, wanted: &str, name: &str) -> bool {
        let workload = || self.0.get(&Name::from(name));
        matches(wanted, name) || workload().is_some_and(|name| matches(wanted, name.as_str()))
    }
}

/// Judges a phase that lasted from `from` to `to` of the run by the requests sent in it.
pub fn phase(
    phase: &Phase,
    from: Duration,
    to: Duration,
    samples: &[Sample],
    workloads: &Workloads,
) -> record::Phase {
    let figures = Figures::of(from, to, samples, workloads);
    let expectations = phase.expect.iter().map(|one| figures.judge(one));
    let expectations = expectations.collect();
    record::Phase {
        name: phase.name.value.clone(),
        from_ms: millis(from),
        to_ms: millis(to),
        requests: figures.requests,
        ok: figures.ok,
        failed: figures.requests - figures.ok,
        by_status: figures.by_status,
        by_backend: figures.by_backend,
        by_database: figures.by_database,
        latency_ms: figures.latency,
        longest_stall_ms: figures.stall_us as f64 / 1e3,
        expectations,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

struct Figures<'a> {
    samples: &'a [Sample],
    workloads: &'a Workloads,
    from: Duration,
    requests: u64,
    ok: u64,
    by_status: BTreeMap<String, u64>,
    by_backend: BTreeMap<String, u64>,
    by_database: BTreeMap<String, u64>,
    latency: Option<Latency>,
    stall_us: u64,
    outage_us: u64,
}

impl<'a> Figures<'a> {
    fn of(from: Duration, to: Duration, samples: &'a [Sample], workloads: &'a Workloads) -> Self {
        let mut by_outcome: BTreeMap<Outcome, u64> = BTreeMap::new();
        let (mut by_backend, mut by_database) = (BTreeMap::new(), BTreeMap::new());
        let mut latencies_us = Vec::with_capacity(samples.len());
        for sample in samples {
            *by_outcome.entry(sample.outcome).or_default() += 1;
            if matches!(sample.outcome, Outcome::Status(_)) {
                latencies_us.push(sample.latency_us);
            }
            if sample.is_ok() {
                for (name, counts) in [
                    (&sample.backend, &mut by_backend),
                    (&sample.database, &mut by_database),
                ] {
                    if let Some(name) = name {
                        // Names come again and again: look first, allocate for a new one.
                        match counts.get_mut(name.as_str()) {
                            Some(count) => *count += 1,
                            None => drop(counts.insert(name.as_str().to_owned(), 1)),
                        }
                    }
                }
            }
        }
        let by_status = by_outcome
            .iter()
            .map(|(outcome, n)| (outcome.to_string(), *n));
        Self {
            samples,
            workloads,
            from,
            requests: samples.len() as u64,
            ok: samples.iter().filter(|sample| sample.is_ok()).count() as u64,
            by_status: by_status.collect(),
            by_backend,
            by_database,
            latency: latency(latencies_us),
            stall_us: samples.iter().map(|s| s.latency_us).max().unwrap_or(0),
            outage_us: outage_us(from, to, samples),
        }
    }

    fn judge(&self, expectation: &Expectation) -> record::Expectation {
        let shown = self.requests > 0;
        let share = |count: u64, of: u64| (of > 0).then(|| count as f64 / of as f64);
        let what = expectation.of.name();
        match &expectation.of {
            Quantity::Success(wanted) => {
                let actual = share(self.ok, self.requests);
                self.share(&what, wanted, actual, &self.by_status)
            }
            Quantity::StatusShare(status, wanted) => {
                let count = self.by_status.get(status).copied().unwrap_or(0);
                let actual = share(count, self.requests);
                self.share(&what, wanted, actual, &self.by_status)
            }
            Quantity::Share(served, name, wanted) => {
                let counts = self.served(*served);
                let fits = |of: &str| self.workloads.fits(&name.value, of);
                let of_name = counts.iter().filter(|(of, _)| fits(of));
                let count = of_name.map(|(_, count)| count).sum();
                let actual = share(count, counts.values().sum());
                self.share(&what, wanted, actual, counts)
            }
            Quantity::OnlyStatus(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
                let holds = self.by_status.keys().all(|status| wanted.contains(status));
                judged(
                    &what,
                    format!("only {}", wanted.join(", ")),
                    counted(&self.by_status),
                    shown.then_some(holds),
                )
            }
            Quantity::Values(wanted) => {
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                let mut holds = true;
                for sample in self.samples.iter().filter(|sample| sample.is_ok()) {
                    holds &= sample.value.is_some_and(|value| wanted.contains(&value));
                    let value = sample.value.map(|value| value.to_string());
                    *counts
                        .entry(value.unwrap_or("none".to_owned()))
                        .or_default() += 1;
                }
                let wanted: Vec<String> = wanted.iter().map(i64::to_string).collect();
                let shown = !counts.is_empty();
                judged(
                    &what,
                    format!("only {}", wanted.join(", ")),
                    counted(&counts),
                    shown.then_some(holds),
                )
            }
            Quantity::Only(served, wanted) => {
                let counts = self.served(*served);
                let mut wanted: Vec<&str> = wanted.iter().map(|name| name.value.as_str()).collect();
                wanted.sort_unstable();
                wanted.dedup();
                let fits = |wanted: &str, of: &str| self.workloads.fits(wanted, of);
                let nobody_else = counts
                    .keys()
                    .all(|of| wanted.iter().any(|wanted| fits(wanted, of)));
                let each = wanted
                    .iter()
                    .all(|wanted| counts.keys().any(|of| fits(wanted, of)));
                let holds = nobody_else && each;
                let shown = !counts.is_empty();
                judged(
                    &what,
                    format!("only {}", wanted.join(", ")),
                    counted(counts),
                    shown.then_some(holds),
                )
            }
            Quantity::LongestStall(wanted) => {
                time(&what, wanted, shown.then_some(self.stall_us as f64 / 1e3))
            }
            Quantity::LongestOutage(wanted) => {
                time(&what, wanted, shown.then_some(self.outage_us as f64 / 1e3))
            }
            Quantity::Latency(which, wanted) => {
                let actual_ms = self.latency.map(|latency| match *which {
                    "p50" => latency.p50,
                    "p90" => latency.p90,
                    "p99" => latency.p99,
                    _ => latency.max,
                });
                time(&what, wanted, actual_ms)
            }
            Quantity::Distinct(served, wanted) => {
                let counts = self.served(*served);
                judged(
                    &what,
                    wanted.to_string(),
                    counted(counts),
                    shown.then(|| wanted.holds(counts.len() as f64)),
                )
            }
            Quantity::Sequence(runs) => self.sequence(&what, runs),
            Quantity::Requests(wanted) => count(&what, wanted, self.requests, true),
            Quantity::Failed(wanted) => count(&what, wanted, self.requests - self.ok, shown),
        }
    }

    fn sequence(&self, what: &str, runs: &[Run]) -> record::Expectation {
        let expected: Vec<String> = runs.iter().map(Run::to_string).collect();
        let (holds, actual) = match sequence::read(runs, self.samples, self.workloads) {
            Ok(()) => (true, "all requests in this order".to_owned()),
            Err(misfit) => {
                let item = &runs[misfit.item];
                let misfit_is = match self.samples.get(misfit.at) {
                    Some(sample) => format!("{} is not of", self.describe(misfit.at, sample)),
                    None => format!("after {} requests none is left for", self.requests),
                };
                (
                    false,
                    format!("{misfit_is} `{item}` (number {})", misfit.item + 1),
                )
            }
        };
        let shown = !self.samples.is_empty();
        judged(
            what,
            expected.join(", then "),
            actual,
            shown.then_some(holds),
        )
    }

    fn describe(&self, at: usize, sample: &Sample) -> String {
        let sent_us = sample
            .sent_us
            .saturating_sub(crate::journal::micros(self.from));
        let mut text = format!(
            "request {} at {:.3} s: {} after {:.3} s",
            at + 1,
            sent_us as f64 / 1e6,
            sample.outcome,
            sample.latency_us as f64 / 1e6
        );
        for (word, name) in [("backend", &sample.backend), ("database", &sample.database)] {
            if let Some(name) = name {
                text.push_str(&format!(", {word} {}", name.as_str()));
            }
        }
        text
    }

    fn served(&self, served: Served) -> &BTreeMap<String, u64> {
        match served {
            Served::Backend => &self.by_backend,
            Served::Database => &self.by_database,
        }
    }

    fn share(
        &self,
        what: &str,
        wanted: &Comparison,
        actual: Option<f64>,
        counts: &BTreeMap<String, u64>,
    ) -> record::Expectation {
        let shown = match actual {
            Some(actual) if counts.len() > 1 => {
                format!("{:.1}% ({})", 100.0 * actual, counted(counts))
            }
            Some(actual) => format!("{:.1}%", 100.0 * actual),
            None => "nothing to count".to_owned(),
        };
        judged(
            what,
            wanted.to_string(),
            shown,
            actual.map(|actual| wanted.holds(actual)),
        )
    }
}

fn time(what: &str, wanted: &Comparison, actual_ms: Option<f64>) -> record::Expectation {
    let shown = actual_ms.map_or("no request".to_owned(), |ms| {
        if ms < 1000.0 {
            format!("{ms:.1} ms")
        } else {
            format!("{:.3} s", ms / 1000.0)
        }
    });
    judged(
        what,
        wanted.to_string(),
        shown,
        actual_ms.map(|ms| wanted.holds(ms * 1e6)),
    )
}

fn count(what: &str, wanted: &Comparison, actual: u64, shown: bool) -> record::Expectation {
    let holds = shown.then(|| wanted.holds(actual as f64));
    judged(what, wanted.to_string(), actual.to_string(), holds)
}

fn judged(
    what: &str,
    expected: String,
    actual: String,
    holds: Option<bool>,
) -> record::Expectation {
    record::Expectation {
        what: what.to_owned(),
        expected,
        actual,
        holds,
    }
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let each = counts
        .iter()
        .map(|(name, count)| format!("{name}: {count}"));
    each.collect::<Vec<_>>().join(", ")
}

fn latency(mut latencies_us: Vec<u64>) -> Option<Latency> {
    latencies_us.sort_unstable();
    let last = latencies_us.last().copied()?;
    // Nearest rank: the smallest value that at least so many in a hundred do not exceed.
    let rank = |percent: usize| (latencies_us.len() * percent).div_ceil(100).max(1) - 1;
    let ms = |us: u64| us as f64 / 1e3;
    Some(Latency {
        p50: ms(latencies_us[rank(50)]),
        p90: ms(latencies_us[rank(90)]),
        p99: ms(latencies_us[rank(99)]),
        max: ms(last),
    })
}

/// The longest time without a successful answer. Answers to requests of this phase that come after
/// its end bound the last gap, too.
fn outage_us(from: Duration, to: Duration, samples: &[Sample]) -> u64 {
    let micros = crate::journal::micros;
    let mut answers: Vec<u64> = samples
        .iter()
        .filter(|s| s.is_ok())
        .map(Sample::ended_us)
        .collect();
    answers.sort_unstable();
    let (mut longest, mut last) = (0, micros(from));
    for answer in answers {
        longest = longest.max(answer.saturating_sub(last));
        last = answer;
    }
    longest.max(micros(to).saturating_sub(last))
}

#[cfg(test)]
mod tests {
    use squall_record::Failure;

    use super::*;
    use crate::file::Scenario;

    fn expecting(expect: &str) -> Phase {
        let text = format!(
            "scenario: x\nsystem: {{compose: c}}\nclients: [{{name: load, get: 'http://x', rate: 1/s}}]\nphases: [{{phase: p, for: 10s, expect: {{{expect}}}}}]"
        );
        let mut scenario = Scenario::read("x.yaml".into(), &text).unwrap();
        scenario.phases.remove(0)
    }

    fn sample(sent_ms: u64, latency_ms: u64, outcome: Outcome, backend: &str) -> Sample {
        Sample {
            request: None,
            client: "load".into(),
            sent_us: sent_ms * 1000,
            latency_us: latency_ms * 1000,
            outcome,
            backend: Some(backend.into()),
            database: None,
            value: None,
            body: None,
        }
    }

    fn run(expect: &str) -> Vec<Option<bool>> {
        let samples = [
            sample(0, 10, Outcome::Status(200), "a"),
            sample(1000, 10, Outcome::Status(200), "b"),
            sample(2000, 4000, Outcome::Status(200), "a"),
            sample(7000, 30, Outcome::Status(502), "b"),
            sample(8000, 500, Outcome::Failure(Failure::Timeout), ""),
        ];
        let (from, to) = (Duration::ZERO, Duration::from_secs(10));
        let judged = phase(
            &expecting(expect),
            from,
            to,
            &samples,
            &Workloads::default(),
        );
        judged.expectations.iter().map(|one| one.holds).collect()
    }

    #[test]
    fn every_success_carries_one_of_the_values() {
        let judge = |values: &[Option<i64>]| {
            let samples: Vec<Sample> = values
                .iter()
                .map(|value| Sample {
                    value: *value,
                    ..sample(0, 1, Outcome::Status(200), "a")
                })
                .chain([sample(0, 1, Outcome::Status(503), "a")])
                .collect();
            let (expecting, second) = (expecting("values: [3, 4]"), Duration::from_secs(1));
            let workloads = Workloads::default();
            let judged = phase(&expecting, Duration::ZERO, second, &samples, &workloads);
            judged.expectations[0].holds
        };
        assert_eq!(judge(&[Some(3), Some(4)]), Some(true));
        assert_eq!(judge(&[Some(3), Some(2)]), Some(false));
        assert_eq!(judge(&[Some(3), None]), Some(false));
        assert_eq!(judge(&[]), None);
    }

    #[test]
    fn the_figures_are_those_of_the_samples() {
        let samples = [
            sample(0, 10, Outcome::Status(200), "a"),
            sample(1, 20, Outcome::Status(200), "a"),
            sample(2, 30, Outcome::Status(500), "a"),
            sample(3, 900, Outcome::Failure(Failure::Refused), ""),
        ];
        let judged = phase(
            &expecting("requests: 4"),
            Duration::ZERO,
            Duration::from_secs(1),
            &samples,
            &Workloads::default(),
        );
        assert_eq!((judged.requests, judged.ok, judged.failed), (4, 2, 2));
        assert_eq!(judged.by_status["200"], 2);
        assert_eq!(judged.by_status["refused"], 1);
        assert_eq!(judged.by_backend, BTreeMap::from([("a".to_owned(), 2)]));
        let latency = judged.latency_ms.unwrap();
        assert_eq!((latency.p50, latency.p99, latency.max), (20.0, 30.0, 30.0));
        assert_eq!(judged.longest_stall_ms, 900.0);
    }

    #[test]
    fn expectations_hold_or_do_not() {
        let cases = [
            ("success: 60%", true),
            ("success: 100%", false),
            ("status: [200, 502]", false),
            ("status: {200: '>= 60%', timeout: 20%}", true),
            ("backends: {a: 60%..70%}", true),
            ("backends: {a: 40%..60%}", false),
            ("backends: {c: 0%}", true),
            ("only_backends: [b, a]", true),
            ("only_backends: a", false),
            ("only_backends: [a, b, c]", false),
            ("longest_stall: 3s..5s", true),
            ("longest_stall: < 1s", false),
            ("longest_outage: < 5s", true),
            ("longest_outage: < 4s", false),
            ("latency: {p50: < 1s, max: 4s}", true),
            ("latency: {p99: < 1s}", false),
            ("distinct_backends: 2", true),
            ("distinct_backends: '> 2'", false),
            ("distinct_databases: 0", true),
            ("backends: {'*': 100%}", true),
            ("only_backends: ['a*', '*b*']", true),
            ("only_backends: ['a*', 'c*']", false),
            (
                "sequence: [{requests: 3, status: 200}, {requests: 1..8}]",
                true,
            ),
            (
                "sequence: [{requests: 2, stall: < 1s}, {requests: '>= 0', status: [200, 502, timeout], stall: '> 20ms'}]",
                true,
            ),
            (
                "sequence: [{requests: 2, backend: a}, {requests: '>= 0'}]",
                false,
            ),
            ("sequence: [{requests: '>= 0', status: 200}]", false),
            ("requests: 5", true),
            ("failed: 2", true),
            ("failed: 0", false),
        ];
        for (expect, holds) in cases {
            let all = run(expect);
            assert!(!all.is_empty(), "{expect}");
            assert!(
                all.iter().all(|one| *one == Some(holds)),
                "{expect}: {all:?}"
            );
        }
    }

    #[test]
    fn the_name_of_a_workload_means_its_pods() {
        let pod = |name: &str| (Name::from(name), Name::from("backend"));
        let workloads = Workloads([pod("backend-7d-x"), pod("backend-7d-y")].into());
        let samples = [
            sample(0, 10, Outcome::Status(200), "backend-7d-x"),
            sample(1, 10, Outcome::Status(200), "backend-7d-y"),
            sample(2, 10, Outcome::Status(200), "backendless"),
            sample(3, 10, Outcome::Status(502), "backend-7d-y"),
        ];
        for (expect, holds) in [
            ("backends: {backend: 60%..70%}", true),
            ("backends: {'backend*': 100%}", true),
            ("only_backends: [backend, backendless]", true),
            ("only_backends: backend", false),
            (
                "sequence: [{requests: 2, backend: backend}, {requests: 1, backend: '*less'}, {requests: 1, backend: backend, status: 502}]",
                true,
            ),
            ("distinct_backends: 3", true),
        ] {
            let (from, to) = (Duration::ZERO, Duration::from_secs(1));
            let judged = phase(&expecting(expect), from, to, &samples, &workloads);
            assert_eq!(judged.expectations[0].holds, Some(holds), "{expect}");
        }
    }

    #[test]
    fn a_sequence_says_what_does_not_fit() {
        let samples = [
            sample(0, 10, Outcome::Status(200), "a"),
            sample(300, 64_000, Outcome::Status(502), "b"),
        ];
        let expect =
            "sequence: [{requests: 1, backend: a}, {requests: '>= 1', status: 200, stall: < 1s}]";
        let (from, to) = (Duration::ZERO, Duration::from_secs(99));
        let judged = phase(
            &expecting(expect),
            from,
            to,
            &samples,
            &Workloads::default(),
        );
        let one = &judged.expectations[0];
        assert_eq!(
            (
                one.what.as_str(),
                one.expected.as_str(),
                one.actual.as_str()
            ),
            (
                "sequence",
                "1 with backend a, then >= 1 with status 200 and stall < 1s",
                "request 2 at 0.300 s: 502 after 64.000 s, backend b is not of `>= 1 with status 200 and stall < 1s` (number 2)",
            )
        );
    }

    #[test]
    fn what_was_not_seen_is_not_judged() {
        assert_eq!(run("databases: {d: 100%}"), [None]);
        assert_eq!(run("only_databases: [d]"), [None]);
        let expect = "success: 100%, longest_stall: < 1s, latency: {p50: < 1s}, failed: 0";
        let empty = phase(
            &expecting(expect),
            Duration::ZERO,
            Duration::from_secs(1),
            &[],
            &Workloads::default(),
        );
        assert!(empty.expectations.iter().all(|one| one.holds.is_none()));
        assert_eq!(empty.expectations.len(), 4);
    }
}
