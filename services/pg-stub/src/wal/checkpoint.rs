//! Checkpoints: a snapshot now and then, so that recovery is short and old log can go.
//!
//! Begun by the size of the log since the last one and by a stop. Deliberately absent:
//! `checkpoint_timeout`, and spreading the work over time.

use std::sync::Arc;
use std::time::Duration;

use super::control::{CONTROL_FILE, Control, Doing, remove_file, replace_file, snapshot_file};
use super::lsn::Lsn;
use super::record::Entry;
use super::snapshot::Snapshot;
use crate::engine::context::{lock, wall_us};
use crate::error::Error;
use crate::server::Server;

/// So much log makes a checkpoint due, where `max_wal_size` does not ask for less: the databases are
/// in memory, and replaying so much takes well below a second.
const DUE_BYTES: u64 = 16 << 20;
/// How long a stop waits for its checkpoint.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);

impl Server {
    /// All databases at one place. A commit that the log has and that is not seen yet (it may wait
    /// for a standby, which may want this very snapshot) is replayed from the log.
    /// `exact` is for a stop: sequences are not moved past what the log vouches for.
    pub fn snapshot(&self, exact: bool) -> Result<Snapshot, Error> {
        let end = match self.facts.in_recovery() {
            true => self.facts.standby.replayed(),
            false => self.facts.wal.inserted(),
        };
        let databases = self.databases();
        let pending = databases.iter().filter_map(|database| database.pending());
        let redo = pending.min().unwrap_or(end).min(end);
        let images = databases.iter().map(|database| database.image(exact));
        Ok(Snapshot {
            redo,
            end,
            roles: self.roles(),
            databases: images.collect::<Result<_, _>>().map_err(engine)?,
        })
    }

    /// Makes a checkpoint, and drops the log before it.
    pub async fn checkpoint(&self, doing: Doing, why: &str) -> Result<(), Error> {
        let word = match doing {
            Doing::InArchiveRecovery => "restartpoint",
            _ => "checkpoint",
        };
        self.log(
            self.pids.checkpointer,
            "LOG",
            &format!("{word} starting: {why}"),
        );
        // The log before the checkpoint is in files of its own, which can go one day.
        self.facts.wal.rotate();
        let snapshot = self.snapshot(doing == Doing::ShutDown)?;
        self.facts.wal.flush(snapshot.end).await;
        self.keep(&snapshot, doing).await?;
        if doing != Doing::InArchiveRecovery {
            let shutdown = doing == Doing::ShutDown;
            let redo = snapshot.redo;
            let end = self.facts.wal.append(Entry::Checkpoint { redo, shutdown });
            self.facts.wal.flush(end).await;
        }
        let keep = self.keep_from(snapshot.redo);
        let removed = self.facts.wal.remove_before(keep).await?;
        let message = format!(
            "{word} complete: wrote {} databases; 0 WAL file(s) added, {removed} removed, 0 recycled; \
             redo at {}",
            snapshot.databases.len(),
            snapshot.redo
        );
        self.log(self.pids.checkpointer, "LOG", &message);
        Ok(())
    }

    /// Writes a snapshot and points the control file to it.
    pub async fn keep(&self, snapshot: &Snapshot, doing: Doing) -> Result<(), Error> {
        let disk = self.disk();
        let data = &self.config.data;
        let path = format!("{data}/{}", snapshot_file(snapshot.redo));
        replace_file(disk, &path, snapshot.encode()).await?;
        let control = Control {
            timeline: self.facts.wal.timeline(),
            doing,
            redo: snapshot.redo,
            consistent: snapshot.end,
            time_us: wall_us(),
            ..*lock(&self.control)
        };
        self.set_control(control).await?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let folder = format!("{data}/base");
        let known = disk.list(&folder).await.unwrap_or_default();
        for old in known.iter().filter(|file| *file != name) {
            remove_file(disk, &format!("{folder}/{old}")).await?;
        }
        Ok(())
    }

    /// Writes the control file.
    pub async fn set_control(&self, control: Control) -> Result<(), Error> {
        let path = format!("{}/{CONTROL_FILE}", self.config.data);
        replace_file(self.disk(), &path, control.encode()).await?;
        *lock(&self.control) = control;
        Ok(())
    }

    /// The first place of the log that somebody may still want.
    fn keep_from(&self, redo: Lsn) -> Lsn {
        let size = self.config.bytes("wal_keep_size");
        let kept = Lsn(self.facts.wal.flushed().0.saturating_sub(size));
        let slots = self.senders.oldest_slot().unwrap_or(redo);
        redo.min(kept).min(slots)
    }

    /// Whether so much was written since the last checkpoint that one is due.
    pub fn checkpoint_due(&self, at: Lsn) -> bool {
        let most = (self.config.bytes("max_wal_size") / 2).min(DUE_BYTES);
        at.since(lock(&self.control).redo) >= most
    }
}

fn engine(error: rusqlite::Error) -> Error {
    Error::Engine(error.to_string())
}

/// Makes checkpoints while the server writes, for ever.
pub async fn run(server: &Arc<Server>) -> Result<(), Error> {
    let mut flushed = server.facts.wal.watch();
    loop {
        let is_gone = flushed
            .wait_for(|at| server.checkpoint_due(*at))
            .await
            .is_err();
        if is_gone {
            std::future::pending::<()>().await;
        }
        let _one = server.checkpoints.lock().await;
        server.checkpoint(Doing::InProduction, "wal").await?;
    }
}

/// The last checkpoint of a server that stops. Whatever cannot be had in time is recovered from the
/// log at the next start.
pub async fn stop(server: &Arc<Server>) -> Result<(), Error> {
    let (doing, why) = match server.facts.in_recovery() {
        true => (Doing::InArchiveRecovery, "shutdown immediate"),
        false => (Doing::ShutDown, "shutdown immediate"),
    };
    match tokio::time::timeout(STOP_WAIT_MAX, server.checkpoint(doing, why)).await {
        Ok(done) => done,
        Err(_) => Ok(()),
    }
}
