//! Many runs of one scenario: sweeps over seeds, fault schedules drawn from seeds, and failures
//! reduced to their smallest form.
//!
//! | module | idea |
//! |---|---|
//! | [`isolated`] | work in a forked child, which may hang, abort or eat memory |
//! | [`sweep`] | scenarios by seeds: which, on how many cores and machines, and what came of them |
//! | [`mod@draw`] | fault schedules from seeds, within a budget |
//! | [`facts`] | what a search needs to know about a system |
//! | [`shrink`] | the smallest scenario that still fails in the same way |
//! | `strategies` | fault schedules and load for tests that use proptest (feature `proptest`) |
//!
//! Deliberately absent: how one run is made (`squall_scenario`), and the command line.

pub mod draw;
pub mod facts;
pub mod isolated;
mod random;
pub mod shrink;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod sweep;

pub use draw::draw;
pub use facts::Facts;
pub use squall_record::Breach;
