//! A deterministic world of machines: the only crate that knows how simulated time passes.
//!
//! [`run`] takes a story, an async function that adds hosts, starts processes on them and does
//! things to them through a [`Control`]. Everything happens on one fresh thread, in an order that
//! the seed alone decides.
//!
//! | module | idea |
//! |---|---|
//! | `engine` | the event loop |
//! | `boundary` | virtual time and entropy at the libc boundary |
//! | `host` | one machine: kernel, disk, process; how a runtime is driven |
//! | `cpu`, `clock` | what a poll costs; what the machine takes for the time |
//! | `control` | what a story does to the world |
//! | `kernel` | a host's TCP, UDP and neighbour table |
//! | `network` | the wires: delay, loss, disorder, bottlenecks, partitions |
//! | `driver`, `disk` | the simulated arm of `squall-host` |
//! | `trace`, `log` | what happened, and what processes said |
//! | `broken`, `run` | how a testbed breaks, and the watchdog over a run |
//!
//! Deliberately absent: any knowledge of services, manifests, scenarios or reports.

#[cfg(not(tokio_unstable))]
compile_error!(
    "build with `--cfg tokio_unstable`, so that tokio's `select!` follows the seed.
Put these lines into `.cargo/config.toml` beside your `Cargo.toml`:

[build]
rustflags = [\"--cfg\", \"tokio_unstable\"]
rustdocflags = [\"--cfg\", \"tokio_unstable\"]
"
);
#[cfg(not(target_os = "linux"))]
compile_error!("the engine stands on Linux's epoll and eventfd");

mod boundary;
mod broken;
mod clock;
mod control;
mod cpu;
mod current;
mod disk;
mod driver;
mod engine;
mod host;
mod kernel;
mod log;
mod network;
mod random;
mod run;
mod time;
mod trace;

pub use broken::Broken;
pub use control::{Control, Exit, HostId, HostSpec, JoinSpec, Mount};
pub use log::{Line, Reader, Stream};
pub use random::Random;
pub use run::{Config, Outcome, run};
pub use squall_fault::Link;
