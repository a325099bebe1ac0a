//! A client of an etcd group over a host's sockets: every member in turn, every call with a deadline.
//!
//! | module | idea |
//! |---|---|
//!
//! Deliberately absent: TLS, passwords, what is done with the keys.

pub use etcd_client as client;
