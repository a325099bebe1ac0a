//! Plays PostgreSQL 15 on the wire, over an embedded SQL engine.
//!
//! For whom it is: services and their clients that must not notice the difference, down to
//! SQLSTATEs, transaction states and what a stop or a kill looks like. What it is not: a database.
//! One transaction writes at a time, and what it cannot do is refused by name (0A000), never skipped.
//!
//! | module | idea |
//! |---|---|
//! | [`config`], [`hba`], [`settings`], [`shell`] | what the official image takes: arguments, environment, files |
//! | [`server`], [`registry`] | databases, roles, the accept loop; sessions and signals to them |
//! | [`session`] | one client: start-up, the two query protocols, transactions |
//! | [`wire`], [`frame`] | messages, bounded and checked before `pgwire` decodes them |
//! | [`sql`] | PostgreSQL's language to SQLite's, with types |
//! | [`engine`] | two SQLite databases for each database, and commits from one to the other |
//! | [`value`] | text and binary formats, conversions |
//! | [`wal`] | durability: the write-ahead log, checkpoints, recovery |
//! | [`replication`] | standbys: streaming, synchronous commit, promotion |
//! | [`scram`] | SCRAM-SHA-256, both sides |
//!
//! Every commit passes [`engine::record`] and then [`wal`]; [`engine::context::Recovery`] alone says
//! whether this server may write.

pub mod config;
pub mod engine;
pub mod error;
pub mod frame;
pub mod hba;
pub mod registry;
pub mod replication;
pub mod scram;
pub mod server;
pub mod session;
pub mod settings;
pub mod shell;
pub mod sql;
pub mod value;
pub mod wal;
pub mod wire;

pub use config::Config;
pub use error::Error;
pub use server::run;
use squall_host::{Diagnostics, Launch, Loaded};

/// Reads arguments, environment and files. Everything that is wrong with them is in the error.
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let (config, facts) = config::load(launch)?;
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}
