//! Values: how each type is read from the wire, held in SQLite and written to the wire.

pub mod binary;
pub mod cast;
pub mod decimal;
pub mod text;
pub mod time;

pub use rusqlite::types::{Value, ValueRef};

use crate::error::PgError;
use crate::sql::types::Ty;

/// `22P02` for text that is no value of a type.
pub fn invalid_input(ty: Ty, text: &str) -> PgError {
    PgError::new(
        "22P02",
        format!(
            "invalid input syntax for type {}: \"{text}\"",
            ty.sql_name()
        ),
    )
}

/// `22003` for a number that a type cannot hold.
pub fn out_of_range(ty: Ty) -> PgError {
    PgError::new("22003", format!("{} out of range", ty.sql_name()))
}

/// Whether a whole number fits an integer type.
pub fn fit(ty: Ty, value: i64) -> Result<i64, PgError> {
    let fits = match ty {
        Ty::Int2 => i16::try_from(value).is_ok(),
        Ty::Int4 => i32::try_from(value).is_ok(),
        Ty::Oid => u32::try_from(value).is_ok(),
        _ => true,
    };
    if fits {
        Ok(value)
    } else {
        Err(out_of_range(ty))
    }
}

/// An engine value that does not have the form its type says: our bug or a mixed column.
pub fn mismatch(ty: Ty, value: ValueRef<'_>) -> PgError {
    PgError::new(
        "XX000",
        format!(
            "a value of storage class {} where {} was expected",
            value.data_type(),
            ty.sql_name()
        ),
    )
}

/// A value of its own from a borrowed one. Text is UTF-8 here, as all text that comes in is checked.
pub fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        ValueRef::Real(f) => Value::Real(f),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}
