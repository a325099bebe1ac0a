//! Functions of PostgreSQL that SQLite lacks or does otherwise, under names of our own (`pg_…`).
//!
//! The translator calls them; no name here is reachable from a client's SQL by itself.

mod dates;
mod numbers;
mod replication;
mod session;
mod strings;

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::functions::{Context as Call, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use super::context::{Context, lock};
use super::store::{Cell, Sequences};
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::cast::{How, cast};
use crate::value::decimal;

/// The longest string that a function makes.
pub const STRING_BYTES_MAX: usize = 8 << 20;

/// One call: its arguments and the statement around it.
pub struct Args<'a, 'c> {
    call: &'a Call<'c>,
    cell: &'a Cell,
}

impl Args<'_, '_> {
    fn len(&self) -> usize {
        self.call.len()
    }

    fn raw(&self, i: usize) -> ValueRef<'_> {
        self.call.get_raw(i)
    }

    fn is_null(&self, i: usize) -> bool {
        self.raw(i) == ValueRef::Null
    }

    fn int(&self, i: usize) -> i64 {
        match self.raw(i) {
            ValueRef::Integer(value) => value,
            ValueRef::Real(value) => value as i64,
            _ => 0,
        }
    }

    fn real(&self, i: usize) -> f64 {
        match self.raw(i) {
            ValueRef::Integer(value) => value as f64,
            ValueRef::Real(value) => value,
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
            _ => 0.0,
        }
    }

    fn text(&self, i: usize) -> &str {
        match self.raw(i) {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        }
    }

    fn decimal(&self, i: usize) -> Result<rust_decimal::Decimal, PgError> {
        Ok(decimal::from_value(self.raw(i))?.unwrap_or_default())
    }

    /// Looks at or changes the running statement's context.
    fn context<R>(&self, look: impl FnOnce(&mut Context) -> R) -> Result<R, PgError> {
        match lock(self.cell).as_mut() {
            Some(context) => Ok(look(context)),
            None => Err(PgError::new("XX000", "no statement is running")),
        }
    }
}

/// Registers one function; an error keeps its SQLSTATE in the context.
pub struct Registrar<'a> {
    connection: &'a Connection,
    cell: &'a Cell,
}

impl Registrar<'_> {
    /// A function that is called with NULLs too. `count` is -1 for any number of arguments.
    pub fn any<F>(&self, name: &str, count: i32, body: F) -> rusqlite::Result<()>
    where
        F: Fn(&Args<'_, '_>) -> Result<Value, PgError> + Send + 'static,
    {
        self.register(name, count, FunctionFlags::SQLITE_UTF8, false, body)
    }

    /// A function that is NULL when any argument is, and the same for the same arguments.
    pub fn strict<F>(&self, name: &str, count: i32, body: F) -> rusqlite::Result<()>
    where
        F: Fn(&Args<'_, '_>) -> Result<Value, PgError> + Send + 'static,
    {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        self.register(name, count, flags, true, body)
    }

    fn register<F>(
        &self,
        name: &str,
        count: i32,
        flags: FunctionFlags,
        strict: bool,
        body: F,
    ) -> rusqlite::Result<()>
    where
        F: Fn(&Args<'_, '_>) -> Result<Value, PgError> + Send + 'static,
    {
        let cell = self.cell.clone();
        self.connection
            .create_scalar_function(name, count, flags, move |call| {
                let args = Args { call, cell: &cell };
                if strict && (0..args.len()).any(|i| args.is_null(i)) {
                    return Ok(Value::Null);
                }
                body(&args).map_err(|error| fail(&cell, error))
            })
    }
}

/// Leaves an error in the context and makes SQLite's of it.
pub fn fail(cell: &Cell, error: PgError) -> rusqlite::Error {
    let shown = error.message.clone();
    if let Some(context) = lock(cell).as_mut() {
        context.error = Some(error);
    }
    rusqlite::Error::UserFunctionError(shown.into())
}

/// Registers everything.
pub fn register(
    connection: &Connection,
    cell: &Cell,
    sequences: &Sequences,
) -> rusqlite::Result<()> {
    let registrar = Registrar { connection, cell };
    connection.create_collation("pg_numeric", decimal::collate)?;
    registrar.any("pg_cast", 5, |a| {
        let (Some(from), Some(to)) = (Ty::from_oid(a.int(1) as u32), Ty::from_oid(a.int(2) as u32))
        else {
            return Err(PgError::new("42704", "type does not exist"));
        };
        let how = match a.int(4) {
            0 => How::Implicit,
            1 => How::Assignment,
            _ => How::Explicit,
        };
        let now_us = a.context(|c| c.transaction_us)?;
        cast(a.raw(0), from, to, a.int(3) as i32, how, now_us)
    })?;
    numbers::register(&registrar)?;
    strings::register(&registrar)?;
    dates::register(&registrar)?;
    replication::register(&registrar)?;
    session::register(&registrar, &Arc::clone(sequences))
}
