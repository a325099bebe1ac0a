//! A part of the story, and what is expected of the requests that are sent in it.
//!
//! Conditions are written as in a scenario file: `100%`, `>= 99%`, `< 1s`, `40%..60%`.

use std::sync::Arc;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};
use squall_scenario::file::{self, Expectation, Length, Located, Quantity, Served};
use squall_scenario::units::{Comparison, Kind};

use crate::test::here;

/// A phase in the making; its methods can be chained.
pub struct Phase<'a> {
    pub(crate) phase: &'a mut file::Phase,
    pub(crate) file: Arc<str>,
    pub(crate) problems: &'a mut Vec<Diagnostic>,
}

impl Phase<'_> {
    /// The share of requests that are answered with 200 to 299: `100%`, `>= 99%`.
    #[track_caller]
    pub fn success(self, condition: &str) -> Self {
        self.expect(condition, Kind::Share, Quantity::Success)
    }

    /// How many requests are not answered with 200 to 299: `0`, `< 10`.
    #[track_caller]
    pub fn failed(self, condition: &str) -> Self {
        self.expect(condition, Kind::Count, Quantity::Failed)
    }

    /// How many requests are sent: `>= 100`.
    #[track_caller]
    pub fn requests(self, condition: &str) -> Self {
        self.expect(condition, Kind::Count, Quantity::Requests)
    }

    /// The longest time from sending a request to its answer or failure: `< 1s`.
    #[track_caller]
    pub fn longest_stall(self, condition: &str) -> Self {
        self.expect(condition, Kind::Time, Quantity::LongestStall)
    }

    /// The longest time without a successful answer: `< 3s`.
    #[track_caller]
    pub fn longest_outage(self, condition: &str) -> Self {
        self.expect(condition, Kind::Time, Quantity::LongestOutage)
    }

    /// The latency that 99 of 100 answers do not exceed: `< 20ms`.
    #[track_caller]
    pub fn p99(self, condition: &str) -> Self {
        self.expect(condition, Kind::Time, |time| Quantity::Latency("p99", time))
    }

    /// The share of successful answers that come from this backend: `40%..60%`. The client has to
    /// say where an answer names it ([`crate::Client::backend`]).
    #[track_caller]
    pub fn backend(self, name: &str, condition: &str) -> Self {
        let name = Located {
            line: here().line,
            value: name.to_owned(),
        };
        self.expect(condition, Kind::Share, |share| {
            Quantity::Share(Served::Backend, name, share)
        })
    }

    #[track_caller]
    fn expect(
        self,
        condition: &str,
        kind: Kind,
        quantity: impl FnOnce(Comparison) -> Quantity,
    ) -> Self {
        let line = here().line;
        match Comparison::read(condition, kind) {
            Ok(comparison) => {
                let of = quantity(comparison);
                self.phase.expect.push(Expectation { line, of });
            }
            Err(bad) => {
                let origin = Origin::new(self.file.clone(), line);
                self.problems
                    .push(Diagnostic::at(origin, bad.message).help(bad.help));
            }
        }
        self
    }
}

/// A phase in which nothing is expected yet.
pub(crate) fn phase(name: &str, lasts: Duration, line: u32) -> file::Phase {
    file::Phase {
        name: Located {
            line,
            value: name.to_owned(),
        },
        length: Length::For(lasts),
        load: Vec::new(),
        steps: Vec::new(),
        explore: None,
        expect: Vec::new(),
    }
}
