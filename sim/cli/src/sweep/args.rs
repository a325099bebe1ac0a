//! What can be asked of `squall sweep` and `squall merge`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use squall_explore::sweep::{Seeds, Shard};
use squall_scenario::units;

use crate::args::Format;

const EXAMPLES: &str = "\
Examples:
  squall sweep scenarios/postgres-compose/kill-follower.yaml --seeds 0..200
  squall sweep scenarios --seeds 0..1000 --time 10m --output sweep.jsonl
  squall sweep scenarios --explore --shrink                  faults from the seed; what fails, small
  squall sweep scenarios --until-failure                     the first seed that fails
  squall sweep scenarios --seeds 0..9000 --shard 2/9         the third of nine machines
  squall sweep scenarios --seeds 0..9000 --shard auto/9      index from JOB_COMPLETION_INDEX
  squall merge shard-*.jsonl

Exit status, the first that applies:
  254 bad arguments or input; nothing was started
  1   a run failed
  255 the testbed broke in a run: broken, hung, aborted or out of memory
  2   a run showed nothing, there was no run, or the sweep was interrupted
  0   every run that was made passed";

/// Play scenarios with many seeds, each in a process of its own
///
/// Every run starts from the same fresh state, so that seed N has the trace of `squall run --seed N`.
/// A run that hangs, aborts or eats memory is a result like any other. Results come in the order of
/// the seeds, and for each seed in that of the scenarios, whatever the number of jobs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SweepArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Which seeds: A..B (without B), A..=B, or one
    #[arg(
        long,
        value_name = "A..B",
        default_value = "0..100",
        allow_hyphen_values = true
    )]
    pub(crate) seeds: Seeds,
    /// Play this variant of each scenario; in folders, those that have none of this name are left out
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Let each seed draw faults, within the budgets that scenarios have under `explore`
    #[arg(long)]
    pub(crate) explore: bool,
    /// Afterwards, shrink the first run that showed each failure, and write it beside its file
    #[arg(long)]
    pub(crate) shrink: bool,
    /// Runs at the same time [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Play only part I (from 0) of N; `auto/N` takes I from JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I/N", default_value = "0/1", value_parser = shard)]
    pub(crate) shard: Shard,
    /// Start no run after this real time, such as 90s or 10m
    #[arg(long, value_name = "LIMIT", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Stop at the first run that fails or breaks the testbed
    #[arg(long)]
    pub(crate) until_failure: bool,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Write the results to this file as JSON lines, for `squall merge`
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Real time after which one run is held to hang
    #[arg(long, value_name = "LIMIT", default_value = "120s", value_parser = duration)]
    pub(crate) run_time: Duration,
    /// Memory that one run may have, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(crate) run_memory: u64,
}

/// Put the outputs of several sweeps together
///
/// Reads what `squall sweep --output FILE` or `--format json` wrote, and gives one summary with the
/// same exit status as one sweep. The same run in two files counts once; with two traces it is a
/// broken testbed. Lines that do not begin with `{` are passed over, as in the logs of containers. A shard that is missing, or that did not end, leaves the result unknown.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Files of JSON lines; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

fn duration(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Ok(duration) if duration.is_zero() => Err("it must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(bad) => Err(format!("{}; {}", bad.message, bad.help)),
    }
}

fn shard(text: &str) -> Result<Shard, squall_explore::sweep::BadGrid> {
    let index = std::env::var("JOB_COMPLETION_INDEX").ok();
    Shard::read(text, index.as_deref())
}
