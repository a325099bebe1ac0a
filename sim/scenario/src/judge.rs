//! The figures of a phase, and whether they are what the scenario expects.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_record::{self as record, Latency, Outcome, Sample};

use crate::file::{Expectation, Phase, Quantity, Served};
use crate::units::Comparison;

/// Judges a phase that lasted from `from` to `to` of the run by the requests sent in it.
pub fn phase(phase: &Phase, from: Duration, to: Duration, samples: &[Sample]) -> record::Phase {
    let figures = Figures::of(from, to, samples);
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

struct Figures {
    requests: u64,
    ok: u64,
    by_status: BTreeMap<String, u64>,
    by_backend: BTreeMap<String, u64>,
    by_database: BTreeMap<String, u64>,
    latency: Option<Latency>,
    stall_us: u64,
    outage_us: u64,
}

impl Figures {
    fn of(from: Duration, to: Duration, samples: &[Sample]) -> Self {
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
        match &expectation.of {
            Quantity::Success(wanted) => self.share(
                "success",
                wanted,
                share(self.ok, self.requests),
                &self.by_status,
            ),
            Quantity::StatusShare(status, wanted) => {
                let count = self.by_status.get(status).copied().unwrap_or(0);
                let actual = share(count, self.requests);
                self.share(&format!("status {status}"), wanted, actual, &self.by_status)
            }
            Quantity::Share(served, name, wanted) => {
                let (word, counts) = self.served(*served);
                let count = counts.get(&name.value).copied().unwrap_or(0);
                let actual = share(count, counts.values().sum());
                self.share(&format!("{word} {}", name.value), wanted, actual, counts)
            }
            Quantity::OnlyStatus(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
                let holds = self.by_status.keys().all(|status| wanted.contains(status));
                judged(
                    "status",
                    format!("only {}", wanted.join(", ")),
                    counted(&self.by_status),
                    shown.then_some(holds),
                )
            }
            Quantity::Only(served, wanted) => {
                let (word, counts) = self.served(*served);
                let mut wanted: Vec<&str> = wanted.iter().map(|name| name.value.as_str()).collect();
                wanted.sort_unstable();
                wanted.dedup();
                let holds = wanted.iter().copied().eq(counts.keys().map(String::as_str));
                let shown = !counts.is_empty();
                judged(
                    &format!("{word}s"),
                    format!("only {}", wanted.join(", ")),
                    counted(counts),
                    shown.then_some(holds),
                )
            }
            Quantity::LongestStall(wanted) => time(
                "longest stall",
                wanted,
                shown.then_some(self.stall_us as f64 / 1e3),
            ),
            Quantity::LongestOutage(wanted) => time(
                "longest outage",
                wanted,
                shown.then_some(self.outage_us as f64 / 1e3),
            ),
            Quantity::Latency(which, wanted) => {
                let actual_ms = self.latency.map(|latency| match *which {
                    "p50" => latency.p50,
                    "p90" => latency.p90,
                    "p99" => latency.p99,
                    _ => latency.max,
                });
                time(&format!("latency {which}"), wanted, actual_ms)
            }
            Quantity::Requests(wanted) => count("requests", wanted, self.requests, true),
            Quantity::Failed(wanted) => count("failed", wanted, self.requests - self.ok, shown),
        }
    }

    fn served(&self, served: Served) -> (&'static str, &BTreeMap<String, u64>) {
        match served {
            Served::Backend => ("backend", &self.by_backend),
            Served::Database => ("database", &self.by_database),
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
        let judged = phase(&expecting(expect), from, to, &samples);
        judged.expectations.iter().map(|one| one.holds).collect()
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
    fn what_was_not_seen_is_not_judged() {
        assert_eq!(run("databases: {d: 100%}"), [None]);
        assert_eq!(run("only_databases: [d]"), [None]);
        let expect = "success: 100%, longest_stall: < 1s, latency: {p50: < 1s}, failed: 0";
        let empty = phase(
            &expecting(expect),
            Duration::ZERO,
            Duration::from_secs(1),
            &[],
        );
        assert!(empty.expectations.iter().all(|one| one.holds.is_none()));
        assert_eq!(empty.expectations.len(), 4);
    }
}
