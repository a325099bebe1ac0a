//! `squall run`: plays a scenario and prints how it goes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_record::{PhaseView, RunRecord, Summary, Verdict};
use squall_report::json;
use squall_report::text::Text;
use squall_scenario::{Plan, Progress, RunError, RunOptions, Scenario, simulated};

use crate::args::{Format, RunArgs};
use crate::exit::{Exit, complain, complain_all, say, written};
use crate::{explore, programs, twice};

/// Does what `squall run` is asked for.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let (plan, seed) = match explore::open(&args.file, &args.chance) {
        Ok(opened) => opened,
        Err(diagnostics) => {
            complain_all(&diagnostics);
            return Exit::BadInput;
        }
    };
    for warning in plan.outline.warnings.iter().chain(&plan.warnings) {
        say(format_args!("warning: {warning}"));
    }
    if args.twice {
        twice::run(args, seed, |trace| play(args, &plan, seed, Some(trace)))
    } else {
        play(args, &plan, seed, args.trace.clone()).map_or_else(
            |exit| exit,
            |record| {
                as_declared(args, &plan, &record.summary);
                record.summary.verdict.into()
            },
        )
    }
}

/// A file that keeps a failure says so; when it is cured, the file is to say that.
fn as_declared(args: &RunArgs, plan: &Plan, summary: &Summary) {
    let keeps_failure = plan.scenario.verdict != Verdict::Passed;
    let is_as_is = args.chance.seed.is_none() && !args.chance.explore;
    if is_as_is
        && keeps_failure
        && let Some(contradiction) = plan.scenario.contradiction(summary)
    {
        say(format_args!(
            "note: {} says {contradiction}",
            args.file.display()
        ));
    }
}

/// Plays a plan once and prints it.
fn play(
    args: &RunArgs,
    plan: &Plan,
    seed: u64,
    trace: Option<std::path::PathBuf>,
) -> Result<RunRecord, Exit> {
    let options = RunOptions { seed, trace };
    let replay = || explore::command("run", &args.file, &args.chance.at(seed));
    let progress = Arc::new(Printer {
        text: match args.format {
            Format::Text => Some(Mutex::new(Text::new(anstream::stdout()))),
            Format::Json => None,
        },
        scenario: plan.scenario.clone(),
        seed,
        head_is_out: AtomicBool::new(false),
    });
    let record =
        simulated::run(plan, programs::exec, &options, progress.clone()).map_err(|error| {
            complain(&error);
            match error {
                RunError::Broken { .. } => {
                    say(format_args!("  replay: {}", replay()));
                    Exit::BrokenTestbed
                }
                RunError::Trace { .. } => Exit::BadInput,
            }
        })?;
    match progress.text() {
        Some(mut text) => written(text.summary(&record.summary, &replay())),
        None => written(json::write(&mut std::io::stdout().lock(), &record.summary)),
    }
    if args.logs {
        logs(&record);
    }
    if let Some(file) = &args.record {
        keep(&record, file)?;
    }
    Ok(record)
}

/// Writes a record to a file.
fn keep(record: &RunRecord, file: &Path) -> Result<(), Exit> {
    let kept = File::create(file).and_then(|out| {
        let mut out = BufWriter::new(out);
        json::record(&mut out, record)?;
        out.flush()
    });
    kept.map_err(|error| {
        say(format_args!(
            "error: {}: cannot write the record: {error}",
            file.display()
        ));
        Exit::BadInput
    })
}

fn logs(record: &RunRecord) {
    let mut out = std::io::stderr().lock();
    for line in &record.log.lines {
        let ms = line.at_us / 1000;
        let (minutes, seconds, ms) = (ms / 60_000, ms / 1000 % 60, ms % 1000);
        // Nobody is left to be told that standard error is closed.
        drop(writeln!(
            out,
            "{minutes:02}:{seconds:02}.{ms:03} {} | {}",
            line.host, line.text
        ));
    }
    if record.log.dropped > 0 {
        drop(writeln!(
            out,
            "and {} lines more, which were not kept",
            record.log.dropped
        ));
    }
}

/// Prints phases as they end.
struct Printer {
    /// `None` when nothing is printed before the end.
    text: Option<Mutex<Text<anstream::Stdout>>>,
    scenario: Arc<Scenario>,
    seed: u64,
    head_is_out: AtomicBool,
}

impl Printer {
    /// The text, once its head is written: not before something has run.
    fn text(&self) -> Option<MutexGuard<'_, Text<anstream::Stdout>>> {
        let text = self.text.as_ref()?;
        let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.head_is_out.swap(true, Ordering::Relaxed) {
            let about = self.scenario.about.as_deref();
            written(text.head(&self.scenario.name, about, self.seed));
        }
        Some(text)
    }
}

impl Progress for Printer {
    fn system_is_up(&self, at: Duration) {
        if let Some(mut text) = self.text() {
            written(text.up(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)));
        }
    }

    fn phase_ended(&self, view: PhaseView<'_>) {
        if let Some(mut text) = self.text() {
            written(text.phase(&view));
        }
    }
}
