//! Aggregates over `numeric`, which SQLite would take for text.

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context as Call, FunctionFlags};
use rusqlite::types::Value;
use rust_decimal::Decimal;

use super::functions::fail;
use super::store::Cell;
use crate::error::PgError;
use crate::value::decimal;

struct Numeric {
    cell: Cell,
    average: bool,
}

impl Aggregate<Option<(Decimal, i64)>, Value> for Numeric {
    fn init(&self, _: &mut Call<'_>) -> rusqlite::Result<Option<(Decimal, i64)>> {
        Ok(None)
    }

    fn step(
        &self,
        call: &mut Call<'_>,
        state: &mut Option<(Decimal, i64)>,
    ) -> rusqlite::Result<()> {
        let failed = |error: PgError| fail(&self.cell, error);
        if let Some(value) = decimal::from_value(call.get_raw(0)).map_err(failed)? {
            let (sum, count) = state.unwrap_or_default();
            let sum = sum
                .checked_add(value)
                .ok_or_else(|| failed(decimal::overflow()))?;
            *state = Some((sum, count + 1));
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Call<'_>,
        state: Option<Option<(Decimal, i64)>>,
    ) -> rusqlite::Result<Value> {
        match state.flatten() {
            None => Ok(Value::Null),
            Some((sum, count)) if self.average => decimal::divide(sum, Decimal::from(count))
                .map(decimal::to_value)
                .map_err(|error| fail(&self.cell, error)),
            Some((sum, _)) => Ok(decimal::to_value(sum)),
        }
    }
}

/// Registers `pg_nsum` and `pg_navg`.
pub fn register(connection: &Connection, cell: &Cell) -> rusqlite::Result<()> {
    for (name, average) in [("pg_nsum", false), ("pg_navg", true)] {
        let cell = cell.clone();
        connection.create_aggregate_function(
            name,
            1,
            FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
            Numeric { cell, average },
        )?;
    }
    Ok(())
}
