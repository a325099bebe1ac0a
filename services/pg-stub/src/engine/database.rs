//! One PostgreSQL database: its two stores, its writer's lock, its commits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rusqlite::types::Value;

use super::context::{Context, lock};
use super::errors::translate;
use super::record::{Change, Mark, Record, quote};
use super::rows::{Format, Rows};
use super::store::{Sequence, Sequences, Store, Table};
use crate::error::{Error, PgError};
use crate::sql::plan::{Plan, PlanKind};
use crate::wal::lsn::Lsn;
use crate::wal::snapshot::DatabaseImage;

/// Which of the two stores a statement runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is committed.
    Committed,
    /// What the writing transaction sees.
    Working,
}

/// A database.
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its OID in `pg_database`.
    pub oid: u32,
    /// Held by the transaction that writes.
    pub writer: Arc<tokio::sync::Mutex<()>>,
    /// Its sequences.
    pub sequences: Sequences,
    /// Sequences as they were before the open transaction made, ended or restarted them.
    pub uncommitted_sequences: Mutex<BTreeMap<String, Option<Sequence>>>,
    inner: Mutex<Inner>,
}

struct Inner {
    committed: Store,
    working: Store,
    record: Record,
    commits: u64,
    /// Up to where the log is in `committed`.
    applied: Lsn,
    /// Where the log has a commit that is not in `committed` yet.
    pending: Option<Lsn>,
    schema_epoch: u64,
    schema_dirty: bool,
}

/// What a statement did.
#[derive(Debug)]
pub struct Outcome {
    /// The rows that it answers with.
    pub rows: Rows,
    /// Rows changed, for the tag.
    pub changed: usize,
}

impl Database {
    /// An empty database.
    pub fn new(name: &str, oid: u32) -> Result<Self, Error> {
        let sequences = Sequences::default();
        Ok(Self {
            name: name.to_owned(),
            oid,
            writer: Arc::default(),
            uncommitted_sequences: Mutex::default(),
            inner: Mutex::new(Inner {
                committed: Store::new(&sequences, true)?,
                working: Store::new(&sequences, false)?,
                record: Record::default(),
                commits: 0,
                applied: Lsn::default(),
                pending: None,
                schema_epoch: 0,
                schema_dirty: false,
            }),
            sequences,
        })
    }

    /// Changes with every change of the committed schema; plans made before are void.
    pub fn schema_epoch(&self) -> u64 {
        lock(&self.inner).schema_epoch
    }

    /// Whether the open transaction changed the schema.
    pub fn schema_dirty(&self) -> bool {
        lock(&self.inner).schema_dirty
    }

    /// How many transactions have written and committed.
    pub fn commits(&self) -> u64 {
        lock(&self.inner).commits
    }

    /// A table as one side sees it.
    pub fn table(&self, side: Side, name: &str) -> Result<Option<Arc<Table>>, PgError> {
        let mut inner = lock(&self.inner);
        let store = inner.store(side);
        store
            .table(name)
            .map_err(|error| translate(store, error, None))
    }

    /// A view's definition as one side sees it.
    pub fn view(&self, side: Side, name: &str) -> Result<Option<String>, PgError> {
        let mut inner = lock(&self.inner);
        let store = inner.store(side);
        store
            .view(name)
            .map_err(|error| translate(store, error, None))
    }

    /// Whether a relation that SQLite knows (table or index) exists.
    pub fn index_exists(&self, side: Side, name: &str) -> Result<bool, PgError> {
        let mut inner = lock(&self.inner);
        let store = inner.store(side);
        let exists = || {
            store
                .connection
                .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1")?
                .exists([name])
        };
        exists().map_err(|error| translate(store, error, None))
    }

    /// Runs a plan to its end. `context` comes back as the statement left it.
    pub fn run(
        &self,
        side: Side,
        plan: &Plan,
        parameters: &[Value],
        formats: &[Format],
        context: &mut Context,
    ) -> Result<Outcome, PgError> {
        let mut inner = lock(&self.inner);
        if let PlanKind::Schema = plan.kind {
            return inner.run_schema(plan, context);
        }
        let (result, after) = inner.store(side).with(context.clone(), |store| {
            run_on(store, plan, parameters, formats)
        });
        *context = after;
        result
    }

    /// The values of constant expressions, as text.
    pub fn evaluate(
        &self,
        side: Side,
        expressions: &[String],
        context: &mut Context,
    ) -> Result<Vec<Value>, PgError> {
        if expressions.is_empty() {
            return Ok(Vec::new());
        }
        let mut inner = lock(&self.inner);
        let sql = format!("SELECT {}", expressions.join(", "));
        let (result, after) = inner.store(side).with(context.clone(), |store| {
            store
                .connection
                .query_row(&sql, [], |row| {
                    (0..expressions.len()).map(|i| row.get(i)).collect()
                })
                .map_err(|error| translate(store, error, None))
        });
        *context = after;
        result
    }

    /// Opens the writing transaction; the caller holds [`Database::writer`].
    pub fn begin(&self) -> Result<(), PgError> {
        let mut inner = lock(&self.inner);
        inner.record = Record::default();
        inner.working.take_touched();
        inner.batch_working("BEGIN")
    }

    /// Ends the writing transaction well, or, on an error, undoes it. Nobody else sees what it did
    /// before [`Database::publish`]; until then the caller keeps [`Database::writer`].
    pub fn prepare_commit(&self) -> Result<Record, PgError> {
        let mut inner = lock(&self.inner);
        let result = inner.prepare_commit();
        if result.is_err() {
            inner.rollback();
        }
        result
    }

    /// Notes that the log has a commit at `start` that is to be published.
    pub fn pend(&self, start: Lsn) {
        lock(&self.inner).pending = Some(start);
    }

    /// Where the log has a commit that is not published.
    pub fn pending(&self) -> Option<Lsn> {
        lock(&self.inner).pending
    }

    /// Makes a committed transaction visible to all. `end` is the place after it in the log.
    pub fn publish(&self, changes: &[Change], end: Lsn) -> Result<(), PgError> {
        lock(&self.inner).publish(changes, end)
    }

    /// Does what a transaction elsewhere did, unless it is here already.
    pub fn replay(
        &self,
        changes: &[Change],
        sequences: &[(String, Option<Sequence>)],
        end: Lsn,
    ) -> Result<(), PgError> {
        let mut inner = lock(&self.inner);
        if end <= inner.applied {
            return Ok(());
        }
        let mut all = lock(&self.sequences);
        for (name, sequence) in sequences {
            match sequence {
                Some(sequence) => all.insert(name.clone(), *sequence),
                None => all.remove(name),
            };
        }
        inner.schema_dirty |= changes.iter().any(|c| matches!(c, Change::Schema(_)));
        inner.publish(changes, end)
    }

    /// Lets the writing side begin from what is committed.
    pub fn end_recovery(&self) -> rusqlite::Result<()> {
        let mut inner = lock(&self.inner);
        let pages = inner.committed.pages()?;
        inner.working.load(&pages)
    }

    /// What is committed. Where not `exact`, sequences are as the log vouches for them.
    pub fn image(&self, exact: bool) -> rusqlite::Result<DatabaseImage> {
        let mut inner = lock(&self.inner);
        let mut all = lock(&self.sequences).clone();
        for (name, before) in lock(&self.uncommitted_sequences).iter() {
            match before {
                Some(before) => all.insert(name.clone(), *before),
                None => all.remove(name),
            };
        }
        let sequences = all
            .iter()
            .map(|(name, sequence)| match exact {
                true => (name.clone(), *sequence),
                false => (name.clone(), sequence.as_logged()),
            })
            .collect();
        Ok(DatabaseImage {
            name: self.name.clone(),
            oid: self.oid,
            applied: inner.applied,
            sequences,
            pages: inner.committed.pages()?,
        })
    }

    /// A database as it was.
    pub fn of_image(image: &DatabaseImage) -> Result<Self, Error> {
        let database = Self::new(&image.name, image.oid)?;
        lock(&database.sequences).extend(image.sequences.iter().cloned());
        let mut inner = lock(&database.inner);
        let loaded = inner.committed.load(&image.pages);
        loaded.map_err(|error| Error::Engine(error.to_string()))?;
        inner.applied = image.applied;
        drop(inner);
        Ok(database)
    }

    /// Undoes the writing transaction.
    pub fn rollback(&self) {
        lock(&self.inner).rollback();
    }

    /// Sets a savepoint; `level` tells savepoints of one transaction apart.
    pub fn savepoint(&self, level: usize) -> Result<Mark, PgError> {
        let mut inner = lock(&self.inner);
        inner.batch_working(&format!("SAVEPOINT s{level}"))?;
        Ok(inner.record.changes.len())
    }

    /// Goes back to a savepoint, which stays.
    pub fn rollback_to(&self, level: usize, mark: Mark) -> Result<(), PgError> {
        let mut inner = lock(&self.inner);
        inner.batch_working(&format!("ROLLBACK TO s{level}"))?;
        let again = inner.record.truncate(mark);
        inner.working.touch(again);
        inner.working.schema_changed();
        Ok(())
    }

    /// Forgets a savepoint.
    pub fn release(&self, level: usize) -> Result<(), PgError> {
        lock(&self.inner).batch_working(&format!("RELEASE s{level}"))
    }
}

impl Inner {
    fn store(&mut self, side: Side) -> &mut Store {
        match side {
            Side::Committed => &mut self.committed,
            Side::Working => &mut self.working,
        }
    }

    fn batch_working(&mut self, sql: &str) -> Result<(), PgError> {
        self.working
            .connection
            .execute_batch(sql)
            .map_err(|error| translate(&self.working, error, None))
    }

    fn take_rows(&mut self) -> Result<(), PgError> {
        let touched = self.working.take_touched();
        self.record
            .take_rows(&self.working.connection, touched)
            .map_err(|error| translate(&self.working, error, None))
    }

    fn run_schema(&mut self, plan: &Plan, context: &mut Context) -> Result<Outcome, PgError> {
        self.take_rows()?;
        let (result, after) = self.working.with(context.clone(), |store| {
            store
                .connection
                .execute_batch(&plan.sql)
                .map_err(|error| translate(store, error, plan.table.as_deref()))
        });
        *context = after;
        // Rows that a schema change rewrote are rewritten by the same statement on the other side.
        self.working.take_touched();
        self.working.schema_changed();
        result?;
        self.schema_dirty = true;
        self.record.changes.push(Change::Schema(plan.sql.clone()));
        Ok(Outcome {
            rows: Rows::default(),
            changed: 0,
        })
    }

    fn prepare_commit(&mut self) -> Result<Record, PgError> {
        self.take_rows()?;
        self.working
            .connection
            .execute_batch("COMMIT")
            .map_err(|error| translate(&self.working, error, None))?;
        Ok(std::mem::take(&mut self.record))
    }

    fn publish(&mut self, changes: &[Change], end: Lsn) -> Result<(), PgError> {
        let internal = |error: rusqlite::Error| PgError::new("XX000", format!("commit: {error}"));
        if !changes.is_empty() {
            let mirror = &self.committed.connection;
            mirror.execute_batch("BEGIN").map_err(internal)?;
            super::record::apply(changes, mirror).map_err(internal)?;
            mirror.execute_batch("COMMIT").map_err(internal)?;
            self.commits += 1;
        }
        self.applied = self.applied.max(end);
        self.pending = None;
        if std::mem::take(&mut self.schema_dirty) {
            self.schema_epoch += 1;
            self.committed.schema_changed();
        }
        Ok(())
    }

    fn rollback(&mut self) {
        for store in [&self.working, &self.committed] {
            if !store.connection.is_autocommit() {
                // In memory, going back needs nothing that could be missing.
                let _ = store.connection.execute_batch("ROLLBACK");
            }
        }
        self.working.take_touched();
        self.record = Record::default();
        if std::mem::take(&mut self.schema_dirty) {
            self.working.schema_changed();
        }
    }
}

fn run_on(
    store: &mut Store,
    plan: &Plan,
    parameters: &[Value],
    formats: &[Format],
) -> Result<Outcome, PgError> {
    let table = plan.table.as_deref();
    let failed = |error| translate(store, error, table);
    let mut statement = store.connection.prepare_cached(&plan.sql).map_err(failed)?;
    for i in 1..=statement.parameter_count() {
        let value = parameters.get(i - 1).unwrap_or(&Value::Null);
        statement.raw_bind_parameter(i, value).map_err(failed)?;
    }
    let mut rows = Rows::default();
    if plan.columns.is_empty() && plan.kind != PlanKind::Read {
        statement.raw_execute().map_err(failed)?;
    } else {
        let mut found = statement.raw_query();
        loop {
            match found.next() {
                Ok(Some(row)) => {
                    rows.push(&plan.columns, formats, |i| row.get_ref(i).map_err(failed))?;
                }
                Ok(None) => break,
                Err(error) => return Err(failed(error)),
            }
        }
    }
    let changed = match plan.kind {
        PlanKind::Read | PlanKind::Schema => 0,
        PlanKind::Write => store.connection.changes() as usize,
    };
    Ok(Outcome { rows, changed })
}

/// `DELETE FROM` of all rows: TRUNCATE, and cheaper than row by row in the record.
pub fn truncate_sql(table: &str) -> String {
    format!("DELETE FROM {}", quote(table))
}
