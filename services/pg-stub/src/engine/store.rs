//! One SQLite database in memory, with our functions, our bounds and what a statement asks about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Action;
use rusqlite::limits::Limit;

use super::context::{Context, lock};
use super::record::RowKey;
use super::{aggregates, functions};
use crate::error::{Error, PgError};
use crate::sql::types::{Column, Ty};

/// Steps of SQLite's virtual machine that one statement may take; about a second of a CPU.
pub const STATEMENT_STEPS_MAX: u64 = 50_000_000;
/// How often the steps are counted.
const STEPS_A_CHECK: i32 = 10_000;
/// The size of a database, in pages of 4 KiB: 256 MiB.
const PAGES_MAX: u32 = 65_536;
/// The longest value or statement of SQLite's.
const LENGTH_MAX: i32 = 32 << 20;
/// Statements that stay prepared.
const STATEMENTS_KEPT: usize = 256;

/// The cell through which functions see the running statement.
pub type Cell = Arc<Mutex<Option<Context>>>;

/// Sequences by name. They are never rolled back, as PostgreSQL's are not.
pub type Sequences = Arc<Mutex<BTreeMap<String, Sequence>>>;

/// A sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The last value given out, or the start while `called` is false.
    pub last: i64,
    /// Whether `last` was given out.
    pub called: bool,
    /// The step.
    pub increment: i64,
    /// Where it starts.
    pub start: i64,
    /// Up to where the log vouches for it; a restart after a crash goes on from there.
    pub logged: Option<i64>,
}

/// How many values of a sequence one record of the log covers (`SEQ_LOG_VALS`, sequence.c).
const SEQUENCE_LOG_VALUES: i64 = 32;

impl Sequence {
    /// Takes the next value; `None` at the end of the numbers. The flag says whether the log must be
    /// told.
    pub fn advance(&mut self) -> Option<(i64, bool)> {
        if self.called {
            self.last = self.last.checked_add(self.increment)?;
        }
        self.called = true;
        let covered = self.logged.is_some_and(|logged| match self.increment < 0 {
            true => logged <= self.last,
            false => logged >= self.last,
        });
        if !covered {
            let ahead = self.increment.saturating_mul(SEQUENCE_LOG_VALUES);
            self.logged = Some(self.last.saturating_add(ahead));
        }
        Some((self.last, !covered))
    }

    /// As the log has it.
    #[must_use]
    pub fn as_logged(&self) -> Self {
        Self {
            last: self.logged.unwrap_or(self.last),
            logged: None,
            ..*self
        }
    }
}

/// A table's column and what an insert must know of it.
#[derive(Clone, Debug)]
pub struct TableColumn {
    /// Name and type.
    pub column: Column,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT, in SQLite's language.
    pub default: Option<String>,
}

/// A table as the translator sees it.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<TableColumn>,
    /// The columns of its primary key, in order.
    pub primary_key: Vec<String>,
}

/// A database.
pub struct Store {
    /// SQLite's.
    pub connection: Connection,
    cell: Cell,
    steps: Arc<AtomicU64>,
    touched: Arc<Mutex<BTreeSet<RowKey>>>,
    tables: BTreeMap<String, Option<Arc<Table>>>,
}

impl Store {
    /// An empty database. A `mirror` takes rows that were checked already, and checks nothing.
    pub fn new(sequences: &Sequences, mirror: bool) -> Result<Self, Error> {
        let engine = |error: rusqlite::Error| Error::Engine(error.to_string());
        let mut connection = Connection::open_in_memory().map_err(engine)?;
        let cell: Cell = Arc::default();
        let steps: Arc<AtomicU64> = Arc::default();
        let touched: Arc<Mutex<BTreeSet<RowKey>>> = Arc::default();
        let setup = |connection: &mut Connection| -> rusqlite::Result<()> {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_MAX)?;
            connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, LENGTH_MAX)?;
            connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            // The mirror has room to spare, so that it is never the one that is full.
            let pages = if mirror { PAGES_MAX * 2 } else { PAGES_MAX };
            connection.execute_batch(&format!(
                "PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY; PRAGMA cache_spill = OFF;
                 PRAGMA synchronous = OFF; PRAGMA foreign_keys = {}; PRAGMA ignore_check_constraints = {};
                 PRAGMA max_page_count = {pages};",
                if mirror { "OFF" } else { "ON" },
                if mirror { "ON" } else { "OFF" },
            ))?;
            let counter = steps.clone();
            connection.progress_handler(
                STEPS_A_CHECK,
                Some(move || {
                    let taken = counter.fetch_add(STEPS_A_CHECK as u64, Ordering::Relaxed);
                    taken > STATEMENT_STEPS_MAX
                }),
            )?;
            if !mirror {
                let touched = touched.clone();
                connection.update_hook(Some(
                    move |_: Action, _: &str, table: &str, row: i64| {
                        lock(&touched).insert((table.to_owned(), row));
                    },
                ))?;
            }
            functions::register(connection, &cell, sequences)?;
            aggregates::register(connection, &cell)?;
            connection.execute_batch(
                "CREATE TABLE _squall_view(name TEXT PRIMARY KEY, definition TEXT NOT NULL)",
            )
        };
        setup(&mut connection).map_err(engine)?;
        Ok(Self {
            connection,
            cell,
            steps,
            touched,
            tables: BTreeMap::new(),
        })
    }

    /// SQLite's pages, as they would be in a file.
    pub fn pages(&mut self) -> rusqlite::Result<Vec<u8>> {
        Ok(self.connection.serialize(rusqlite::MAIN_DB)?.to_vec())
    }

    /// Takes another database's content for its own.
    pub fn load(&mut self, pages: &[u8]) -> rusqlite::Result<()> {
        let mut other = Connection::open_in_memory()?;
        other.deserialize_read_exact(rusqlite::MAIN_DB, pages, pages.len(), true)?;
        Backup::new(&other, &mut self.connection)?.step(-1)?;
        self.take_touched();
        self.schema_changed();
        Ok(())
    }

    /// Runs `work` with `context` as what functions see; gives the context back as they left it.
    pub fn with<R>(&mut self, context: Context, work: impl FnOnce(&mut Self) -> R) -> (R, Context) {
        self.steps.store(0, Ordering::Relaxed);
        let fallback = context.clone();
        *lock(&self.cell) = Some(context);
        let result = work(self);
        let context = lock(&self.cell).take().unwrap_or(fallback);
        (result, context)
    }

    /// The error that one of our functions left behind.
    pub fn take_error(&self) -> Option<PgError> {
        lock(&self.cell).as_mut().and_then(|c| c.error.take())
    }

    /// The rows touched since the last call.
    pub fn take_touched(&self) -> BTreeSet<RowKey> {
        std::mem::take(&mut *lock(&self.touched))
    }

    /// Puts rows back that must be looked at again.
    pub fn touch(&self, rows: Vec<RowKey>) {
        lock(&self.touched).extend(rows);
    }

    /// Forgets what is known of tables; after every change of the schema.
    pub fn schema_changed(&mut self) {
        self.tables.clear();
        // A prepared statement counts its columns anew only when it runs again.
        self.connection.flush_prepared_statement_cache();
    }

    /// A table by name.
    pub fn table(&mut self, name: &str) -> rusqlite::Result<Option<Arc<Table>>> {
        if let Some(known) = self.tables.get(name) {
            return Ok(known.clone());
        }
        let found = self.read_table(name)?.map(Arc::new);
        self.tables.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn read_table(&self, name: &str) -> rusqlite::Result<Option<Table>> {
        if name.starts_with("sqlite_") || name.starts_with("_squall_") {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)",
        )?;
        let mut rows = statement.query([name])?;
        let mut columns = Vec::new();
        let mut key = Vec::new();
        while let Some(row) = rows.next()? {
            let column: String = row.get(0)?;
            let declared: String = row.get(1)?;
            let (ty, typmod) = read_declared(&declared);
            let place: i64 = row.get(4)?;
            if place > 0 {
                key.push((place, column.clone()));
            }
            columns.push(TableColumn {
                column: Column {
                    name: column,
                    ty,
                    typmod,
                },
                not_null: row.get::<_, i64>(2)? != 0,
                default: row.get(3)?,
            });
        }
        if columns.is_empty() {
            return Ok(None);
        }
        key.sort();
        Ok(Some(Table {
            name: name.to_owned(),
            columns,
            primary_key: key.into_iter().map(|(_, column)| column).collect(),
        }))
    }

    /// The definition of a view.
    pub fn view(&self, name: &str) -> rusqlite::Result<Option<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT definition FROM _squall_view WHERE name = ?1")?;
        let mut rows = statement.query([name])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    }

    /// The name of the unique constraint over exactly these columns.
    pub fn unique_constraint(&self, table: &str, columns: &[&str]) -> Option<String> {
        let mut list = self
            .connection
            .prepare_cached("SELECT name, origin FROM pragma_index_list(?1) WHERE \"unique\"")
            .ok()?;
        let indexes: Vec<(String, String)> = list
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
            .ok()?
            .flatten()
            .collect();
        indexes.into_iter().find_map(|(name, origin)| {
            let mut info = self
                .connection
                .prepare_cached("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")
                .ok()?;
            let own: Vec<String> = info
                .query_map([&name], |row| row.get(0))
                .ok()?
                .flatten()
                .collect();
            (own == columns).then(|| {
                if origin == "pk" {
                    format!("{table}_pkey")
                } else {
                    name
                }
            })
        })
    }

    /// Constraint name and parent of each foreign key of a table.
    pub fn foreign_keys_of(&self, table: &str) -> Vec<(String, String)> {
        let Ok(mut list) = self.connection.prepare_cached(
            "SELECT id, \"table\", \"from\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
        ) else {
            return Vec::new();
        };
        let mut keys: BTreeMap<i64, (String, Vec<String>)> = BTreeMap::new();
        let rows = list.query_map([table], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        });
        for (id, parent, column) in rows.into_iter().flatten().flatten() {
            keys.entry(id)
                .or_insert_with(|| (parent, Vec::new()))
                .1
                .push(column);
        }
        keys.into_values()
            .map(|(parent, columns)| (format!("{table}_{}_fkey", columns.join("_")), parent))
            .collect()
    }

    /// The first table, by name, with a foreign key to `parent`, and its constraint.
    pub fn foreign_keys_to(&self, parent: &str) -> Option<(String, String)> {
        let mut list = self
            .connection
            .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .ok()?;
        let tables: Vec<String> = list
            .query_map([], |row| row.get(0))
            .ok()?
            .flatten()
            .collect();
        tables.into_iter().find_map(|child| {
            self.foreign_keys_of(&child)
                .into_iter()
                .find(|(_, to)| to == parent)
                .map(|(constraint, _)| (child, constraint))
        })
    }
}

/// How a column is declared to SQLite: the storage that gives the affinity, then our type.
pub fn declare(ty: Ty, typmod: i32) -> String {
    use crate::sql::types::Storage;
    let storage = match ty.storage() {
        Storage::Integer => "INT",
        Storage::Real => "REAL",
        Storage::Text => "TEXT",
        Storage::Blob => "BLOB",
    };
    let collation = if ty == Ty::Numeric {
        " COLLATE pg_numeric"
    } else {
        ""
    };
    if typmod >= 0 {
        format!("{storage} {}({typmod}){collation}", ty.name())
    } else {
        format!("{storage} {}{collation}", ty.name())
    }
}

fn read_declared(declared: &str) -> (Ty, i32) {
    let word = declared.split_once(' ').map_or(declared, |(_, word)| word);
    let (name, typmod) = match word.split_once('(') {
        Some((name, rest)) => (name, rest.trim_end_matches(')').parse().unwrap_or(-1)),
        None => (word, -1),
    };
    (Ty::from_name(name.trim()).unwrap_or(Ty::Text), typmod)
}
