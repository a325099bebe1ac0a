//! Whatever breaks: fault schedules and load for tests that use proptest.
//!
//! ```no_run
//! use squall::strategies::{Budget, config, faults, for_all};
//! # async fn run(host: squall::Host, _: squall::Shutdown) -> std::io::Result<()> { Ok(()) }
//!
//! let budget = Budget::new(["primary", "backup"], squall::secs(20));
//! for_all(config(20, 1), faults(budget), |faults| {
//!     let mut test = squall::Test::new("whatever breaks");
//!     test.service("primary", run);
//!     test.service("backup", run);
//!     test.faults(faults).seeds(0..2);
//!     test
//! });
//! ```
//!
//! A schedule on which the test fails is reduced to the smallest that still does, and told with its
//! report, its faults as code, and its seed. The cases are the same in every run of the test
//! ([`config`]), so the same command finds the same failure again.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

pub use squall_explore::strategies::{Budget, FaultKind, config, load, pace};

use crate::failure::Replay;
use crate::seeds::ONE;
use crate::{Diagnostic, Failure, Fault, Test};

/// Fault schedules within a budget, for [`Test::faults`].
pub fn faults(budget: Budget) -> impl Strategy<Value = Vec<Fault>> + Clone {
    let steps = squall_explore::strategies::faults(budget);
    steps.prop_map(|steps| steps.into_iter().map(Fault::from).collect())
}

/// Runs the tests that are made of whatever a strategy draws, and panics with the smallest that
/// fails.
#[track_caller]
pub fn for_all<S: Strategy>(config: Config, drawn: S, test: impl Fn(S::Value) -> Test) {
    let cases = config.cases;
    match try_for_all(config, drawn, test) {
        Ok(()) => {}
        Err(Failure::Seed(failed)) => panic!(
            "of {cases} cases one fails; this is the smallest like it\n{failed}\n\
             to play it alone: these faults in a test of their own, run with {ONE}={}",
            failed.seed
        ),
        Err(failure) => panic!("{failure}"),
    }
}

/// As [`for_all`], without the panic.
///
/// # Errors
///
/// The failure of the smallest test that fails. Its replay draws all cases again, with all seeds:
/// that finds it in the same way.
pub fn try_for_all<S: Strategy>(
    config: Config,
    drawn: S,
    test: impl Fn(S::Value) -> Test,
) -> Result<(), Failure> {
    // proptest runs smaller and smaller cases; the last that failed is the smallest.
    let smallest = RefCell::new(None);
    let result = TestRunner::new(config).run(&drawn, |value| {
        let failure = match test(value).try_run() {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        smallest.replace(Some(failure));
        Err(TestCaseError::fail("as told by its failure"))
    });
    match (result, smallest.into_inner()) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(Failure::Seed(mut failed))) => {
            failed.replay = Replay::here(None);
            Err(Failure::Seed(failed))
        }
        (Err(_), Some(failure)) => Err(failure),
        (Err(error), None) => Err(Failure::Input(Diagnostic::new(error.to_string()).into())),
    }
}
