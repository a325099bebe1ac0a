//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use squall_scenario::units;

use crate::history::HistoryArgs;
use crate::load::args::LoadArgs;
use crate::sweep::args::{MergeArgs, SweepArgs};
use crate::table::args::TableArgs;
use crate::watch::args::WatchArgs;

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
  squall run FILE --variant kvstore                  one of the variants that FILE has
  squall run FILE --explore --seed 7                 with faults that the seed draws
  squall shrink FILE --explore --seed 7              the smallest that fails in the same way
  squall run FILE --twice                            is the run the same in a second process?
  squall watch FILE                                  a dashboard of the run
  squall load http://127.0.0.1:8081/users            requests to a real stack, one by one
  squall history run.json --format edn               invocations and completions, for checkers
  squall sweep scenarios --seeds 0..200              many seeds, on all cores
  squall table scenarios/splitdim                    all its scenarios and variants, compared
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
    /// Play scenarios and their variants, and compare them in a table
    Table(TableArgs),
    /// Show a run as a dashboard, played at any speed
    Watch(WatchArgs),
    /// Send requests one after the other, and say who answered each, and from which database
    Load(LoadArgs),
    /// Print a run as a history of invocations and completions, for checkers such as Jepsen's
    History(HistoryArgs),
    /// Put the outputs of several sweeps together
    Merge(MergeArgs),
    /// Write the scenario that an exploring run of a seed plays
    Draw(DrawArgs),
    /// Reduce a failing scenario to a small one that fails in the same way
    Shrink(ShrinkArgs),
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
    #[command(flatten)]
    pub(crate) chance: Chance,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Play the seed again in a second process, and show the first event that differs
    #[arg(long)]
    pub(crate) twice: bool,
    /// Write every event to this file, one line for each
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write all that is known of the run to this file, for `squall watch`, `squall load` and
    /// `squall history`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Afterwards, write what the services said to standard error
    #[arg(long)]
    pub(crate) logs: bool,
}

/// What decides a run beside its files.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Chance {
    /// Play this variant of the scenario, one that the file has under `variants`
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Decides everything that the scenario leaves open; the same seed gives the same run [default:
    /// the scenario's `seed`, or 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Draw faults from the seed, within the budgets that the scenario has under `explore`
    #[arg(long)]
    pub(crate) explore: bool,
}

impl Chance {
    /// The same with this seed.
    pub(crate) fn at(&self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self.clone()
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct DrawArgs {
    /// The scenario file, with a phase that has an `explore`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Draw for this variant of the scenario
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// The seed that draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShrinkArgs {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) chance: Chance,
    /// Where the result is written [default: beside FILE, as NAME-shrunk.yaml]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Try at most so many smaller scenarios
    #[arg(long, value_name = "RUNS", default_value_t = SHRINK_RUNS)]
    pub(crate) budget: u64,
    /// Stop after this time and take the smallest so far
    #[arg(long, value_name = "LIMIT", default_value = "10m", value_parser = duration)]
    pub(crate) time: Duration,
}

/// The defaults of `squall shrink`.
const SHRINK_RUNS: u64 = 500;
const SHRINK_TIME: Duration = Duration::from_secs(600);

impl ShrinkArgs {
    /// As if asked for with nothing but these.
    pub(crate) fn new(file: PathBuf, chance: Chance, output: Option<PathBuf>) -> Self {
        Self {
            file,
            chance,
            output,
            budget: SHRINK_RUNS,
            time: SHRINK_TIME,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|bad| format!("{}; {}", bad.message, bad.help))
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
    /// Scenario files, Compose files, Kubernetes' manifests and folders of them, nginx's *.conf,
    /// HAProxy's *.cfg
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
