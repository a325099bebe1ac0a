//! What can go wrong with a machine and with the links between machines, as plain data.
//!
//! The words that scenarios, fault documents, exploration and the engine share. A value here is a
//! *state* ("this link loses a quarter of its packets"), never an event: who sets it, when, and for
//! how long is a scenario's business, what it does to packets and processes is the engine's.
//!
//! | module | idea |
//! |---|---|
//! | [`link`] | a direction of a link: latency, loss, bandwidth, disorder |
//! | [`cpu`] | cores, what a task costs, and who else is working |
//! | [`disk`] | how fast a disk is, and what fails on it |
//! | [`clock`] | how a machine's clock is wrong |
//! | [`http`] | requests and responses that are held up, altered or broken |
//! | [`dns`] | names that do not resolve, or resolve to nonsense |
//! | [`pattern`] | what the patterns in rules mean |
//! | [`wrong`] | one thing that is wrong, and how several at once compose |
//!
//! Deliberately absent: selectors, timing, parsing, and any behaviour but that of patterns.

pub mod clock;
pub mod cpu;
pub mod disk;
pub mod dns;
pub mod http;
pub mod link;
pub mod pattern;
pub mod wrong;

pub use link::Link;
pub use wrong::{Delay, Kind, LinkFault, MachineFault};
