//! Durability: every commit is a record of a write-ahead log, on the disk before it is answered.
//!
//! | module | idea |
//! |---|---|
//! | [`lsn`] | places in the log |
//! | [`codec`], [`record`] | one record as bytes, and how a torn one is told from damage |
//! | [`segment`], [`log`] | the log in memory and in files; group commit |
//! | [`control`] | what a data folder is, in one small file |
//! | [`snapshot`], [`checkpoint`] | all databases at one place in the log, so that older log can go |
//! | [`recovery`] | a start: what the disk has, replayed |
//!
//! Deliberately absent: PostgreSQL's own formats. A data folder of the real server is refused.

pub mod checkpoint;
pub mod codec;
pub mod control;
pub mod log;
pub mod lsn;
pub mod record;
pub mod recovery;
pub mod segment;
pub mod snapshot;
