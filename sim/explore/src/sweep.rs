//! Scenarios by seeds: each run in a child of its own, on as many cores as are given.
//!
//! | module | idea |
//! |---|---|
//! | `grid` | which runs there are, in which order, and which are this machine's |
//! | `outcome` | what came of one run: a line of JSON |
//! | `tally` | what came of many, on one machine or on several |
//!
//! Outcomes come in the order of the [`Grid`], whoever is ready first: the result of a sweep follows
//! from its scenarios and seeds, not from the number of its jobs. An outcome waits for those before
//! it, so a run that hangs holds back what is shown, not what is done.
//!
//! Deliberately absent: how a run is made (the closure that is passed in knows), files, terminals.

mod grid;
mod outcome;
mod tally;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::isolated::{Ended, Error, Limits, Pool, Waited};

pub use grid::{BadGrid, Grid, Item, Seeds, Shard};
pub use outcome::{Finding, Kind, Outcome, Played, Verdict, label};
pub use tally::{Counts, Ending, Failure, Run, Summary, Tally};

/// How often a sweep tells that it is still there.
const TICK: Duration = Duration::from_millis(500);

/// How a sweep is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Runs at the same time.
    pub jobs: NonZeroUsize,
    /// What each run may use.
    pub limits: Limits,
    /// Real time after which no run is started any more; those that are at work end.
    pub time: Option<Duration>,
    /// Whether the first failure, in the order of the grid, is the end.
    pub until_failure: bool,
}

/// What a sweep tells while it goes on.
#[derive(Debug)]
pub enum Update<'a> {
    /// The outcome of a run.
    Outcome(&'a Item, &'a Ended<Played>, Duration),
    /// Some time has passed.
    Tick,
}

/// Plays the runs `range` of a grid. `play` makes one run, in a child; `tell` is given what comes
/// of each, in order, and may end the sweep. It is over, too, when there is something to read
/// from `interrupt`. No child is left.
///
/// # Errors
///
/// [`Error`] if there can be no children.
pub fn run(
    grid: &Grid,
    range: Range<u128>,
    settings: &Settings,
    interrupt: Option<BorrowedFd<'_>>,
    play: impl Fn(&Item) -> Played,
    mut tell: impl FnMut(Update<'_>) -> ControlFlow<()>,
) -> Result<Ending, Error> {
    let began = Instant::now();
    let is_late = || settings.time.is_some_and(|time| began.elapsed() >= time);
    let mut pool = Pool::new(settings.limits);
    let mut ready = BTreeMap::new();
    let (mut next, mut told, mut end) = (range.start, range.start, range.end);
    let mut ending = Ending::Complete;
    loop {
        while next < end && pool.len() < settings.jobs.get() {
            if is_late() {
                (end, ending) = (next, Ending::Time);
                break;
            }
            let item = grid.item(next);
            pool.start((next, Instant::now()), || play(&item))?;
            next += 1;
        }
        match pool.wait(Some(Instant::now() + TICK), interrupt)? {
            Waited::Ended((number, since), ended) => {
                if settings.until_failure && outcome::is_failure(&ended) {
                    // Those before it may fail as well, and are then the first.
                    end = end.min(number + 1);
                    ending = Ending::Failure;
                    pool.retain(|(number, _)| *number < end);
                }
                ready.insert(number, (ended, since.elapsed()));
            }
            Waited::Time => {
                if tell(Update::Tick).is_break() {
                    return Ok(Ending::Interrupted);
                }
            }
            Waited::Interrupt => {
                ending = Ending::Interrupted;
                pool.retain(|_| false);
            }
            Waited::Nobody => return Ok(ending),
        }
        // After an interrupt nobody comes to fill the gaps.
        let is_over = matches!(ending, Ending::Interrupted);
        while let Some(entry) = ready.first_entry()
            && (*entry.key() == told || is_over)
        {
            let (number, (ended, wall)) = entry.remove_entry();
            told = number + 1;
            if number < end && tell(Update::Outcome(&grid.item(number), &ended, wall)).is_break() {
                return Ok(Ending::Interrupted);
            }
        }
        if is_over {
            return Ok(ending);
        }
    }
}
