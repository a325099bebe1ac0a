//! What can be asked of `squall table`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use squall_explore::sweep::Seeds;

const EXAMPLES: &str = "\
Columns: the scenario and its variant, then what invariants count (their figures), `requests` and
how many of them were `acknowledged`, `refused` and `unknown`, then
`verdict`, `fails` and `longest_ms`. `--columns` names and orders the counts; it can place the last
three, too. Over several seeds a cell has all values: min..max.

Examples:
  squall table scenarios/splitdim
  squall table FILE --columns acknowledged,refused,unknown,sum --format markdown
  squall table FILE --seeds 0..20 --client transfers
  squall table --update README.md            each table of it, made again by its own command:
      <!-- table: squall table scenarios/splitdim --columns acknowledged,sum -->
      <!-- /table -->
  squall table --update README.md --check    only compare

Exit status:
  0 every run ended as its file says (`verdict`, `fails`), and with --check nothing differs
  1 otherwise   254 bad arguments or input; nothing was started   255 no process can be started";

/// Play scenarios and their variants, and compare them in a table
///
/// One row for each variant, or for the scenario if it has none. Each is played with its own seed, or 1,
/// unless `--seeds` says otherwise; each run in a process of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TableArgs {
    /// Scenario files, or folders of them
    #[arg(value_name = "FILE|DIR", required_unless_present = "update")]
    pub(crate) paths: Vec<PathBuf>,
    /// Which counts, in this order [default: all]
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Whose requests are counted [default: `transfers` where there is one,
    /// else all clients]
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    /// Which seeds: A..B (without B), A..=B, or one [default: each scenario's own]
    #[arg(long, visible_alias = "seed", value_name = "A..B")]
    pub(crate) seeds: Option<Seeds>,
    /// With a row for the file as it stands where it has variants
    #[arg(long)]
    pub(crate) base: bool,
    /// What is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Runs at the same time [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Make each table between `<!-- table: squall table … -->` and `<!-- /table -->` of this file anew
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "columns", "client", "seeds", "base", "format"])]
    pub(crate) update: Option<PathBuf>,
    /// Write nothing; exit with 1 if a table of the file is not what its command makes
    #[arg(long, requires = "update")]
    pub(crate) check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For a README
    Markdown,
    /// For spreadsheets
    Csv,
    /// For programs: each run by itself
    Json,
}
