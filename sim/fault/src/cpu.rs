//! Cores, what a task costs, and who else is working on the same machine.

use std::time::Duration;

/// A machine's processor, as its processes see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu {
    /// Cores that there are.
    pub cores: u32,
    /// Cores' worth of time that the process may use: a CFS quota (`cpus`, `limits.cpu`).
    pub limit: Option<f64>,
    /// What one poll of a task costs on one core.
    pub poll: Duration,
}

/// Busy loops beside the process, under the same limit (`stress-ng --cpu WORKERS --cpu-load LOAD`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stressor {
    /// How many loops.
    pub workers: u32,
    /// The share of a core that each would take, from 0 to 1.
    pub load: f64,
}
