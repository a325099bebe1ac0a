//! Circuit breaker: what failed several times in a row is left alone for a while, then tried by one call.
//!
//! Deliberately absent: error rates over a window, and any timer. Nothing happens between calls.
//!
//! Source: `WithCircuitBreaker` of the lab's own package, which races, and starts every waiting call at once when
//! it closes again. Why not a crate: `failsafe` 1.3 (last release July 2024) lets every call through while
//! half-open, reads std's clock, which tests cannot pause, and brings rand 0.8 with its thread-local generator;
//! `tower` has none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Counts failures in a row, and refuses calls while it is open.
///
/// Closed, it lets every call through. After `failures` in a row it opens. Once it has rested, one call, the
/// probe, goes through, and everybody else is refused until it is known: it closes the breaker or opens it again.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    rest: Duration,
    state: Mutex<State>,
}

/// A call that was let through. Say how it went.
///
/// Dropped without a word (its future was dropped), it says nothing about the service: a closed breaker ignores
/// it, and after a probe that ended so the next call is the probe.
#[must_use = "a call that says nothing counts for nothing"]
#[derive(Debug)]
pub struct Call<'a> {
    breaker: &'a Breaker,
    era: u64,
}

/// The breaker is open: the call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("service unreachable: not called; it may be tried again in {} ms", wait.as_millis())]
pub struct Open {
    /// How long it rests still; zero while a probe is under way.
    pub wait: Duration,
}

/// Why a guarded call gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Guarded<E> {
    /// It was not made.
    #[error(transparent)]
    Open(#[from] Open),
    /// It was made, and failed.
    #[error("{0}")]
    Failed(E),
}

impl Breaker {
    /// Opens after so many failures in a row, for so long. The lab's are 3 and 1 s.
    pub fn new(failures: u32, rest: Duration) -> Self {
        Self {
            failures,
            rest,
            state: Mutex::new(State {
                era: 0,
                phase: Phase::Closed { failures: 0 },
            }),
        }
    }

    /// Leave to make one call, or the refusal. Check and change are one step.
    pub fn enter(&self) -> Result<Call<'_>, Open> {
        let mut state = self.state();
        match state.phase {
            Phase::Closed { .. } => {}
            Phase::Probing => {
                return Err(Open {
                    wait: Duration::ZERO,
                });
            }
            Phase::Open { until } => {
                let wait = until.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    return Err(Open { wait });
                }
                state.turn(Phase::Probing);
            }
        }
        Ok(Call {
            breaker: self,
            era: state.era,
        })
    }

    /// Makes one call, if it may. An error that `is_failure` denies (the service's answer to a bad request) shows
    /// a service that works. Bound `work` itself by its deadline, not this: what is dropped counts for nothing.
    pub async fn guard<T, E>(
        &self,
        is_failure: impl Fn(&E) -> bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Guarded<E>> {
        let call = self.enter()?;
        let result = work.await;
        match &result {
            Err(error) if is_failure(error) => call.failed(),
            _ => call.succeeded(),
        }
        result.map_err(Guarded::Failed)
    }

    /// A poisoned lock is still whole: no code under it panics between two writes.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// The service answered.
    pub fn succeeded(self) {
        let mut state = self.breaker.state();
        if state.era == self.era {
            match &mut state.phase {
                Phase::Closed { failures } => *failures = 0,
                _ => state.turn(Phase::Closed { failures: 0 }),
            }
        }
    }

    /// The service did not answer, or failed.
    pub fn failed(self) {
        let mut state = self.breaker.state();
        if state.era == self.era {
            match &mut state.phase {
                Phase::Closed { failures } if *failures + 1 < self.breaker.failures => {
                    *failures += 1;
                }
                _ => {
                    let until = crate::deadline::after(self.breaker.rest);
                    state.turn(Phase::Open { until });
                }
            }
        }
    }
}

impl Drop for Call<'_> {
    /// After a word it changes nothing: a probe's word began a new era, and a closed breaker is left alone.
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        if state.era == self.era && state.phase == Phase::Probing {
            state.turn(Phase::Open {
                until: Instant::now(),
            });
        }
    }
}

#[derive(Debug)]
struct State {
    /// Rises at every change of phase. What a call says counts only in the era in which it began, so that one
    /// which was long under way neither closes nor opens what others have changed since.
    era: u64,
    phase: Phase,
}

#[derive(Debug, PartialEq)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

impl State {
    fn turn(&mut self, phase: Phase) {
        self.era += 1;
        self.phase = phase;
    }
}
