//! Scenarios as Rust tests: your own service, replicated, in one process, on a network that loses,
//! partitions and delays, on machines that die; every failure replays from its seed.
//!
//! ```
//! use axum::{Router, routing::get};
//! use squall::fault::{kill, partition, of};
//! use squall::{Host, Invariant, Shutdown, Test, secs};
//!
//! // The service: it takes its sockets from the host that it is given, and knows nothing else.
//! async fn hello(host: Host, shutdown: Shutdown) -> std::io::Result<()> {
//!     let listener = host.net.listen(([0, 0, 0, 0], 80).into())?;
//!     let app = Router::new().route("/", get(async || "hello"));
//!     let stopped = async move { shutdown.requested().await };
//!     axum::serve(listener, app).with_graceful_shutdown(stopped).await
//! }
//!
//! // The test, as the body of a `#[test]`: one of three replicas dies, then all are cut off.
//! let mut test = Test::new("hello under faults");
//! test.service("api", hello).replicas(3);
//! test.client("load", "http://api/").rate(20).timeout(secs(2));
//! test.phase("well", secs(5)).success("100%");
//! test.phase("cut off", secs(5)).success("< 50%");
//! test.phase("well again", secs(10));
//! test.fault(kill("api-2").at(secs(1)).lasting(secs(2)));
//! test.fault(partition(of("api")).at(secs(5)).lasting(secs(4)));
//! test.invariant(Invariant::Recovers { within: secs(5) });
//! test.seeds(0..5).run();
//! ```
//!
//! A failing test prints what failed, the report of the run, the faults as code, and the command
//! that plays the same again: `SQUALL_SEED=3 cargo test …`. `SQUALL_SEEDS=0..1000` tries more seeds
//! without a change in the source.
//!
//! | to say | with |
//! |---|---|
//! | which system | [`Test::service`], [`Test::image`]; or [`Test::from_file`] and [`Test::program`] |
//! | who uses it | [`Test::client`] for HTTP load, [`Test::workload`] for code of your own |
//! | what breaks | [`Test::fault`] with what is in [`fault`] |
//! | what must hold | [`Test::phase`], [`Test::invariant`], [`Test::check`] |
//! | which seeds, and go | [`Test::seeds`], [`Test::run`] |
//! | whatever breaks | `strategies`, for proptest (feature `proptest`) |
//!
//! # Before the first test
//!
//! A run follows from its seed only if tokio's `select!` does, and tokio has that behind a flag. Put
//! this into `.cargo/config.toml` beside your `Cargo.toml`:
//!
//! ```toml
//! [build]
//! rustflags = ["--cfg", "tokio_unstable"]
//! rustdocflags = ["--cfg", "tokio_unstable"]
//! ```
//!
//! The service takes its sockets from a [`Host`] in place of `tokio::net`; the book's page "Tests in
//! Rust" shows the smallest change that does it. Linux only.
//!
//! | module | idea |
//! |---|---|
//! | `test` | what a test says; it is checked as a whole before anything starts |
//! | `service`, `client`, `phase` | the parts of it that have details of their own |
//! | [`fault`] | what breaks, when, for how long |
//! | `workload` | clients in Rust, and what they saw |
//! | `run` | seed after seed |
//! | `seeds` | which seeds: the test's, or the environment's |
//! | [`failure`] | what is printed, and how to play it again |
//!
//! Deliberately absent: a way of its own to run anything. A test becomes a `squall_scenario::Plan`,
//! as a file does, and is played by the same code.

mod client;
pub mod failure;
pub mod fault;
mod phase;
mod run;
mod seeds;
mod service;
#[cfg(feature = "proptest")]
pub mod strategies;
mod test;
mod workload;

use std::time::Duration;

pub use client::Client;
pub use failure::Failure;
pub use fault::Fault;
pub use http::Method;
pub use phase::Phase;
pub use run::Run;
pub use service::Service;
pub use squall_check::Invariant;
pub use squall_host::{Diagnostic, Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
pub use squall_record::{self as record, RunRecord};
pub use test::Test;
pub use workload::Workload;

/// So many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
