//! `squall shrink`: a failing run, reduced to the smallest scenario that fails in the same way, and
//! written as a file that replays.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use squall_explore::isolated::{self, Limits};
use squall_explore::shrink::{Goal, Shrunk, Statistics, shrink as search};
use squall_explore::{Breach, Facts};
use squall_host::{Diagnostic, Diagnostics, Origin};
use squall_record::Verdict;
use squall_scenario::file::Located;
use squall_scenario::file::write::write;
use squall_scenario::{Plan, RunError, RunOptions, Scenario, simulated};

use crate::args::ShrinkArgs;
use crate::exit::{Exit, complain, complain_all, say};
use crate::{explore, programs};

/// How often the search says how far it is, in runs.
const SAY_EVERY: u64 = 25;

/// How a run ended, as far as a search needs to know it.
#[derive(Serialize, Deserialize)]
struct Ended {
    verdict: Verdict,
    breaches: Vec<Breach>,
    trace_hash: String,
}

/// Does what `squall shrink` is asked for.
pub(crate) fn shrink(args: &ShrinkArgs) -> Exit {
    match try_to(args) {
        Ok(exit) => exit,
        Err(diagnostics) => {
            complain_all(&diagnostics);
            Exit::BadInput
        }
    }
}

fn try_to(args: &ShrinkArgs) -> Result<Exit, Diagnostics> {
    let (plan, seed) = explore::open(&args.file, &args.chance)?;
    let first = play(&plan, seed);
    let Some(breach) = first.breaches.first().cloned() else {
        let verdict = first.verdict.as_str();
        say(format_args!("{verdict} at seed {seed}: nothing to shrink"));
        return Ok(first.verdict.into());
    };
    let others: Vec<String> = first.breaches[1..].iter().map(Breach::to_string).collect();
    say(format_args!("fails at seed {seed}: {breach}"));
    if !others.is_empty() {
        say(format_args!("fails as well: {}", others.join(", ")));
    }
    let facts = Facts::of(&plan);
    let goal = Goal {
        breach: &breach,
        facts: &facts,
        runs_max: args.budget,
    };
    let began = Instant::now();
    // What the file says of its end would tie the search to what it names.
    let mut scenario = Scenario::clone(&plan.scenario);
    scenario.fails.clear();
    let shrunk = search(
        &scenario,
        &goal,
        &mut |candidate| {
            // What cannot be planned is no failure.
            let Ok(plan) = explore::of(candidate.clone(), &args.file) else {
                return Vec::new();
            };
            play(&plan, seed).breaches
        },
        &mut |statistics| {
            if statistics.runs.is_multiple_of(SAY_EVERY) {
                say(format_args!("  {}", after(statistics)));
            }
            match began.elapsed() > args.time {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        },
    );
    let found = explore::of(shrunk.scenario.clone(), &args.file)?;
    let smallest = play(&found, seed);
    finish(args, &shrunk, &breach, seed, &smallest)
}

fn after(statistics: &Statistics) -> String {
    format!("after {} runs: {}", statistics.runs, statistics.size)
}

/// Writes the file, and plays it once more: it must be the same run.
fn finish(
    args: &ShrinkArgs,
    shrunk: &Shrunk,
    breach: &Breach,
    seed: u64,
    smallest: &Ended,
) -> Result<Exit, Diagnostics> {
    let statistics = &shrunk.statistics;
    let trace_hash = &smallest.trace_hash;
    say(format_args!("{}", after(statistics)));
    if !statistics.is_finished {
        say("ended by the budget; `--budget` and `--time` give it more");
    }
    let path = args.output.clone().unwrap_or_else(|| beside(args));
    let mut scenario = shrunk.scenario.clone();
    let variant = args.chance.variant.as_deref();
    scenario.name = explore::file_stem(&scenario.name, variant) + "-shrunk";
    scenario.about = Some(format!(
        "What is left of {} at seed {seed}: {breach} does not hold.",
        shrunk.scenario.name
    ));
    scenario.seed = Some(seed);
    scenario.verdict = Verdict::Failed;
    // A testbed that breaks is no judgement that a file could name.
    let judged = smallest.breaches.iter().filter(|_| !trace_hash.is_empty());
    let fails = judged.map(|breach| Located {
        line: 0,
        value: breach.to_string(),
    });
    scenario.fails = fails.collect();
    for named in scenario.system.manifests.paths_mut() {
        named.value = named_from(&named.value, &args.file, &path);
    }
    let comment = format!(
        "Written by: {}\nWhat fails: {breach}\nBefore: {}\nAfter {} runs: {}\n\
         Replay: squall run {}\nTrace when this was written: {trace_hash}",
        explore::command("shrink", &args.file, &args.chance.at(seed)),
        statistics.size_before,
        statistics.runs,
        statistics.size,
        path.display(),
    );
    if let Err(error) = std::fs::write(&path, write(&scenario, &comment)) {
        let origin = Origin::new(path.display().to_string(), 0);
        return Err(Diagnostic::at(origin, format!("cannot be written: {error}")).into());
    }
    let plan = programs::with(|programs| Plan::open(&path, programs))?;
    let again = play(&plan, seed);
    if again.trace_hash != *trace_hash || !again.breaches.contains(breach) {
        say(format_args!(
            "error: {} does not replay: its trace is {}, and was {trace_hash}",
            path.display(),
            again.trace_hash
        ));
        return Ok(Exit::BrokenTestbed);
    }
    say(format_args!(
        "{}: fails in the same way, replayed to the same trace {trace_hash}\n  replay: squall run {}",
        path.display(),
        path.display()
    ));
    Ok(Exit::Failed)
}

/// Plays a plan once, in a process of its own. A run that hangs or dies is a failure like any other:
/// it can be shrunk, too.
fn play(plan: &Plan, seed: u64) -> Ended {
    let ended = isolated::run(&Limits::default(), || play_here(plan, seed));
    let (what, said) = match ended {
        Ok(isolated::Ended::Value(ended)) => return ended,
        Ok(isolated::Ended::Hung { after, said }) => (format!("no result within {after:?}"), said),
        Ok(isolated::Ended::TooMuchMemory { said, .. }) => ("too much memory".to_owned(), said),
        Ok(isolated::Ended::Aborted { signal, said }) => (format!("signal {signal}"), said),
        Ok(isolated::Ended::Exited { status, said }) => (format!("exit status {status}"), said),
        Err(error) => {
            complain(&error);
            return Ended::nothing();
        }
    };
    if !said.is_empty() {
        say(said.trim_end());
    }
    Ended::broken(what)
}

impl Ended {
    fn broken(what: String) -> Self {
        Self {
            verdict: Verdict::Failed,
            breaches: vec![Breach {
                what: format!("the testbed breaks: {what}"),
                phase: None,
            }],
            trace_hash: String::new(),
        }
    }

    fn nothing() -> Self {
        Self {
            verdict: Verdict::Unknown,
            breaches: Vec::new(),
            trace_hash: String::new(),
        }
    }
}

fn play_here(plan: &Plan, seed: u64) -> Ended {
    let options = RunOptions { seed, trace: None };
    match simulated::run(plan, programs::exec, &options, Arc::new(())) {
        Ok(record) => Ended {
            verdict: record.summary.verdict,
            breaches: Breach::all_of(&record.summary),
            trace_hash: record.summary.trace_hash,
        },
        Err(RunError::Broken { what, .. }) => Ended::broken(what),
        Err(error) => {
            complain(&error);
            Ended::nothing()
        }
    }
}

/// `a/b.yaml` becomes `a/b-shrunk.yaml`, its variant c `a/b-c-shrunk.yaml`.
fn beside(args: &ShrinkArgs) -> PathBuf {
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let variant = args.chance.variant.iter().map(|name| format!("-{name}"));
    let variant: String = variant.collect();
    args.file
        .with_file_name(format!("{stem}{variant}-shrunk.yaml"))
}

/// A path of the scenario, as the written file has to name it.
fn named_from(named: &str, from: &Path, to: &Path) -> String {
    let folder = |file: &Path| file.parent().unwrap_or(Path::new("")).to_owned();
    if folder(from) == folder(to) {
        return named.to_owned();
    }
    let path = folder(from).join(named);
    let path = std::path::absolute(&path).unwrap_or(path);
    path.display().to_string()
}
