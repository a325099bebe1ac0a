//! `squall watch`: a run as a dashboard, played at any speed, forwards and backwards.
//!
//! | module | idea |
//! |---|---|
//! | [`args`] | what can be asked for |
//! | [`player`] | the instant that is shown, and the keys that move it |
//! | [`screen`] | the terminal: taken, drawn on, and given back on every way out |
//! | [`draw`] | a frame on a buffer |
//! | [`plain`] | the same as text, where there is no terminal |
//!
//! What is to be seen is `squall_report::watch`; nothing here knows a run from its record.

pub(crate) mod args;
mod draw;
mod plain;
mod player;
mod screen;

use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use squall_record::{PhaseView, RunRecord};
use squall_report::watch::Watch;
use squall_scenario::{Progress, RunError, RunOptions, simulated};

use crate::args::Chance;
use crate::exit::{Exit, complain, complain_all, say, written};
use crate::watch::args::WatchArgs;
use crate::watch::player::Player;
use crate::{explore, programs, record};

/// Does what `squall watch` is asked for; ends with the verdict of the run.
pub(crate) fn watch(args: &WatchArgs) -> Exit {
    let record = match (&args.record, &args.file) {
        (Some(file), _) => record::read(file),
        (None, Some(file)) => play(file, &args.chance),
        // The command line asks for one of them.
        (None, None) => Err(Exit::BadInput),
    };
    let record = match record {
        Ok(record) => record,
        Err(exit) => return exit,
    };
    let watch = Watch::new(&record);
    if !stdout().is_terminal() {
        written(plain::print(&mut stdout().lock(), &watch));
    } else if let Err(error) = screen::show(&watch, Player::new(&watch, args.speed)) {
        complain(&error);
        return Exit::BadInput;
    }
    record.summary.verdict.into()
}

/// Plays a scenario, to be watched afterwards.
fn play(file: &std::path::Path, chance: &Chance) -> Result<RunRecord, Exit> {
    let (plan, seed) = explore::open(file, chance).map_err(|diagnostics| {
        complain_all(&diagnostics);
        Exit::BadInput
    })?;
    let bar = Arc::new(Bar::new(plan.scenario.phases.len()));
    let options = RunOptions { seed, trace: None };
    let record = simulated::run(&plan, programs::exec, &options, bar.clone());
    bar.0.finish_and_clear();
    record.map_err(|error| {
        complain(&error);
        if let RunError::Broken { .. } = error {
            let replay = explore::command("run", file, &chance.at(seed));
            say(format_args!("  replay: {replay}"));
        }
        Exit::BrokenTestbed
    })
}

/// How far the run is, on a terminal; drawn when a phase is over.
struct Bar(ProgressBar);

impl Bar {
    fn new(phases: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(phases as u64), ProgressDrawTarget::stderr());
        // A template of ours that is wrong would show as the default.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} phases, {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("the system starts");
        bar.tick();
        Self(bar)
    }
}

impl Progress for Bar {
    fn system_is_up(&self, at: Duration) {
        self.0
            .set_message(format!("up after {:.1} s", at.as_secs_f64()));
    }

    fn phase_ended(&self, view: PhaseView<'_>) {
        self.0
            .set_message(format!("\"{}\" is over", view.phase.name));
        self.0.inc(1);
    }
}
