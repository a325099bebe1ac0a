//! Streaming replication over the wire (manual, chapters 27 and 55.4): a primary's log, replayed
//! elsewhere.
//!
//! | module | idea |
//! |---|---|
//! | [`conninfo`], [`client`] | where the primary is, and libpq's side of the protocol |
//! | [`base`] | a copy to begin from |
//! | [`entry`] | what a replica's image does before its server |
//! | [`receiver`] | the log as it comes from the primary |
//! | [`standby`] | replaying it, and promotion |
//! | [`history`] | where timelines part |
//! | [`command`], [`sender`] | the primary's side: commands, and what is known of each standby |
//! | [`synchronous`] | for which standbys a commit waits |
//!
//! Deliberately absent: logical replication, archives (`archive_command`, `restore_command`), and the
//! content of PostgreSQL's own log: a real server cannot follow this one.

pub mod base;
pub mod client;
pub mod command;
pub mod conninfo;
pub mod entry;
pub mod history;
pub mod receiver;
pub mod sender;
pub mod standby;
pub mod synchronous;
