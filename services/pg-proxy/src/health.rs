//! The health of one checked server: a counter between rise and fall, as in HAProxy's
//! `set_server_check_status` (src/check.c).
//!
//! It runs from 0 to `rise + fall - 1`, and `rise` or more is up. A server starts at `rise`: up, and
//! down at the first failure. A change of mind on the way takes it back to the end it came from.

use std::time::Duration;

use squall_host::planted::Planted;

use crate::check::status::{CheckStatus, Outcome};
use crate::config::server::ServerOptions;

/// The health of one server.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    rise: u32,
    fall: u32,
    value: u32,
    /// Whether a check is on its way.
    pub(crate) running: bool,
    pub(crate) last: Outcome,
    planted: Planted,
}

impl Health {
    pub(crate) fn new(options: &ServerOptions, planted: &Planted) -> Self {
        Self {
            rise: options.rise,
            fall: options.fall,
            value: options.rise,
            running: false,
            last: Outcome {
                status: CheckStatus::Initial,
                code: 0,
                info: String::new(),
                duration: Duration::ZERO,
            },
            planted: planted.clone(),
        }
    }

    /// Takes in a check; whether the counter moved, and whether the line of the log differs.
    pub(crate) fn take(&mut self, outcome: Outcome) -> Taken {
        let before = self.value;
        if outcome.status.passed() {
            if self.value < self.top() {
                self.value += 1;
                let early = u32::from(self.planted.has("pg-proxy/rise-off-by-one"));
                if self.value + early >= self.rise {
                    self.value = self.top();
                }
            }
        } else if self.value > 0 {
            self.value -= 1;
            let early = u32::from(self.planted.has("pg-proxy/fall-off-by-one"));
            if self.value < self.rise + early {
                self.value = 0;
            }
        }
        let moved = self.value != before;
        let told = moved || outcome.status != self.last.status;
        let failed = moved && !outcome.status.passed();
        self.last = outcome;
        Taken { failed, told }
    }

    /// The highest value.
    fn top(&self) -> u32 {
        self.rise + self.fall - 1
    }

    pub(crate) fn is_up(&self) -> bool {
        self.value >= self.rise
    }

    pub(crate) fn is_settled_up(&self) -> bool {
        self.value == self.top()
    }

    pub(crate) fn is_settled_down(&self) -> bool {
        self.value == 0
    }

    pub(crate) fn value(&self) -> u32 {
        self.value
    }

    /// For maintenance: 0, and back to `rise` after it.
    pub(crate) fn set_in_maintenance(&mut self, on: bool) {
        self.value = if on { 0 } else { self.rise };
    }

    /// `2/3`: steps taken towards the other end, of how many.
    pub(crate) fn progress(&self) -> (u32, u32) {
        if self.is_up() {
            (self.value - self.rise + 1, self.fall)
        } else {
            (self.value, self.rise)
        }
    }

    /// The time to the next check (`srv_getinter`).
    pub(crate) fn interval(&self, options: &ServerOptions, stopped: bool) -> Duration {
        if self.is_settled_up() {
            options.inter
        } else if stopped && self.is_settled_down() {
            options.downinter.unwrap_or(options.inter)
        } else {
            options.fastinter.unwrap_or(options.inter)
        }
    }
}

/// What a check changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// It counts as a failure.
    pub(crate) failed: bool,
    /// `option log-health-checks` has a line for it.
    pub(crate) told: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(passed: bool) -> Outcome {
        Outcome {
            status: if passed {
                CheckStatus::Layer4Ok
            } else {
                CheckStatus::Layer4Connection
            },
            code: 0,
            info: String::new(),
            duration: Duration::ZERO,
        }
    }

    fn run(options: &ServerOptions, results: &str) -> String {
        let mut health = Health::new(options, &Planted::default());
        results
            .chars()
            .map(|result| {
                health.take(outcome(result == '+'));
                if health.is_up() { 'U' } else { 'D' }
            })
            .collect()
    }

    #[test]
    fn the_first_failure_counts_and_later_ones_must_be_three() {
        let options = ServerOptions::default();
        assert_eq!(run(&options, "-"), "D");
        assert_eq!(run(&options, "+---"), "UUUD");
        assert_eq!(run(&options, "+--+---"), "UUUUUUD");
        assert_eq!(run(&options, "-+-++"), "DDDDU");
    }

    #[test]
    fn intervals_are_fast_while_the_mind_is_not_made_up() {
        let options = ServerOptions {
            fastinter: Some(Duration::from_millis(500)),
            downinter: Some(Duration::from_secs(5)),
            ..ServerOptions::default()
        };
        let mut health = Health::new(&options, &Planted::default());
        let mut seen = vec![health.interval(&options, false).as_millis()];
        let mut stopped = false;
        for passed in [true, false, false, false, false, true, true] {
            health.take(outcome(passed));
            stopped = if health.is_up() {
                false
            } else {
                stopped || health.is_settled_down()
            };
            seen.push(health.interval(&options, stopped).as_millis());
        }
        assert_eq!(seen, [500, 2_000, 500, 500, 5_000, 5_000, 500, 2_000]);
    }
}
