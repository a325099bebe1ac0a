//! The SQL engine: SQLite, two databases for each PostgreSQL database.
//!
//! `committed` holds what is committed, and every read outside a writing transaction runs there, to
//! its end, in one step. `working` runs the one writing transaction there is at a time. A commit
//! reads the rows that the transaction touched out of `working` and applies them to `committed`
//! ([`record`]). So a reader never waits and never sees what is not committed: READ COMMITTED.
//!
//! Why not one shared database: SQLite's `memdb` refuses readers while a writer has its lock,
//! shared-cache mode shows them uncommitted rows, and write-ahead logging wants real files.
//!
//! Deliberately absent: row locks. A transaction that has written excludes every other writer until
//! it ends, where PostgreSQL's exclude only writers of the same rows.

pub mod aggregates;
pub mod context;
pub mod database;
pub mod errors;
pub mod functions;
pub mod record;
pub mod rows;
pub mod store;
