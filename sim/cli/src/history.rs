//! `squall history`: the requests of a run as a history of invocations and completions, for checkers.
//!
//! What the history is, is `squall_report::history`; here is who is in it, and where it goes.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use squall_record::{RunRecord, Sample};
use squall_report::history::draw::{self, Stretch};
use squall_report::history::{edn, operations, write_json_lines};
use squall_scenario::units;

use crate::exit::{Exit, say, written};
use crate::record;

/// What `squall history` can be asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// The record of a run, as `squall run --record` writes it
    #[arg(value_name = "RECORD")]
    record: PathBuf,
    /// Only the requests of this client; may be given several times
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
    /// Draw what an invariant blames; the same as `--format text`
    #[arg(long)]
    draw: bool,
    /// Draw the requests around this time instead: `12.5s`
    #[arg(long, value_name = "TIME", value_parser = time)]
    around: Option<Duration>,
    /// In which form
    #[arg(long, value_enum, default_value_t = Form::Jsonl, default_value_if("draw", "true", "text"))]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A JSON object a line
    Jsonl,
    /// A map of Clojure's data a line, as Jepsen's `history.edn`
    Edn,
    /// A picture of a stretch in letters
    Text,
    /// The same picture as SVG
    Svg,
}

const EXAMPLES: &str = "\
Prints an invocation and a completion for each request, in the order of time:
  {\"process\":0,\"type\":\"invoke\",\"f\":\"transfers\",\"value\":{…},\"time\":1203000,\"index\":0}
  {\"process\":0,\"type\":\"ok\",\"f\":\"transfers\",\"value\":{…},\"time\":4210000,\"index\":1}

A request ends as `ok` (done), `fail` (certainly not done) or `info` (nobody knows).

Examples:
  squall run FILE --record run.json; squall history run.json
  squall history run.json --client transfers --client accounts
  squall history run.json --format edn > history.edn
  squall history run.json --draw                     what the first broken invariant blames
  squall history run.json --draw --around 12.5s --client increments
  squall history run.json --format svg > history.svg

Exit status: 0, or 2 when there was no request";

/// Does what `squall history` is asked for.
pub(crate) fn history(args: &HistoryArgs) -> Exit {
    let record = match record::read_with(&args.record, &args.client) {
        Ok(record) => record,
        Err(exit) => return exit,
    };
    match args.format {
        Form::Jsonl | Form::Edn if args.draw || args.around.is_some() => {
            say(
                "error: this form is no picture\n  help: write `--draw`, `--format text` or `--format svg`",
            );
            Exit::BadInput
        }
        Form::Jsonl | Form::Edn => listed(&record, args),
        Form::Text | Form::Svg => drawn(&record, args),
    }
}

/// Prints all of it.
fn listed(record: &RunRecord, args: &HistoryArgs) -> Exit {
    let is_asked_for = |sample: &&Sample| {
        let mut names = args.client.iter();
        args.client.is_empty() || names.any(|name| sample.client.as_str() == name)
    };
    let samples: Vec<&Sample> = record.samples.iter().filter(is_asked_for).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match args.format {
        Form::Edn => edn::write(operations(&samples), &mut out),
        _ => write_json_lines(operations(&samples), &mut out),
    };
    written(result.and_then(|()| out.flush()));
    match samples.is_empty() {
        true => Exit::Unknown,
        false => Exit::Passed,
    }
}

/// Draws a stretch of it.
fn drawn(record: &RunRecord, args: &HistoryArgs) -> Exit {
    let around_us = args.around.map(|around| {
        let us = around.as_micros();
        u64::try_from(us).unwrap_or(u64::MAX)
    });
    let Some(stretch) = Stretch::of(record, &args.client, around_us) else {
        return Exit::Unknown;
    };
    let drawing = draw::draw(record, &args.client, stretch);
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match args.format {
        Form::Svg => draw::svg::write(&drawing, &mut out),
        _ => draw::text::write(&drawing, &mut out),
    };
    written(result.and_then(|()| out.flush()));
    Exit::Passed
}

fn time(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|bad| format!("{}; {}", bad.message, bad.help))
}
