//! A hot standby: replays the log as it comes, answers reads, and may be promoted.
//!
//! A promotion is asked for with `pg_promote()` or by a file `promote` or `promote.signal` in the
//! data folder, which is looked for every five seconds (as PostgreSQL 15 looks for
//! `promote_trigger_file`). The server then replays what it has, begins a new timeline and writes.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::history::{self, History};
use super::receiver::{self, ReceiverStatus};
use crate::engine::context::{lock, wall_us};
use crate::error::Error;
use crate::registry::Admission;
use crate::server::Server;
use crate::value::time;
use crate::wal::control::{Control, Doing, read_file, remove_file};
use crate::wal::lsn::Lsn;
use crate::wal::record::{Entry, NoRecord, WalRecord};
use crate::wal::recovery::{STANDBY_FILE, end_recovery, write_new};

/// How often the files that ask for a promotion are looked for.
const TRIGGER_INTERVAL: Duration = Duration::from_secs(5);
/// The files.
const TRIGGER_FILES: &[&str] = &["promote", "promote.signal"];

/// What a server does and did as a standby.
#[derive(Debug, Default)]
pub struct Standby {
    /// Up to where the log is replayed.
    replayed: watch::Sender<Lsn>,
    /// When the last replayed transaction was committed, microseconds since 1970; 0 for never.
    last_commit_us: AtomicI64,
    paused: watch::Sender<bool>,
    promote: watch::Sender<bool>,
    /// Whether replaying has begun, so that a promotion can be asked for.
    running: AtomicBool,
    /// What comes from the primary.
    pub receiver: Mutex<ReceiverStatus>,
}

impl Standby {
    /// Replaying begins.
    pub fn start(&self, at: Lsn) {
        self.replayed.send_replace(at);
    }

    /// Up to where the log is replayed (`pg_last_wal_replay_lsn`).
    pub fn replayed(&self) -> Lsn {
        *self.replayed.borrow()
    }

    /// Tells whenever more is replayed.
    pub fn watch(&self) -> watch::Receiver<Lsn> {
        self.replayed.subscribe()
    }

    /// Notes what is replayed.
    pub fn advance(&self, end: Lsn, commit_us: Option<i64>) {
        if let Some(us) = commit_us {
            self.last_commit_us.store(us, Ordering::Relaxed);
        }
        self.replayed.send_replace(end);
    }

    /// When the last replayed transaction was committed (`pg_last_xact_replay_timestamp`).
    pub fn last_commit_us(&self) -> Option<i64> {
        Some(self.last_commit_us.load(Ordering::Relaxed)).filter(|us| *us != 0)
    }

    /// `pg_wal_replay_pause`, `pg_wal_replay_resume`.
    pub fn set_paused(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// `pg_is_wal_replay_paused`.
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Whether this server is or was a standby.
    pub fn has_run(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Asks for a promotion.
    pub fn promote(&self) {
        if self.running.load(Ordering::Relaxed) {
            self.promote.send_replace(true);
        }
    }
}

/// Runs until the promotion.
pub async fn run(server: &Arc<Server>, control: Control, stop: &NoRecord) -> Result<(), Error> {
    let pid = server.pids.startup;
    let standby = &server.facts.standby;
    server.log(pid, "LOG", "entering standby mode");
    server.open(Admission::NotConsistent);
    let control = Control {
        doing: Doing::InArchiveRecovery,
        time_us: wall_us(),
        ..control
    };
    server.set_control(control).await?;
    for file in TRIGGER_FILES {
        // One that is left from before is not meant.
        remove_file(server.disk(), &format!("{}/{file}", server.config.data)).await?;
    }
    standby.running.store(true, Ordering::Relaxed);
    server.log(pid, "LOG", &format!("redo starts at {}", control.redo));
    let replaying = async {
        let error = replay(server, control.consistent, stop).await;
        error.map(|never| match never {})
    };
    let mut promoted = standby.promote.subscribe();
    tokio::select! {
        biased;
        _ = promoted.wait_for(|promote| *promote) => {}
        error = replaying => return error,
        never = receiver::run(server) => match never {},
        error = look_for_files(server) => return error,
    }
    server.log(pid, "LOG", "received promote request");
    promote(server).await
}

/// What never comes.
enum Never {}

async fn replay(server: &Server, consistent: Lsn, stop: &NoRecord) -> Result<Never, Error> {
    let pid = server.pids.startup;
    let mut flushed = server.facts.wal.watch();
    let mut is_consistent = false;
    let mut told = false;
    loop {
        flushed.mark_unchanged();
        let at = server.facts.standby.replayed();
        if !is_consistent && at >= consistent {
            is_consistent = true;
            let said = format!("consistent recovery state reached at {at}");
            server.log(pid, "LOG", &said);
            if server.config.flag("hot_standby") {
                server.open(Admission::Open);
                let said = "database system is ready to accept read-only connections";
                server.log(1, "LOG", said);
            } else {
                server.open(Admission::NoHotStandby);
            }
        }
        let limit = server.facts.wal.flushed();
        let Some((record, end)) = server.next_record(limit)? else {
            if !std::mem::replace(&mut told, true) {
                server.log(pid, "LOG", &stop.to_string());
            }
            if flushed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        hold_back(server, &record).await;
        server.replay(&record, end)?;
        let due = matches!(record.entry, Entry::Checkpoint { .. }) && server.checkpoint_due(end);
        if due && is_consistent {
            let _one = server.checkpoints.lock().await;
            server.checkpoint(Doing::InArchiveRecovery, "wal").await?;
        }
    }
}

/// Waits as long as replaying is paused, or as `recovery_min_apply_delay` wants a commit to wait.
async fn hold_back(server: &Server, record: &WalRecord) {
    let mut paused = server.facts.standby.paused.subscribe();
    if paused.wait_for(|paused| !paused).await.is_err() {
        return;
    }
    let delay_ms = server.config.time_ms("recovery_min_apply_delay");
    if delay_ms > 0 && matches!(record.entry, Entry::Commit { .. }) {
        let wait_us = record.time_us + delay_ms * 1000 - wall_us();
        if let Ok(us) = u64::try_from(wait_us) {
            tokio::time::sleep(Duration::from_micros(us)).await;
        }
    }
}

async fn look_for_files(server: &Server) -> Result<(), Error> {
    loop {
        tokio::time::sleep(TRIGGER_INTERVAL).await;
        for file in TRIGGER_FILES {
            let path = format!("{}/{file}", server.config.data);
            if read_file(server.disk(), &path).await?.is_some() {
                remove_file(server.disk(), &path).await?;
                server.facts.standby.promote();
            }
        }
    }
}

/// Ends recovery on a new timeline.
async fn promote(server: &Arc<Server>) -> Result<(), Error> {
    let pid = server.pids.startup;
    let wal = &server.facts.wal;
    // What was received counts, paused or not; what is not whole does not.
    while let Some((record, end)) = server.next_record(wal.flushed())? {
        server.replay(&record, end)?;
    }
    let end = server.facts.standby.replayed();
    server.log(pid, "LOG", &format!("redo done at {end}"));
    if let Some(us) = server.facts.standby.last_commit_us() {
        let at = time::shown_utc(us);
        server.log(
            pid,
            "LOG",
            &format!("last completed transaction was at log time {at}"),
        );
    }
    let known = history::read_all(server.disk(), wal.folder()).await?;
    let previous = wal.timeline();
    let newest = known.keys().next_back().copied().unwrap_or(previous);
    let timeline = newest.max(previous) + 1;
    server.log(pid, "LOG", &format!("selected new timeline ID: {timeline}"));
    let history = {
        let mut history = lock(&server.facts.history).clone();
        history.0.push((previous, end));
        history
    };
    let file = format!("pg_wal/{}", history::file_name(timeline));
    write_new(server, &file, &history.text()).await?;
    wal.switch(end, timeline).await?;
    set_history(server, history);
    end_recovery(server)?;
    let record = Entry::EndOfRecovery { timeline, previous };
    wal.flush(wal.append(record)).await;
    remove_file(
        server.disk(),
        &format!("{}/{STANDBY_FILE}", server.config.data),
    )
    .await?;
    server.log(pid, "LOG", "archive recovery complete");
    let _one = server.checkpoints.lock().await;
    server.checkpoint(Doing::InProduction, "force").await
}

/// Notes where the timelines before the current one ended.
pub fn set_history(server: &Server, history: History) {
    *lock(&server.facts.history) = history;
}
