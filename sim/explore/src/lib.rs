//! Many runs of one scenario: sweeps over seeds, fault schedules drawn from seeds, and failures
//! reduced to their smallest form.
//!
//! | module | idea |
//! |---|---|
//! | [`isolated`] | work in a forked child, which may hang, abort or eat memory |
//! | [`sweep`] | scenarios by seeds: which, on how many cores and machines, and what came of them |
//! | `strategies` | fault schedules and load for tests that use proptest (feature `proptest`) |
//!
//! Deliberately absent: how one run is made (`squall_scenario`), and the command line.

pub mod isolated;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod sweep;
