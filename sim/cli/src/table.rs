//! `squall table`: scenarios and their variants side by side, one row each.
//!
//! | module | idea |
//! |---|---|
//! | [`args`] | what can be asked for |
//! | `play` | what is played, each run in a process of its own |
//! | `cells` | which columns there are, and what stands in them |
//! | `print` | text, Markdown, CSV, JSON |
//! | `update` | the tables of a README, made by the commands beside them |
//!
//! Deliberately absent: any figure of its own. What is counted is an invariant's business.

pub(crate) mod args;
mod cells;
mod play;
mod print;
mod update;

use crate::exit::{Exit, complain_all, say, written};
use crate::explore;
use args::TableArgs;
use cells::Table;
use play::Row;

/// Does what `squall table` is asked for.
pub(crate) fn table(args: &TableArgs) -> Exit {
    if let Some(file) = &args.update {
        return update::update(file, args.check, args.jobs);
    }
    match make(args) {
        Ok((rows, table)) => {
            let text = print::text(&rows, &table, args.format);
            let mut out = anstream::stdout().lock();
            written(std::io::Write::write_all(&mut out, text.as_bytes()));
            end(&rows)
        }
        Err(exit) => exit,
    }
}

/// Plays what is asked for.
fn make(args: &TableArgs) -> Result<(Vec<Row>, Table), Exit> {
    let cases = play::open(args)?;
    let rows = play::play(args, cases)?;
    let table = Table::of(&rows, &args.columns).map_err(|diagnostics| {
        complain_all(&diagnostics);
        Exit::BadInput
    })?;
    Ok((rows, table))
}

/// Says which runs did not end as their files say.
fn end(rows: &[Row]) -> Exit {
    let mut exit = Exit::Passed;
    for row in rows {
        for run in &row.runs {
            let Some(contradiction) = &run.contradiction else {
                continue;
            };
            exit = Exit::Failed;
            say(format_args!(
                "not as declared: {}: {contradiction}\n  replay: {}",
                row.label(),
                explore::command("run", &row.file, &row.chance(run.seed))
            ));
        }
    }
    exit
}
