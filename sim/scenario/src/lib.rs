//! The scenario file, the plan that is made of it, and the director who plays it.
//!
//! | module | idea |
//! |---|---|
//! | [`mod@file`] | the scenario file as a typed value; every mistake with its line |
//! | [`plan`] | a scenario and its system, checked against each other; nothing is started |
//! | [`timeline`] | when everything happens: phases, steps, the paces of clients |
//! | [`director`] | plays it: system up, steps on time, phases judged; enter at [`Director::direct`] |
//! | [`world`] | what the director needs: machines, links, a control plane |
//! | [`client`] | HTTP load as a program on a machine of its own |
//! | [`recorder`] | what became of each request |
//! | `proxy_log` | which database a request had, by the proxy's log |
//! | [`judge`] | the figures of a phase, and its expectations |
//! | `declared` | whether a run ended as its file says |
//! | [`journal`] | what befell the system, and what its processes said |
//! | [`run`] | how a run is asked for |
//! | [`simulated`] | the world of the engine, and a run in it |
//! | `members` | what a fault's selector can select |
//! | [`units`] | durations, percentages, rates, comparisons |
//!
//! Deliberately absent: reports, the command line, and, but for [`simulated`], the engine. A
//! scenario names faults in the words of those who deploy, not in those of a simulator.

pub mod client;
mod declared;
pub mod director;
pub mod file;
pub mod journal;
pub mod judge;
mod members;
pub mod plan;
mod proxy_log;
pub mod recorder;
pub mod run;
pub mod simulated;
pub mod timeline;
pub mod units;
pub mod world;

use squall_chaos::yaml;

pub use director::{Director, Progress};
pub use file::Scenario;
pub use plan::{Cluster, Manifest, Outline, Plan, Programs, Workload};
pub use run::{RunError, RunOptions};
