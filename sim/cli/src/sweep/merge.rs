//! `squall merge`: the outputs of the machines of a sweep, put together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde_json::Value;
use squall_explore::sweep::{Ending, Outcome, Shard, Summary, Tally};
use squall_host::{Diagnostic, Origin};

use super::args::MergeArgs;
use super::print;
use crate::args::{Chance, Format};
use crate::exit::{Exit, complain, say, written};
use crate::explore;

/// Does what `squall merge` is asked for.
pub(crate) fn merge(args: &MergeArgs) -> Exit {
    let mut tally = Tally::default();
    let mut parts = BTreeMap::new();
    for path in &args.files {
        if let Err(diagnostic) = read(path, &mut tally, &mut parts) {
            complain(&diagnostic);
            return Exit::BadInput;
        }
    }
    let missing = missing(&parts);
    for shard in &missing {
        say(format_args!(
            "warning: {shard} did not end, or its output is not here"
        ));
    }
    let mut ended = parts
        .values()
        .map(|part| part.ended)
        .max()
        .unwrap_or(Ending::Complete);
    if !missing.is_empty() {
        ended = Ending::Interrupted;
    }
    let planned = parts
        .values()
        .map(|part| part.planned)
        .fold(0, u64::saturating_add);
    let planned = planned.max(tally.counts().runs);
    let mut summary = tally.summary("0/1".to_owned(), planned, ended, 0);
    summary.wall_ms = parts.values().map(|part| part.wall_ms).max().unwrap_or(0);
    match args.format {
        Format::Text => written(print::summary(
            &mut anstream::stdout().lock(),
            &summary,
            None,
        )),
        Format::Json => written(io::Write::write_all(
            &mut io::stdout().lock(),
            print::summary_line(&summary).as_bytes(),
        )),
    }
    let exit = print::exit(&summary);
    let mut is_repeatable = true;
    for (run, a, b) in tally.not_repeated() {
        is_repeatable = false;
        let chance = Chance {
            variant: run.variant.clone(),
            seed: Some(run.seed),
            explore: run.explored,
        };
        let replay = explore::command("run", Path::new(&run.file), &chance);
        let (file, seed) = (&run.file, run.seed);
        say(format_args!(
            "error: {file} with seed {seed} has two traces, {a} and {b}\n    help: were all machines given the same build and files? then try `{replay} --twice`"
        ));
    }
    if is_repeatable || exit == Exit::Failed {
        exit
    } else {
        Exit::BrokenTestbed
    }
}

/// Reads a file of JSON lines.
fn read(
    path: &Path,
    tally: &mut Tally,
    parts: &mut BTreeMap<Shard, Summary>,
) -> Result<(), Diagnostic> {
    let shown = path.display().to_string();
    let at = |line: usize| Origin::new(shown.as_str(), u32::try_from(line).unwrap_or(u32::MAX));
    let cannot = |error: io::Error| Diagnostic::at(at(0), format!("cannot be read: {error}"));
    let input: Box<dyn BufRead> = if shown == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(cannot)?))
    };
    for (index, line) in input.lines().enumerate() {
        let line = line.map_err(cannot)?;
        // A container's log has what went to standard error in between.
        if !line.starts_with('{') {
            continue;
        }
        let bad = |error: &dyn std::fmt::Display| {
            Diagnostic::at(at(index + 1), format!("no result of a sweep: {error}"))
                .help("give files that `squall sweep --output FILE` wrote; delete a last line that was cut off")
        };
        let mut value: Value = serde_json::from_str(&line).map_err(|error| bad(&error))?;
        if let Some(summary) = value.get_mut("summary") {
            let summary: Summary =
                serde_json::from_value(summary.take()).map_err(|error| bad(&error))?;
            let shard = Shard::read(&summary.shard, None).map_err(|error| bad(&error))?;
            // Of a part that was made twice, the one that came further counts.
            let part = parts.entry(shard).or_insert_with(|| summary.clone());
            if summary.ended < part.ended {
                *part = summary;
            }
        } else {
            let outcome: Outcome = serde_json::from_value(value).map_err(|error| bad(&error))?;
            tally.merge(&outcome);
        }
    }
    Ok(())
}

/// The parts that ought to be there and are not.
fn missing(parts: &BTreeMap<Shard, Summary>) -> Vec<String> {
    let totals = parts.keys().map(|shard| shard.total());
    let Some(total) = totals.max() else {
        return vec!["the sweep".to_owned()];
    };
    let all = (0..total).map(|index| format!("{index}/{total}"));
    let is_there = |name: &String| parts.keys().any(|shard| shard.to_string() == *name);
    all.filter(|name| !is_there(name))
        .map(|name| format!("shard {name}"))
        .collect()
}
