//! Whatever breaks: fault schedules and load for tests that use proptest.
//!
//! ```no_run
//! use proptest::test_runner::TestRunner;
//! use squall::strategies::{Budget, config, faults, holds};
//! # async fn run(host: squall::Host, _: squall::Shutdown) -> std::io::Result<()> { Ok(()) }
//!
//! let budget = Budget::new(["primary", "backup"], squall::secs(20));
//! TestRunner::new(config(20, 1)).run(&faults(budget), |faults| {
//!     let mut test = squall::Test::new("whatever breaks");
//!     test.service("primary", run);
//!     test.service("backup", run);
//!     holds(test.faults(faults).seeds(0..2))
//! }).unwrap_or_else(|error| panic!("{error}"));
//! ```
//!
//! proptest reduces a schedule on which the test fails to the smallest, and its message then ends
//! with the report of that run, its faults as code and its seed. The cases are the same in every run
//! of the test ([`config`]), so the same command finds the same failure again.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

pub use squall_explore::strategies::{Budget, FaultKind, config, load, pace};

use crate::{Fault, Test};

/// Fault schedules within a budget, for [`Test::faults`].
pub fn faults(budget: Budget) -> impl Strategy<Value = Vec<Fault>> + Clone {
    let steps = squall_explore::strategies::faults(budget);
    steps.prop_map(|steps| steps.into_iter().map(Fault::from).collect())
}

/// Runs a test as one case of a property.
///
/// # Errors
///
/// The text of a failed test; proptest then looks for a smaller one.
pub fn holds(test: &Test) -> Result<(), TestCaseError> {
    match test.try_run() {
        Ok(_) => Ok(()),
        Err(failure) => Err(TestCaseError::fail(failure.to_string())),
    }
}
