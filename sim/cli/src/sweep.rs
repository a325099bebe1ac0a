//! `squall sweep`: scenarios by seeds, each run in a process of its own, and what came of them.
//!
//! | module | idea |
//! |---|---|
//! | [`args`] | what can be asked for |
//! | `progress` | how far it is |
//! | `print` | results for programs and for people |
//! | `interrupt` | Ctrl-C |
//! | `merge` | `squall merge`: the outputs of several machines |
//!
//! Deliberately absent: how processes are made and watched (`squall_explore::isolated`).

pub(crate) mod args;
pub(crate) mod interrupt;
mod merge;
mod print;
pub(crate) mod progress;

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall_explore::isolated::Limits;
use squall_explore::sweep::{
    self, Grid, Outcome, Played, Settings, Summary, Tally, Update, Verdict,
};
use squall_scenario::{Plan, RunOptions, file, simulated};

use crate::args::{Format, ShrinkArgs};
use crate::exit::{Exit, complain, complain_all, say, written};
use crate::{explore, programs, scenarios, shrink};
use args::SweepArgs;
use interrupt::Interrupt;
use progress::Progress;

pub(crate) use merge::merge;

/// The most runs that did not pass that are told as they come; all are in the summary.
const TOLD_MAX: u64 = 20;

/// Does what `squall sweep` is asked for.
pub(crate) fn sweep(args: &SweepArgs) -> Exit {
    let scenarios = match open(args) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let output = match args.output.as_ref().map(File::create).transpose() {
        Ok(output) => output,
        Err(error) => {
            let path = args.output.clone().unwrap_or_default();
            say(format_args!(
                "error: {}: cannot write the results: {error}",
                path.display()
            ));
            return Exit::BadInput;
        }
    };
    match play_all(args, &scenarios, output) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&*error);
            Exit::BrokenTestbed
        }
    }
}

/// A scenario that can be played, and its file as it was named.
struct Scenario {
    file: String,
    plan: Plan,
}

impl Scenario {
    /// Plays it with a seed, in a process that is used for nothing else.
    fn play(&self, seed: u64, explore: bool) -> Played {
        let options = RunOptions { seed, trace: None };
        let drawn = explore.then(|| explore::drawn(&self.plan, Path::new(&self.file), seed));
        let plan = match &drawn {
            None => &self.plan,
            Some(Ok(plan)) => plan,
            Some(Err(diagnostics)) => {
                return Played::Broken {
                    what: "the faults that were drawn cannot be planned".to_owned(),
                    text: diagnostics.to_string(),
                };
            }
        };
        simulated::run(plan, programs::exec, &options, Arc::new(()))
            .map(|record| record.summary)
            .into()
    }
}

/// Reads all scenarios, and complains of all that is wrong with them.
fn open(args: &SweepArgs) -> Result<Vec<Scenario>, Exit> {
    // Files, and whether they were named: what is found in a folder may be left out.
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    for path in &args.paths {
        if !path.is_dir() {
            files.push((path.clone(), true));
            continue;
        }
        match scenarios::below(path) {
            Ok(found) if found.is_empty() => {
                say(format_args!(
                    "error: {}: no scenario in this folder or below\n    help: `squall list DIR` shows what is found",
                    path.display()
                ));
                return Err(Exit::BadInput);
            }
            Ok(found) => {
                let found = found
                    .into_iter()
                    .filter(|(path, text)| has_variant(args, path, text));
                files.extend(found.map(|(path, _)| (path, false)));
            }
            Err(error) => {
                complain(&error);
                return Err(Exit::BadInput);
            }
        }
    }
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut is_good = true;
    let mut warned = Vec::new();
    for (path, is_named) in files {
        let file = path.display().to_string();
        if scenarios.iter().any(|scenario| scenario.file == file) {
            continue;
        }
        match programs::with(|programs| Plan::open_as(&path, args.variant.as_deref(), programs)) {
            Ok(plan) => {
                if let Some(why) = why_not(args, &plan, is_named) {
                    say(format_args!(
                        "{}: {file}: {why}",
                        if is_named { "error" } else { "left out" }
                    ));
                    is_good &= !is_named;
                    continue;
                }
                for warning in &plan.outline.warnings {
                    // Scenarios share their Compose file.
                    if !warned.contains(warning) {
                        say(format_args!("warning: {warning}"));
                        warned.push(warning.clone());
                    }
                }
                scenarios.push(Scenario { file, plan });
            }
            Err(diagnostics) => {
                complain_all(&diagnostics);
                is_good = false;
            }
        }
    }
    if is_good && scenarios.is_empty() {
        say("error: no scenario is left to sweep");
        is_good = false;
    }
    if is_good {
        Ok(scenarios)
    } else {
        Err(Exit::BadInput)
    }
}

/// Whether a file has the variant that is asked for, if one is.
fn has_variant(args: &SweepArgs, path: &Path, text: &str) -> bool {
    let Some(wanted) = &args.variant else {
        return true;
    };
    // What cannot be read is told when it is opened.
    let title = file::title(&path.display().to_string().into(), text);
    title.is_ok_and(|title| title.variants.contains(wanted))
}

/// Why a scenario is not for this sweep.
fn why_not(args: &SweepArgs, plan: &Plan, is_named: bool) -> Option<&'static str> {
    if args.explore && !explore::has_budget(plan) {
        return Some("no phase has an `explore`, so there is nothing to draw");
    }
    let keeps_failure = plan.scenario.verdict != squall_record::Verdict::Passed;
    (keeps_failure && !is_named)
        .then_some("it keeps a failure of one seed; `squall run` replays it")
}

fn play_all(
    args: &SweepArgs,
    scenarios: &[Scenario],
    output: Option<File>,
) -> Result<Exit, Box<dyn std::error::Error>> {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let settings = Settings {
        jobs: args.jobs.unwrap_or_else(cores),
        limits: Limits {
            real_time: args.run_time,
            memory_bytes: args.run_memory << 20,
        },
        time: args.time,
        until_failure: args.until_failure,
    };
    let grid = Grid {
        scenarios: u32::try_from(scenarios.len())?,
        seeds: args.seeds,
    };
    let range = args.shard.of(&grid);
    let planned = u64::try_from(range.end - range.start).unwrap_or(u64::MAX);
    let interrupt = Interrupt::new()?;
    let mut teller = Teller {
        args,
        output,
        tally: Tally::new(
            scenarios
                .iter()
                .map(|scenario| sweep::label(&scenario.file, args.variant.as_deref())),
        ),
        progress: Progress::new(planned, args.time),
        error: None,
    };
    let ended = sweep::run(
        &grid,
        range,
        &settings,
        Some(interrupt.as_fd()),
        |item| scenarios[item.scenario].play(item.seed, args.explore),
        |update| match update {
            Update::Outcome(item, ended, wall) => {
                let Scenario { file, plan } = &scenarios[item.scenario];
                let mut outcome = Outcome::of(&plan.scenario.name, file, item.seed, ended, wall);
                outcome.variant.clone_from(&args.variant);
                outcome.explored = args.explore;
                teller.tell(&outcome)
            }
            Update::Tick => {
                teller.progress.show(teller.tally.counts());
                ControlFlow::Continue(())
            }
        },
    )?;
    teller.end(planned, ended)
}

/// Reduces the first run that showed each failure, beside its file.
fn shrink_all(summary: &Summary) {
    for failure in &summary.failures {
        let file = PathBuf::from(&failure.file);
        let seed = failure.first_seed;
        let name = explore::file_stem(&failure.scenario, failure.variant.as_deref());
        let name = format!("{name}-seed-{seed}-shrunk.yaml");
        let output = Some(file.with_file_name(name));
        let args = ShrinkArgs::new(file, print::chance(failure), output);
        say(format_args!("shrinking: {}", failure.name));
        shrink::shrink(&args); // it says what came of it
    }
}

/// Passes results on as they come.
struct Teller<'a> {
    args: &'a SweepArgs,
    output: Option<File>,
    tally: Tally,
    progress: Progress,
    error: Option<io::Error>,
}

impl Teller<'_> {
    fn tell(&mut self, outcome: &Outcome) -> ControlFlow<()> {
        self.tally.add(outcome);
        let counts = *self.tally.counts();
        let result = self.line(&print::line(outcome)).and_then(|()| {
            if self.args.format == Format::Text && outcome.verdict != Verdict::Passed {
                let told = counts.runs - counts.passed;
                return self.progress.aside(|| match told {
                    ..=TOLD_MAX => print::not_passed(&mut anstream::stdout().lock(), outcome),
                    _ => Ok(()),
                });
            }
            Ok(())
        });
        self.progress.show(&counts);
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                // Nobody reads any more, or nothing more can be kept.
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Writes a line of JSON to wherever it is wanted.
    fn line(&mut self, line: &str) -> io::Result<()> {
        if let Some(file) = &mut self.output {
            file.write_all(line.as_bytes())?;
        }
        if self.args.format == Format::Json {
            let mut out = io::stdout().lock();
            self.progress
                .aside(|| out.write_all(line.as_bytes()).and_then(|()| out.flush()))?;
        }
        Ok(())
    }

    fn end(
        mut self,
        planned: u64,
        ended: sweep::Ending,
    ) -> Result<Exit, Box<dyn std::error::Error>> {
        self.progress.clear();
        let wall = self.progress.elapsed();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let summary = self
            .tally
            .summary(self.args.shard.to_string(), planned, ended, wall_ms);
        let result = match self.error.take() {
            Some(error) => Err(error),
            None => self.line(&print::summary_line(&summary)),
        };
        match result {
            // A reader that has seen enough (`squall … | head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(print::exit(&summary));
            }
            result => result?,
        }
        if self.args.format == Format::Text {
            written(print::summary(
                &mut anstream::stdout().lock(),
                &summary,
                Some(wall),
            ));
        }
        if self.args.shrink {
            shrink_all(&summary);
        }
        Ok(print::exit(&summary))
    }
}
