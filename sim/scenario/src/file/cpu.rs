//! The key `cpu`: what every container's processor is like when nothing is wrong with it.
//!
//! Deliberately absent: limits, which are in the manifests, and stress, which is a step.

use std::time::Duration;

use super::duration_or;
use crate::yaml::{Expect, Fields, Node, Problems};

/// The processor under each container; clients have none, and cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// What a poll of a task costs on one core; zero for nothing at all.
    pub poll: Duration,
    /// Cores that there are.
    pub cores: u32,
}

impl Default for Cpu {
    /// Measured on our services; docs/src/cpu.md says how.
    fn default() -> Self {
        Self {
            poll: Duration::from_micros(10),
            cores: 2,
        }
    }
}

/// More than the largest machine has.
const CORES_MAX: u32 = 1_024;

pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> Cpu {
    let mut cpu = Cpu::default();
    if let Some(mut fields) = node.and_then(|node| node.fields("cpu", problems)) {
        cpu.poll = duration_or(&mut fields, "poll", cpu.poll, problems);
        if let Some(cores) = read_cores(&mut fields, problems) {
            cpu.cores = cores;
        }
        fields.finish(problems);
    }
    cpu
}

fn read_cores(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<u32> {
    let node = fields.take("cores")?;
    let text = node.expect_text("cores", problems)?;
    match text.parse() {
        Ok(cores) if (1..=CORES_MAX).contains(&cores) => Some(cores),
        _ => {
            let message = format!("`cores` is a whole number from 1 to {CORES_MAX}, not `{text}`");
            problems.add(node.line, message, "write `cpu: {cores: 2}`");
            None
        }
    }
}
