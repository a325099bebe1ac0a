//! A start: a new data folder is made, or what the disk has is replayed.
//!
//! The log ends where there is no whole record; that is what a kill or a power loss leaves, and it is
//! cut off. A record further on that knows the place to have been durable once shows damage instead,
//! and then the server refuses to start: it would lose what was acknowledged.

use std::sync::Arc;

use super::checkpoint;
use super::control::{Control, Doing, read_control, read_file, remove_file};
use super::log::LogError;
use super::lsn::{ALIGNMENT, Lsn};
use super::record::{NoRecord, WalRecord};
use super::segment::{Segment, Segments};
use super::snapshot::Snapshot;
use crate::engine::context::{Recovery, lock, wall_us};
use crate::error::{Error, PgError};
use crate::registry::Admission;
use crate::replication::{history, standby};
use crate::server::Server;
use crate::session;
use crate::value::time;

/// The mark of a data folder; the official image looks for it.
const VERSION_FILE: &str = "PG_VERSION";
/// What the image says of a data folder that has something.
const FOUND: &str =
    "PostgreSQL Database directory appears to contain a database; Skipping initialization";
/// Says that the server is a standby (manual, 27.2.4).
pub const STANDBY_FILE: &str = "standby.signal";

/// Runs the server's own part: starts it up, and then makes checkpoints, for ever.
/// `listening` is said once it is known what starts.
pub async fn run(server: &Arc<Server>, listening: &[String]) -> Result<(), Error> {
    let (disk, data) = (server.disk(), &server.config.data);
    let control = read_control(disk, data).await?;
    let has_version = read_file(disk, &format!("{data}/{VERSION_FILE}"))
        .await?
        .is_some();
    let begin = || {
        server.log(1, "LOG", "starting PostgreSQL 15.14 (pg-stub)");
        for line in listening {
            server.log(1, "LOG", line);
        }
    };
    match control.filter(|_| has_version) {
        None => {
            initialize(server).await?;
            begin();
        }
        Some(control) => {
            if server.config.replica.is_none() {
                server.say(FOUND);
            }
            begin();
            recover(server, control).await?;
        }
    }
    server.open(Admission::Open);
    server.log(1, "LOG", "database system is ready to accept connections");
    checkpoint::run(server).await
}

/// `initdb` and the scripts of the official image.
async fn initialize(server: &Arc<Server>) -> Result<(), Error> {
    let (disk, data) = (server.disk(), &server.config.data);
    // What an earlier attempt has left.
    for folder in ["base", "global", "pg_wal"] {
        let folder = format!("{data}/{folder}");
        for file in disk.list(&folder).await.unwrap_or_default() {
            remove_file(disk, &format!("{folder}/{file}")).await?;
        }
    }
    server.create_database("postgres", None)?;
    if server.config.database != "postgres" {
        server.create_database(&server.config.database, None)?;
    }
    let now_us = wall_us();
    // As PostgreSQL makes it: seconds, microseconds, process id (xlog.c).
    let (s, us) = (now_us.div_euclid(1_000_000), now_us.rem_euclid(1_000_000));
    lock(&server.control).system = (s as u64) << 32 | (us as u64) << 12 | 1;
    *lock(&server.facts.recovery) = Recovery::Done;
    server.facts.wal.resume(1, Segments::default(), Lsn::FIRST);
    server.write_hba().await?;
    let snapshot = server.snapshot(true)?;
    server.keep(&snapshot, Doing::InProduction).await?;
    // Last, so that a folder that has it is whole.
    write_new(server, VERSION_FILE, "15\n").await?;
    session::init::run_scripts(server).await
}

/// Writes a small file that is not there yet, or replaces it.
pub async fn write_new(server: &Server, name: &str, text: &str) -> Result<(), LogError> {
    let path = format!("{}/{name}", server.config.data);
    super::control::replace_file(server.disk(), &path, text.as_bytes().to_vec()).await
}

/// Goes on from what the disk has.
async fn recover(server: &Arc<Server>, control: Control) -> Result<(), Error> {
    let (disk, data) = (server.disk(), &server.config.data);
    *lock(&server.control) = control;
    server.read_hba().await?;
    let at = time::shown_utc(control.time_us);
    let said = match control.doing {
        Doing::ShutDown => format!("database system was shut down at {at}"),
        Doing::InProduction => {
            format!("database system was interrupted; last known up at {at}")
        }
        Doing::InArchiveRecovery => {
            format!("database system was interrupted while in recovery at log time {at}")
        }
    };
    server.log(server.pids.startup, "LOG", &said);
    let path = format!("{data}/{}", control.snapshot_file());
    let snapshot = read_file(disk, &path).await?;
    let snapshot = snapshot.as_deref().and_then(Snapshot::decode);
    let snapshot = snapshot.ok_or_else(|| Error::Damaged {
        file: path,
        offset: 0,
        what: "the checkpoint's data is not there or not whole".to_owned(),
    })?;
    server.restore(&snapshot)?;
    let path = format!("{data}/{STANDBY_FILE}");
    let is_standby = read_file(disk, &path).await?.is_some();
    let found = read_log(server, control.redo, is_standby).await?;
    let histories = history::read_all(disk, server.facts.wal.folder()).await?;
    let newest = histories.keys().next_back().copied().unwrap_or(1);
    let timeline = found.timeline.max(control.timeline);
    let timeline = if is_standby {
        timeline
    } else {
        timeline.max(newest)
    };
    *lock(&server.facts.history) = histories.get(&timeline).cloned().unwrap_or_default();
    let Found {
        end,
        stop,
        segments,
        ..
    } = found;
    server.facts.wal.resume(timeline, segments, end);
    server.facts.wal.switch(end, timeline).await?;
    server.facts.standby.start(control.redo);
    let interrupted = control.doing != Doing::ShutDown;
    match is_standby {
        true => standby::run(server, control, &stop).await,
        false => crash_recovery(server, interrupted, end, &stop).await,
    }
}

/// Replays all there is, as a primary does that did not stop in order.
async fn crash_recovery(
    server: &Arc<Server>,
    crashed: bool,
    end: Lsn,
    stop: &NoRecord,
) -> Result<(), Error> {
    let pid = server.pids.startup;
    let redo = server.facts.standby.replayed();
    if crashed {
        let said = "database system was not properly shut down; automatic recovery in progress";
        server.log(pid, "LOG", said);
        match redo < end {
            true => server.log(pid, "LOG", &format!("redo starts at {redo}")),
            false => server.log(pid, "LOG", "redo is not required"),
        }
    }
    let mut last = redo;
    while let Some((record, after)) = server.next_record(end)? {
        last = record.lsn;
        server.replay(&record, after)?;
    }
    let consistent = lock(&server.control).consistent;
    if end < consistent {
        return Err(Error::Damaged {
            file: server.facts.wal.file_at(end),
            offset: 0,
            what: format!("WAL ends at {end}, before the consistent recovery point {consistent}"),
        });
    }
    end_recovery(server)?;
    if crashed {
        if redo < end {
            server.log(pid, "LOG", &stop.to_string());
            server.log(pid, "LOG", &format!("redo done at {last}"));
        }
        let why = "end-of-recovery immediate wait";
        server.checkpoint(Doing::InProduction, why).await?;
    } else {
        let control = Control {
            doing: Doing::InProduction,
            time_us: wall_us(),
            ..*lock(&server.control)
        };
        server.set_control(control).await?;
    }
    Ok(())
}

/// From here on the server may write.
pub fn end_recovery(server: &Server) -> Result<(), Error> {
    for database in server.databases() {
        let done = database.end_recovery();
        done.map_err(|error| Error::Engine(error.to_string()))?;
    }
    *lock(&server.facts.recovery) = Recovery::Done;
    Ok(())
}

/// The log as the disk has it.
struct Found {
    segments: Segments,
    timeline: u32,
    /// The place after the last whole record.
    end: Lsn,
    /// What is there instead of another.
    stop: NoRecord,
}

async fn read_log(server: &Server, redo: Lsn, is_standby: bool) -> Result<Found, Error> {
    let (disk, folder) = (server.disk(), server.facts.wal.folder());
    let names = disk.list(folder).await;
    let names = names.map_err(|source| LogError::of("read", folder, source))?;
    let mut all: Vec<Segment> = names.iter().filter_map(|n| Segment::of_file(n)).collect();
    all.sort_by_key(|segment| (segment.start, segment.timeline));
    for segment in &mut all {
        let path = format!("{folder}/{}", segment.file_name());
        if let Some(bytes) = read_file(disk, &path).await? {
            segment.bytes = bytes.to_vec();
        }
    }
    let mut chain = Segments::default();
    for segment in &all {
        let is_newer = chain
            .0
            .last()
            .is_some_and(|last| last.timeline < segment.timeline);
        if is_newer && segment.start < chain.end() {
            // A later timeline left the earlier one here; what follows there is another history.
            chain.cut(segment.start);
        }
        if chain.0.is_empty() || segment.start == chain.end() {
            chain.0.push(segment.clone());
        }
    }
    let timeline = chain.0.last().map_or(1, |segment| segment.timeline);
    let bytes = chain.copy(redo, chain.end(), usize::MAX);
    let mut end = redo;
    let stop = loop {
        let rest = &bytes[end.since(redo) as usize..];
        match WalRecord::decode(rest, end) {
            Ok((_, length)) => end = end.plus(length),
            Err(stop) => break stop,
        }
    };
    // A standby fetches from its primary what is not whole; it never vouched for its own order.
    if !is_standby && was_durable(&all, end) {
        return Err(damaged(&chain, folder, end, &stop));
    }
    Ok(Found {
        segments: chain,
        timeline,
        end,
        stop,
    })
}

/// Whether a record after `place` knows that the log was durable beyond it.
fn was_durable(all: &[Segment], place: Lsn) -> bool {
    all.iter()
        .filter(|segment| segment.end() > place)
        .any(|segment| {
            let from = place.plus(ALIGNMENT).since(segment.start) as usize;
            (from..segment.bytes.len()).step_by(ALIGNMENT).any(|at| {
                let found = WalRecord::decode(&segment.bytes[at..], segment.start.plus(at));
                found.is_ok_and(|(record, _)| record.durable > place)
            })
        })
}

fn damaged(chain: &Segments, folder: &str, place: Lsn, stop: &NoRecord) -> Error {
    let (file, start) = match chain.at(place) {
        Some(segment) => (segment.file_name(), segment.start),
        None => ("(no file)".to_owned(), place),
    };
    Error::Damaged {
        file: format!("{folder}/{file}"),
        offset: place.since(start),
        what: format!("{stop}, and the log goes on behind it"),
    }
}

impl Server {
    /// The record that is replayed next, of those before `end`, and the place after it.
    pub fn next_record(&self, end: Lsn) -> Result<Option<(WalRecord, Lsn)>, Error> {
        let at = self.facts.standby.replayed();
        if at >= end {
            return Ok(None);
        }
        match self.facts.wal.record(at) {
            Ok(record) => Ok(Some(record)),
            Err(NoRecord::End { .. }) => Ok(None),
            Err(wrong) => Err(Error::Damaged {
                file: format!("{}/{}", self.facts.wal.folder(), self.facts.wal.file_at(at)),
                offset: 0,
                what: wrong.to_string(),
            }),
        }
    }

    /// Replays a record that ends at `end`, and notes that it is done.
    pub fn replay(&self, record: &WalRecord, end: Lsn) -> Result<(), Error> {
        let done = self.apply(&record.entry, end);
        done.map_err(|error: PgError| Error::Engine(format!("replay at {}: {error}", record.lsn)))?;
        let commit = matches!(record.entry, super::record::Entry::Commit { .. });
        self.facts
            .standby
            .advance(end, commit.then_some(record.time_us));
        Ok(())
    }
}
