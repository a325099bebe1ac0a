//! The store against a naive model of etcd's, and, where there is one, against etcd itself.
//!
//! Deliberately absent: the wire, the log.
#![allow(clippy::unwrap_used, missing_docs)]

mod against_etcd;
mod behaviour;
mod checks;
mod events;
mod generate;
mod model;
mod snapshots;
