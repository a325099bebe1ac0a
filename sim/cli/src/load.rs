//! `squall load`: one request after the other, and a line for each that says who answered and which
//! database was behind it; against a real stack, or out of the record of a run.
//!
//! | module | idea |
//! |---|---|
//! | [`args`] | what can be asked for |
//! | [`call`] | one HTTP request, as `curl` makes it |
//! | [`proxy_log`] | the proxy's own word on which database a request had |
//! | [`row`] | the line of a request |
//! | [`recorded`] | the same lines out of a run's record |
//! | [`tally`] | what it all came to |
//!
//! Deliberately absent: load that measures. Requests never overlap, so that each log record of the
//! proxy belongs to one of them; `squall run` has clients with a rate.

pub(crate) mod args;
mod call;
mod proxy_log;
mod recorded;
mod row;
mod tally;

use std::io;
use std::time::{Duration, SystemTime};

use squall_host::Host;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, complain, say, written};
use crate::load::args::LoadArgs;
use crate::load::call::{Answer, Target};
use crate::load::proxy_log::{ProxyLog, Source};
use crate::load::row::Row;
use crate::load::tally::Tally;
use crate::record;

/// After an answer, the record of its connections must be there in this time.
const RECORD_WITHIN: Duration = Duration::from_secs(2);
/// A request that failed may never have come as far as the proxy: it is waited for less.
const RECORD_OF_FAILED_WITHIN: Duration = Duration::from_millis(250);

/// Does what `squall load` is asked for.
pub(crate) fn load(args: &LoadArgs) -> Exit {
    if let Some(file) = &args.record {
        return match record::read_with(file, args.client.as_slice()) {
            Ok(record) => recorded::print(&record, args.client.as_deref()),
            Err(exit) => exit,
        };
    }
    let target = match Target::of(args.url.as_deref().unwrap_or_default()) {
        Ok(target) => target,
        Err(problem) => {
            complain(&problem);
            return Exit::BadInput;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime.and_then(|runtime| runtime.block_on(send_all(args, &target)));
    match done {
        Ok(tally) => {
            tally.say();
            tally.exit()
        }
        Err(error) => {
            complain(&error);
            Exit::BadInput
        }
    }
}

async fn send_all(args: &LoadArgs, target: &Target) -> io::Result<Tally> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut log = match source(args) {
        Some(source) => Some(ProxyLog::follow(&source, &args.pool).await?),
        None => {
            say("note: without --proxy-log or --proxy-log-command the database cannot be known");
            None
        }
    };
    let mut tally = Tally::default();
    let all = async {
        let host = Host::real();
        for number in 1..=args.attempts {
            let asked = SystemTime::now();
            if let Some(log) = &mut log {
                log.forget()?;
            }
            let answer = call::call(&host, target, args.timeout).await;
            let database = match &mut log {
                Some(log) => database(log, &answer, asked).await?,
                None => None,
            };
            let row = Row {
                number,
                at: asked,
                backend: answer.backend.as_deref(),
                database: database.as_deref(),
                body: &answer.body,
            };
            written(row.write(&mut io::stdout().lock()));
            tally.add(&answer, database.as_deref());
            if number < args.attempts {
                tokio::time::sleep(args.delay).await;
            }
        }
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        done = all => done?,
        _ = interrupted.recv() => say("interrupted"),
    }
    if let Some(log) = &log {
        tally.stale = log.stale();
    }
    Ok(tally)
}

/// What the proxy says of the request that has just been answered.
async fn database(
    log: &mut ProxyLog,
    answer: &Answer,
    asked: SystemTime,
) -> io::Result<Option<String>> {
    let within = match answer.is_ok() {
        true => RECORD_WITHIN,
        false => RECORD_OF_FAILED_WITHIN,
    };
    let servers = log.servers(asked, within).await?;
    Ok(match servers.is_empty() {
        false => Some(servers.join(",")),
        // It answered, so it had a database; the proxy has not said which: perhaps it is pooled.
        true if answer.is_ok() => None,
        true => Some("none".to_owned()),
    })
}

fn source(args: &LoadArgs) -> Option<Source> {
    let file = args.proxy_log.clone().map(Source::File);
    file.or_else(|| args.proxy_log_command.clone().map(Source::Command))
}
