//! Many runs of one scenario: sweeps over seeds, fault schedules drawn from seeds, and failures
//! reduced to their smallest form.
//!
//! | module | idea |
//! |---|---|
//! | `strategies` | fault schedules and load for tests that use proptest (feature `proptest`) |
//!
//! Deliberately absent: how one run is made (`squall_scenario`), and the command line.

#[cfg(feature = "proptest")]
pub mod strategies;
