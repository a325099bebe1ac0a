//! What a transaction changed, as it passes from `working` to `committed`.
//!
//! This is the one place that every committed write passes, in commit order, and the seat of
//! replication: a standby that applies the same records holds the same rows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::types::Value;

/// A row by its table and SQLite's row number, which both databases share.
pub type RowKey = (String, i64);

/// One step of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A statement of SQLite's that changes the schema or empties a table.
    Schema(String),
    /// Rows as they are after the step; `None` for those that are gone.
    Rows(BTreeMap<RowKey, Option<Vec<Value>>>),
}

/// The changes of one transaction, in order.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The steps.
    pub changes: Vec<Change>,
}

/// Where a savepoint stands in the record.
pub type Mark = usize;

impl Record {
    /// Reads the touched rows out of `working` and appends them as a step.
    pub fn take_rows(
        &mut self,
        working: &Connection,
        touched: BTreeSet<RowKey>,
    ) -> rusqlite::Result<()> {
        if touched.is_empty() {
            return Ok(());
        }
        let mut rows = BTreeMap::new();
        for (table, row) in touched {
            let sql = format!("SELECT * FROM {} WHERE _rowid_ = ?1", quote(&table));
            // A table that was dropped again has no rows to carry.
            let Ok(mut statement) = working.prepare_cached(&sql) else {
                continue;
            };
            let columns = statement.column_count();
            let mut found = statement.query([row])?;
            let image = match found.next()? {
                None => None,
                Some(values) => Some(
                    (0..columns)
                        .map(|i| values.get::<_, Value>(i))
                        .collect::<rusqlite::Result<Vec<_>>>()?,
                ),
            };
            drop(found);
            rows.insert((table, row), image);
        }
        self.changes.push(Change::Rows(rows));
        Ok(())
    }

    /// Forgets the steps after a savepoint; the rows that they held must be looked at again.
    pub fn truncate(&mut self, mark: Mark) -> Vec<RowKey> {
        let mut again = Vec::new();
        for change in self.changes.drain(mark.min(self.changes.len())..) {
            if let Change::Rows(rows) = change {
                again.extend(rows.into_keys());
            }
        }
        again
    }
}

/// Makes the changes inside a transaction that is open on `target`.
pub fn apply(changes: &[Change], target: &Connection) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            Change::Schema(sql) => {
                target.execute_batch(sql)?;
                target.flush_prepared_statement_cache();
            }
            Change::Rows(rows) => apply_rows(target, rows)?,
        }
    }
    Ok(())
}

/// Removes all rows first, so that values which moved between rows do not collide on the way.
fn apply_rows(
    target: &Connection,
    rows: &BTreeMap<RowKey, Option<Vec<Value>>>,
) -> rusqlite::Result<()> {
    for (table, row) in rows.keys() {
        let sql = format!("DELETE FROM {} WHERE _rowid_ = ?1", quote(table));
        if let Ok(mut statement) = target.prepare_cached(&sql) {
            statement.execute([row])?;
        }
    }
    for ((table, row), image) in rows {
        let Some(values) = image else { continue };
        let columns = table_columns(target, table)?;
        let mut sql = format!("INSERT INTO {}(_rowid_", quote(table));
        for column in &columns {
            sql.push_str(", ");
            sql.push_str(&quote(column));
        }
        sql.push_str(") VALUES (?1");
        for i in 0..columns.len() {
            sql.push_str(&format!(", ?{}", i + 2));
        }
        sql.push(')');
        let mut statement = target.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, row)?;
        for (i, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(i + 2, value)?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

fn table_columns(target: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let statement = target.prepare_cached(&format!("SELECT * FROM {}", quote(table)))?;
    Ok(statement.column_names().map(str::to_owned).collect())
}

/// A name in SQLite's double quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
