//! The arm for production: tokio's network, the real disk, the real standard output.
//!
//! The one place in `services/` that may name `tokio::net` and `tokio::fs`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod disk;
mod log;
mod net;

use std::io::Write;

pub(crate) use net::{set_keepalive, set_user_timeout};

use crate::Host;
use crate::disk::Disk;
use crate::net::Net;
use crate::output::{Output, OutputDriver};

/// The machine that this process really runs on.
pub(crate) fn host() -> Host {
    let name = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned());
    Host::new(
        &name,
        Net::new(net::RealNet),
        Disk::new(disk::RealDisk::default()),
        Output::new(RealOutput),
    )
}

struct RealOutput;

impl OutputDriver for RealOutput {
    fn line(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        // A closed pipe must not take the service down.
        let _ = writeln!(out, "{line}");
    }
}
