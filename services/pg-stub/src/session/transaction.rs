//! Transaction blocks, savepoints and the writer's lock.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::{Session, Stop};
use crate::engine::context::{lock, wall_us};
use crate::engine::database::Side;
use crate::engine::record::{Mark, Record};
use crate::engine::store::Sequence;
use crate::error::PgError;
use crate::settings;
use crate::sql::plan::Modes;
use crate::wal::lsn::Lsn;

/// The longest wait for the writer's lock where `lock_timeout` says nothing. PostgreSQL waits for
/// ever and has a deadlock detector; one lock cannot deadlock, but its holder can stay away.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(120);
/// Savepoints in one transaction.
const SAVEPOINTS_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Status {
    /// Each statement is a transaction.
    #[default]
    Idle,
    /// Several statements of one message, or up to Sync, are a transaction.
    Implicit,
    /// Between BEGIN and COMMIT.
    Block,
    /// A block in which a statement failed.
    Failed,
}

struct Savepoint {
    name: String,
    level: usize,
    /// Where it stands in the record; `None` when nothing was written before it.
    mark: Option<Mark>,
    /// How many changes of sequences came before it.
    sequences: usize,
}

/// The transaction of a session.
#[derive(Default)]
pub(super) struct Transaction {
    status: Status,
    /// The lock, while this transaction writes.
    writer: Option<OwnedMutexGuard<()>>,
    savepoints: Vec<Savepoint>,
    levels: usize,
    /// Sequences as they were before this transaction made, ended or restarted them.
    sequences: Vec<(String, Option<Sequence>)>,
    /// Up to where the log must be durable before the end is answered.
    logged: Option<Lsn>,
    started: bool,
    read_only: Option<bool>,
    snapshot: Option<bool>,
    /// SET LOCAL.
    pub(super) local: BTreeMap<String, String>,
    /// The session's settings before the first SET in this transaction.
    before: Option<BTreeMap<String, String>>,
}

impl Transaction {
    /// Whether a client sees an open block.
    pub(super) fn in_block(&self) -> bool {
        matches!(self.status, Status::Block | Status::Failed)
    }

    /// Whether the block can only be ended.
    pub(super) fn failed(&self) -> bool {
        self.status == Status::Failed
    }

    /// Whether more than one statement belongs to the transaction.
    pub(super) fn is_open(&self) -> bool {
        self.status != Status::Idle
    }

    /// Something of it is in the log now.
    pub(super) fn wrote(&mut self, end: Option<Lsn>) {
        self.logged = self.logged.max(end);
    }

    /// Where statements run.
    pub(super) fn side(&self) -> Side {
        if self.writer.is_some() {
            Side::Working
        } else {
            Side::Committed
        }
    }
}

/// `25P02`.
pub(super) fn aborted() -> PgError {
    PgError::new(
        "25P02",
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

impl Session {
    /// Notes the times of a statement and of its transaction.
    pub(super) fn start_statement(&mut self) {
        let now = wall_us();
        self.context.statement_us = now;
        if !self.transaction.started {
            self.transaction.started = true;
            self.context.transaction_us = now;
        }
        self.context.read_only = self.read_only();
    }

    /// Makes the statements that follow one transaction, until [`Session::end_transaction`].
    pub(super) fn start_implicit(&mut self) {
        if self.transaction.status == Status::Idle {
            self.transaction.status = Status::Implicit;
        }
    }

    /// Ends what [`Session::start_implicit`] began; a block stays.
    pub(super) async fn end_implicit(&mut self) -> Result<(), Stop> {
        match self.transaction.status {
            Status::Implicit | Status::Idle => self.commit().await,
            Status::Block | Status::Failed => Ok(()),
        }
    }

    /// BEGIN.
    pub(super) fn begin_block(&mut self, modes: Modes) -> Option<PgError> {
        let warning = (self.transaction.status == Status::Block)
            .then(|| PgError::warning("25001", "there is already a transaction in progress"));
        self.transaction.status = Status::Block;
        self.set_modes(modes);
        warning
    }

    pub(super) fn set_modes(&mut self, modes: Modes) {
        if modes.read_only.is_some() {
            self.transaction.read_only = modes.read_only;
        }
        if modes.snapshot.is_some() {
            self.transaction.snapshot = modes.snapshot;
        }
    }

    /// Whether the transaction may not write; recovery decides over everything.
    pub(super) fn read_only(&self) -> bool {
        if self.server.facts.in_recovery() {
            return true;
        }
        let setting = |name: &str| {
            settings::lookup(&self.context.settings, name)
                .and_then(|value| settings::parse_bool(&value))
                .unwrap_or(false)
        };
        self.transaction.read_only.unwrap_or_else(|| {
            setting("default_transaction_read_only") || setting("transaction_read_only")
        })
    }

    /// Whether the transaction must see one state throughout. It then holds the writer's lock from
    /// its first statement, so nothing changes beside it: stricter than PostgreSQL, never 40001.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.transaction.snapshot.unwrap_or_else(|| {
            let level = |name: &str| settings::lookup(&self.context.settings, name);
            matches!(
                level("default_transaction_isolation").as_deref(),
                Some("serializable" | "repeatable read")
            )
        })
    }

    /// The isolation level that SHOW tells.
    pub(super) fn isolation(&self) -> &'static str {
        if self.wants_snapshot() {
            "serializable"
        } else {
            "read committed"
        }
    }

    /// Waits for the writer's lock and opens the writing transaction.
    pub(super) async fn start_writing(&mut self) -> Result<(), Stop> {
        // Nothing writes on a standby, so there is nothing to keep away.
        if self.transaction.writer.is_some() || self.server.facts.in_recovery() {
            return Ok(());
        }
        let lock = self.database.writer.clone();
        let guard = match lock.clone().try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => {
                let limit = match self.time_setting_ms("lock_timeout") {
                    0 => LOCK_WAIT_MAX,
                    ms => Duration::from_millis(ms),
                };
                let timeout = PgError::new("55P03", "canceling statement due to lock timeout");
                self.wait_for(lock.lock_owned(), Some((limit, timeout)))
                    .await?
            }
        };
        self.database.begin()?;
        self.transaction.writer = Some(guard);
        Ok(())
    }

    /// Notes a failed statement: a block cannot go on, anything else is undone.
    pub(super) fn transaction_failed(&mut self) {
        match self.transaction.status {
            Status::Block | Status::Failed => {
                self.transaction.status = Status::Failed;
                // Locks go at once, unless a savepoint may still be gone back to.
                if self.transaction.savepoints.is_empty() {
                    self.undo_writing();
                }
            }
            Status::Idle | Status::Implicit => self.end_transaction(false),
        }
    }

    /// Undoes what was written, and gives the lock back.
    fn undo_writing(&mut self) {
        if self.transaction.writer.is_none() {
            return;
        }
        if self.server.planted().has("pg-stub/rollback-keeps-lock") {
            std::mem::forget(self.transaction.writer.take());
        }
        self.database.rollback();
        self.restore_sequences(0);
        self.transaction.writer = None;
    }

    /// Commits what was written: in the log, durable, and only then seen by others. Where a commit
    /// waits for standbys it keeps its lock meanwhile, as PostgreSQL's does.
    async fn finish_writing(&mut self) -> Result<(), Stop> {
        if self.transaction.writer.is_none() {
            return match self.transaction.logged.take() {
                Some(end) => self.wait_durable(end).await,
                None => Ok(()),
            };
        }
        if self.server.planted().has("pg-stub/answers-before-commit") {
            let (server, database) = (self.server.clone(), self.database.clone());
            let (guard, sequences) = (self.transaction.writer.take(), self.changed_sequences());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if let Ok(record) = database.prepare_commit() {
                    let end = server.log_commit(&database, &record, sequences);
                    drop(database.publish(&record.changes, end.unwrap_or_default()));
                }
                drop(guard);
            });
            return Ok(());
        }
        let record = match self.database.prepare_commit() {
            Ok(record) => record,
            Err(error) => {
                self.restore_sequences(0);
                self.transaction.writer = None;
                return Err(error.into());
            }
        };
        let sequences = self.changed_sequences();
        self.database.pend(self.server.facts.wal.inserted());
        let end = self.server.log_commit(&self.database, &record, sequences);
        self.transaction.wrote(end);
        let waited = match self.transaction.logged.take() {
            Some(end) => self.wait_durable(end).await,
            None => Ok(()),
        };
        let published = self
            .database
            .publish(&record.changes, end.unwrap_or_default());
        if let Err(error) = &published {
            // It is in the log and not here: only a start from the log can make that good.
            self.server.fail(error.message.clone());
        }
        self.transaction.sequences.clear();
        self.transaction.writer = None;
        published?;
        waited
    }

    /// The sequences that this transaction made, ended or restarted, as they are now.
    fn changed_sequences(&mut self) -> Vec<(String, Option<Sequence>)> {
        lock(&self.database.uncommitted_sequences).clear();
        let all = lock(&self.database.sequences);
        let now = |(name, _): (String, _)| {
            let sequence = all.get(&name).map(Sequence::as_logged);
            (name, sequence)
        };
        std::mem::take(&mut self.transaction.sequences)
            .into_iter()
            .map(now)
            .collect()
    }

    /// Puts into the log what statements took of sequences beyond what it covers. That is not undone
    /// with the transaction, and those of another may use it at once.
    pub(super) fn log_sequences(&mut self) {
        let moved = std::mem::take(&mut self.context.sequences_moved);
        if moved.is_empty() {
            return;
        }
        let sequences = {
            let all = lock(&self.database.sequences);
            let own = |name: &String| self.transaction.sequences.iter().any(|(n, _)| n == name);
            let now = |name: String| Some((all.get(&name)?.as_logged(), name));
            let moved = moved.into_iter().filter(|name| !own(name)).filter_map(now);
            moved
                .map(|(sequence, name)| (name, Some(sequence)))
                .collect()
        };
        let end = self
            .server
            .log_commit(&self.database, &Record::default(), sequences);
        self.transaction.wrote(end);
    }

    /// COMMIT, or the end of an implicit transaction. On an error everything is undone.
    pub(super) async fn commit(&mut self) -> Result<(), Stop> {
        let result = self.finish_writing().await;
        let committed = !matches!(result, Err(Stop::Error(_)));
        self.end_transaction(committed);
        result
    }

    /// Ends the transaction: undoes what is not committed, and, where `keep` is false, its SETs.
    pub(super) fn end_transaction(&mut self, keep: bool) {
        self.undo_writing();
        let before = self.transaction.before.take();
        let had_local = !self.transaction.local.is_empty();
        self.transaction = Transaction::default();
        self.portals.clear();
        let undo = !keep && before.is_some();
        if let (true, Some(before)) = (undo, before) {
            self.changed = before;
        }
        if undo || had_local {
            self.settings_changed();
        }
    }

    /// COMMIT or ROLLBACK by the client: the tag, and a warning where there was nothing to end.
    pub(super) async fn end_block(
        &mut self,
        commit: bool,
        chain: bool,
    ) -> Result<(&'static str, Option<PgError>), Stop> {
        let status = self.transaction.status;
        let modes = Modes {
            read_only: self.transaction.read_only,
            snapshot: self.transaction.snapshot,
        };
        let warning = (!matches!(status, Status::Block | Status::Failed))
            .then(|| PgError::warning("25P01", "there is no transaction in progress"));
        if chain && warning.is_some() {
            let word = if commit { "COMMIT" } else { "ROLLBACK" };
            return Err(PgError::new(
                "25P01",
                format!("{word} AND CHAIN can only be used in transaction blocks"),
            )
            .into());
        }
        let tag = if commit && status != Status::Failed {
            self.commit().await?;
            "COMMIT"
        } else {
            self.end_transaction(false);
            "ROLLBACK"
        };
        if chain {
            self.start_statement();
            self.begin_block(modes);
        }
        Ok((tag, warning))
    }

    fn need_block(&self, what: &str) -> Result<(), PgError> {
        if self.transaction.in_block() {
            Ok(())
        } else {
            Err(PgError::new(
                "25P01",
                format!("{what} can only be used in transaction blocks"),
            ))
        }
    }

    /// SAVEPOINT.
    pub(super) fn savepoint(&mut self, name: String) -> Result<(), PgError> {
        self.need_block("SAVEPOINT")?;
        if self.transaction.savepoints.len() >= SAVEPOINTS_MAX {
            return Err(PgError::new(
                "54000",
                format!("pg-stub keeps at most {SAVEPOINTS_MAX} savepoints"),
            ));
        }
        self.transaction.levels += 1;
        let level = self.transaction.levels;
        let mark = match &self.transaction.writer {
            None => None,
            Some(_) => Some(self.database.savepoint(level)?),
        };
        let sequences = self.transaction.sequences.len();
        self.transaction.savepoints.push(Savepoint {
            name,
            level,
            mark,
            sequences,
        });
        Ok(())
    }

    /// Makes, changes or ends a sequence, to be undone with the transaction.
    pub(super) fn replace_sequence(&mut self, name: &str, sequence: Option<Sequence>) {
        let mut all = lock(&self.database.sequences);
        let before = match sequence {
            Some(sequence) => all.insert(name.to_owned(), sequence),
            None => all.remove(name),
        };
        drop(all);
        lock(&self.database.uncommitted_sequences)
            .entry(name.to_owned())
            .or_insert(before);
        self.transaction.sequences.push((name.to_owned(), before));
    }

    /// Undoes all but the first `keep` changes of sequences.
    fn restore_sequences(&mut self, keep: usize) {
        if keep == 0 && !self.transaction.sequences.is_empty() {
            lock(&self.database.uncommitted_sequences).clear();
        }
        let mut all = lock(&self.database.sequences);
        while self.transaction.sequences.len() > keep {
            match self.transaction.sequences.pop() {
                Some((name, Some(sequence))) => all.insert(name, sequence),
                Some((name, None)) => all.remove(&name),
                None => break,
            };
        }
    }

    fn find_savepoint(&self, name: &str) -> Result<usize, PgError> {
        self.transaction
            .savepoints
            .iter()
            .rposition(|savepoint| savepoint.name == name)
            .ok_or_else(|| PgError::new("3B001", format!("savepoint \"{name}\" does not exist")))
    }

    /// ROLLBACK TO SAVEPOINT: the block goes on from there.
    pub(super) fn rollback_to(&mut self, name: &str) -> Result<(), PgError> {
        self.need_block("ROLLBACK TO SAVEPOINT")?;
        let at = self.find_savepoint(name)?;
        let (level, mark) = (
            self.transaction.savepoints[at].level,
            self.transaction.savepoints[at].mark,
        );
        match mark {
            Some(mark) => {
                self.database.rollback_to(level, mark)?;
                self.restore_sequences(self.transaction.savepoints[at].sequences);
            }
            // Nothing was written before it, so nothing is left to keep.
            None => self.undo_writing(),
        }
        self.transaction.savepoints.truncate(at + 1);
        self.transaction.status = Status::Block;
        Ok(())
    }

    /// RELEASE SAVEPOINT.
    pub(super) fn release(&mut self, name: &str) -> Result<(), PgError> {
        self.need_block("RELEASE SAVEPOINT")?;
        let at = self.find_savepoint(name)?;
        let savepoint = &self.transaction.savepoints[at];
        if savepoint.mark.is_some() {
            self.database.release(savepoint.level)?;
        }
        self.transaction.savepoints.truncate(at);
        Ok(())
    }

    /// SET and RESET: undone with the transaction, or for it alone.
    pub(super) fn set(&mut self, name: &str, value: Option<String>, local: bool) {
        let key = name.to_ascii_lowercase();
        if local {
            if self.transaction.is_open() {
                let value = value
                    .or_else(|| settings::lookup(&self.server.settings, &key))
                    .unwrap_or_default();
                self.transaction.local.insert(key, value);
            }
        } else {
            if self.transaction.is_open() && self.transaction.before.is_none() {
                self.transaction.before = Some(self.changed.clone());
            }
            match value {
                Some(value) => self.changed.insert(key, value),
                None => self.changed.remove(&key),
            };
        }
        self.settings_changed();
    }

    /// RESET ALL.
    pub(super) fn reset_all(&mut self) {
        if self.transaction.is_open() && self.transaction.before.is_none() {
            self.transaction.before = Some(self.changed.clone());
        }
        self.changed.clear();
        self.settings_changed();
    }
}
