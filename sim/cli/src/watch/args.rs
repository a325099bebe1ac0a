//! What `squall watch` can be asked for.

use std::path::PathBuf;

use crate::args::Chance;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// The scenario file: it is run first, and then played
    #[arg(
        value_name = "FILE",
        required_unless_present = "record",
        conflicts_with = "record"
    )]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) chance: Chance,
    /// Play a run that `squall run --record` has written
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "explore", "variant"])]
    pub(crate) record: Option<PathBuf>,
    /// Seconds of the run in a second: 0.25 to 100
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
}

const EXAMPLES: &str = "\
Keys:
  space         pause, and go on          + -    faster, slower
  left right    5 s back, 5 s on          n p    next phase, previous phase
  Home End      the start, the end        q      quit

Examples:
  squall watch scenarios/postgres-compose/kill-backend.yaml --speed 5
  squall run FILE --record run.json; squall watch --record run.json
  squall watch --record run.json | less      one frame for each phase, as text

Exit status: that of the run";

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.25..=100.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.25 to 100".to_owned()),
    }
}
