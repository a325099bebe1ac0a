//! The command `squall`: reads the command line, puts the parts together, prints, exits.
//!
//! | module | idea |
//! |---|---|
//! | [`args`] | what can be asked for |
//! | [`run`] | `squall run`: plays a scenario and prints how it goes |
//! | [`twice`] | `--twice`: a second process plays the same; the first event that differs |
//! | [`sweep`] | `squall sweep`: many seeds, each in a process of its own; `squall merge` |
//! | [`table`] | `squall table`: scenarios and their variants, compared |
//! | [`explore`] | `--explore`, `squall draw`: faults that a seed draws |
//! | [`shrink`] | `squall shrink`: the smallest scenario that fails in the same way |
//! | [`watch`] | `squall watch`: a run as a dashboard |
//! | [`load`] | `squall load`: requests one by one, from a real stack or out of a record |
//! | [`history`] | `squall history`: a run as invocations and completions, for checkers |
//! | [`record`] | the record of a run, read again |
//! | [`list`] | `squall list`: the scenarios in a folder |
//! | [`check`] | `squall check`: what is wrong with files, and what has no effect here |
//! | [`scenarios`] | the scenario files of a folder |
//! | [`programs`] | the programs that can be run, by name |
//! | [`exit`] | what the command ends with |
//!
//! Data goes to standard output, all else to standard error. Deliberately absent: any judgement of
//! a run, and anything that a second front end would have to repeat.

mod args;
mod check;
mod exit;
mod explore;
mod history;
mod list;
mod load;
mod programs;
mod record;
mod run;
mod scenarios;
mod shrink;
mod sweep;
mod table;
mod twice;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::Exit;

/// Many hosts are many small allocations; see docs, "How fast it is".
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let exit = match Args::try_parse() {
        Ok(args) => match args.command {
            Command::Run(run) => run::run(&run),
            Command::Sweep(args) => sweep::sweep(&args),
            Command::Table(args) => table::table(&args),
            Command::Merge(args) => sweep::merge(&args),
            Command::Draw(draw) => explore::draw(&draw),
            Command::Shrink(shrink) => shrink::shrink(&shrink),
            Command::Watch(args) => watch::watch(&args),
            Command::Load(args) => load::load(&args),
            Command::History(args) => history::history(&args),
            Command::List(list) => list::list(&list.folder),
            Command::Check(check) => check::check(&check.files),
        },
        Err(error) => {
            // `--help` and `--version` are answers, not errors. A closed pipe loses either.
            drop(error.print());
            if error.use_stderr() {
                Exit::BadInput
            } else {
                Exit::Passed
            }
        }
    };
    exit.into()
}
