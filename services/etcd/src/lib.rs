//! A client of an etcd group over a host's sockets: every member in turn, every call with a deadline.
//!
//! | module | idea |
//! |---|---|
//! | [`endpoint`] | where the members are, read from `http://HOST:PORT,…` |
//! | `member` | one member: one connection, and whether a request was sent on it |
//! | [`error`] | what a failed call tells: not done, refused, unknown |
//! | [`group`] | all members: which is asked, what is asked again |
//! | [`watch`] | events of a key range, over lost connections, none twice and none left out |
//! | [`lease`] | a lease, kept alive |
//!
//! Why not etcd-client's own balancing: it dials by itself, chooses at random with a generator of its own
//! and repeats nothing. Why not tonic's channel for each member: it says of a failed request whether the
//! connection failed, not whether the request was sent; a write may be repeated only if it was not.
//!
//! Deliberately absent: TLS, passwords, what is done with the keys.

pub mod endpoint;
pub mod error;
pub mod group;
pub mod lease;
mod member;
pub mod watch;

pub use etcd_client as client;

pub use endpoint::{Endpoint, Endpoints};
pub use error::Error;
pub use group::{Ask, Etcd, Limits};
pub use lease::Lease;
pub use watch::Watch;
