//! From the first read to the last line.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use etcd_client::GetOptions;
use squall_host::Shutdown;
use squall_resilient::Deadline;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::app::{App, PREFIX, pairs};
use crate::line::Line;
use crate::load::put;
use crate::{leases, load, watch};

/// How many leases there are at a time.
const LEASES: usize = 2;

/// Between two tries of the same.
const REST: Duration = Duration::from_millis(500);

/// Works until it is told to stop, then reads everything back. What it started ends with it.
pub(crate) async fn run(app: &Arc<App>, stopping: &Shutdown) {
    let began = tokio::select! {
        biased;
        () = stopping.requested() => None,
        revision = begin(app) => Some(revision),
    };
    if let Some(revision) = began {
        let mut watching = JoinSet::new();
        let watched = app.clone();
        watching.spawn(async move { watch::run(&watched, revision + 1).await });
        let leases = async {
            let mut all = JoinSet::new();
            for series in 0..LEASES {
                let (app, stopping) = (app.clone(), stopping.clone());
                all.spawn(async move { leases::run(&app, series, &stopping).await });
            }
            while all.join_next().await.is_some() {}
        };
        tokio::join!(load::run(app, stopping), leases);
        end(app).await;
    }
    app.counts.finished.store(true, Ordering::Relaxed);
}

/// Reads what is there until there is an answer; its revision.
async fn begin(app: &App) -> i64 {
    loop {
        let line = Line {
            run: Some(app.run.clone()),
            ..Line::of("start")
        };
        if let Some(revision) = everything(app, line).await {
            return revision;
        }
        sleep(REST).await;
    }
}

/// A last write, a read of everything, and the watch until it has seen that write.
async fn end(app: &App) {
    let deadline = Deadline::after(app.config.stop_timeout);
    let began_us = app.now_us();
    let read = async {
        let mut last = None;
        for member in app.members.iter().cycle() {
            last = put(app, member, "end", None).await;
            if last.is_some() {
                break;
            }
            sleep(REST).await;
        }
        while everything(app, Line::of("final")).await.is_none() {
            sleep(REST).await;
        }
        last
    };
    let last = deadline.bound(read).await.ok().flatten();
    let seen = match last {
        Some(last) => deadline.bound(app.until_seen(last)).await.is_ok(),
        None => false,
    };
    let line = Line {
        revision: last,
        ..Line::of("end")
    };
    app.note(&line, began_us, seen);
}

/// A linearizable read of all keys through one member after the other; its revision if one answers. The answer
/// completes `line`, which says what it is for. What fails is no operation, as nothing was to be done; it is told in
/// words.
async fn everything(app: &App, line: Line) -> Option<i64> {
    for member in &app.members {
        let mut client = member.client.clone();
        let began_us = app.now_us();
        let options = GetOptions::new().with_prefix();
        let answer = member.call(client.get(PREFIX, Some(options))).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                app.say(&format!("{} does not answer: {failure}", member.name));
                continue;
            }
        };
        let revision = answer.header().map(|header| header.revision());
        let line = Line {
            kvs: Some(pairs(answer.kvs())),
            revision,
            ..line
        };
        app.tell(line, member, began_us, Ok(()));
        return revision;
    }
    None
}
