//! Docker Compose as a control plane over any kind of machine.
//!
//! Files become a typed project, the project a plan, the plan running containers:
//!
//! | module | idea |
//! |---|---|
//! | [`compose`] | `docker-compose.yml` as types: every key read, listed as without effect, or refused |
//! | [`plan`] | programs, files, addresses, names, start order, and every mistake that shows before a start |
//! | [`supervise`] | start order, healthchecks, restarts, and what a scenario does to containers |
//! | [`dns`] | the name server that containers ask, as real UDP messages |
//! | [`machine`] | what a control plane needs of the machines under it; a world implements it |
//! | [`yaml`] | YAML as a tree with lines, for every format whose reader reports all mistakes |
//!
//! Enter at [`compose::read`], [`plan::plan`], [`supervise::Compose`]. Deliberately absent: any
//! service, any network, and the engine; the caller brings programs and a [`Machine`].

pub mod compose;
pub mod dns;
mod dockerfile;
mod files;
mod images;
pub mod kubernetes;
pub mod machine;
pub mod plan;
pub mod supervise;
pub mod yaml;

pub use machine::Machine;
