//! Holds the simulated network against the real kernel.
//!
//! The same clients and the same server run in two worlds: between two Linux network namespaces, and
//! on two simulated hosts. Packets are lost in both, latencies are measured in both, and the two
//! distributions are printed side by side with their distance.
//!
//! | module | idea |
//! |---|---|
//! | `plan` | what is measured, under which losses |
//! | `measure` | the server and the clients, on whatever host they are given |
//! | `simulated` | the plan in the engine |
//! | `kernel` | the plan between namespaces; who cleans them up |
//! | `distance` | quantiles, and how far two distributions are apart |
//! | `table` | what is printed |
//!
//! Deliberately absent: any opinion on how close is close enough.

pub mod distance;
pub mod kernel;
pub mod measure;
pub mod plan;
pub mod simulated;
pub mod table;
