//! Many runs of one scenario: sweeps over seeds, fault schedules drawn from seeds, and failures
//! reduced to their smallest form.
//!
//! | module | idea |
//! |---|---|
//! | [`mod@draw`] | fault schedules from seeds, within a budget |
//! | [`facts`] | what a search needs to know about a system |
//! | [`shrink`] | the smallest scenario that still fails in the same way |
//! | [`breach`] | what of a run does not hold: the identity of a failure |
//!
//! Deliberately absent: how one run is made (`squall_scenario`), and the command line.

pub mod breach;
pub mod draw;
pub mod facts;
mod random;
pub mod shrink;

pub use breach::Breach;
pub use draw::draw;
pub use facts::Facts;
