//! The services of this workspace by name, and the commands that healthchecks run beside them.
//!
//! The binary `squall-node SERVICE` and the simulator both start services from [`programs`], so a
//! service cannot be started in two ways. Deliberately absent: anything that a service does.

pub mod exec;
mod programs;

pub use exec::{exec, knows};
pub use programs::{Program, programs};
