//! Compose (and later Kubernetes) over a [`Machine`].

pub mod machine;

pub use machine::Machine;
