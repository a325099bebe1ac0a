//! From PostgreSQL's language to SQLite's.
//!
//! `parse` makes syntax trees (crate `sqlparser`), `translate` gives every expression its type as
//! PostgreSQL would and writes SQLite's SQL from it, `plan` is what comes out. The writer knows each
//! construct that it writes; any other is 0A000 and named.

pub mod parse;
pub mod plan;
pub mod translate;
pub mod types;
