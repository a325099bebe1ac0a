//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::sweep::args::{MergeArgs, SweepArgs};

/// Plays failures of replicated services: the real code of every replica in one process, on a
/// deterministic network, from the manifests that you deploy.
#[derive(Debug, Parser)]
#[command(name = "squall", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  squall list                                        the scenarios below ./scenarios
  squall run scenarios/postgres-compose/steady.yaml
  squall run FILE --seed 7 --format json             for programs
  squall run FILE --twice                            is the run the same in a second process?
  squall sweep scenarios --seeds 0..200              many seeds, on all cores
  squall check docker-compose.yml nginx.conf         what is wrong, what has no effect here

Exit status:
  0 passed   1 failed   2 unknown (nothing was shown)
  254 bad arguments or input; nothing was started   255 the testbed is broken";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play a scenario and judge it
    Run(RunArgs),
    /// Play scenarios with many seeds, each in a process of its own
    Sweep(SweepArgs),
    /// Put the outputs of several sweeps together
    Merge(MergeArgs),
    /// List the scenarios in a folder and below
    List(ListArgs),
    /// Check files without running anything
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The scenario file: YAML whose first key is `scenario`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Decides everything that the scenario leaves open; the same seed gives the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Play the seed again in a second process, and show the first event that differs
    #[arg(long)]
    pub(crate) twice: bool,
    /// Write every event to this file, one line for each
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Afterwards, write what the services said to standard error
    #[arg(long)]
    pub(crate) logs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: each phase as it ends, and a summary
    Text,
    /// For programs: one object at the end
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Where to look
    #[arg(value_name = "DIR", default_value = "scenarios")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Scenario files, Compose files, nginx's *.conf, HAProxy's *.cfg
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
