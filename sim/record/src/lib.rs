//! The record of a run: plain data, and the only thing that passes from a run to its reports.
//!
//! | module | idea |
//! |---|---|
//! | [`summary`] | what a run came to: verdict, phases, invariants; what `--format json` prints |
//! | [`breach`] | what of a run does not hold: the identity of a failure |
//! | [`sample`] | one request of a client, and what became of it |
//! | [`happening`] | what befell the system, and what its processes said |
//! | [`change`] | how the make-up of the system changed: pods, endpoints |
//! | [`view`] | a phase together with what was seen in it |
//! | [`name`] | short texts that many samples share |
//!
//! Deliberately absent: any judgement of its own but the arithmetic of a verdict, any formatting,
//! and any type of the simulator. Times are virtual and count from the start of the run.

pub mod breach;
pub mod change;
pub mod happening;
pub mod name;
pub mod sample;
pub mod summary;
pub mod view;

use serde::{Deserialize, Serialize};

pub use breach::Breach;
pub use change::{Change, Pod, State};
pub use happening::{Happening, Kind, Line, Log};
pub use name::Name;
pub use sample::{Failure, Fate, Outcome, Sample};
pub use summary::{Expectation, Invariant, Latency, Phase, Summary, Verdict};
pub use view::PhaseView;

/// All that is known about a run once it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What it came to.
    pub summary: Summary,
    /// Every request, in the order of sending.
    pub samples: Vec<Sample>,
    /// What befell the system, in order.
    pub happenings: Vec<Happening>,
    /// How the make-up of the system changed, in order.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// What the processes wrote.
    pub log: Log,
    /// What the clocks of the system said when the run began, in seconds since 1970.
    #[serde(default)]
    pub epoch_s: u64,
}
