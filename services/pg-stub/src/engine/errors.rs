//! What SQLite says, as PostgreSQL would say it.

use rusqlite::{ErrorCode, ffi};

use super::store::{STATEMENT_STEPS_MAX, Store};
use crate::error::{PgError, Subject};

/// Translates an error of `store`; `table` is the one that the statement writes.
pub fn translate(store: &Store, error: rusqlite::Error, table: Option<&str>) -> PgError {
    if let Some(own) = store.take_error() {
        return own;
    }
    let (code, extended, message) = match error {
        rusqlite::Error::SqliteFailure(failure, message) => (
            failure.code,
            failure.extended_code,
            message.unwrap_or_default(),
        ),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, error.extended_code, msg),
        other => return PgError::new("XX000", other.to_string()),
    };
    match code {
        ErrorCode::ConstraintViolation => constraint(store, extended, &message, table),
        ErrorCode::OperationInterrupted => PgError::new(
            "54000",
            format!("the statement takes more than {STATEMENT_STEPS_MAX} steps"),
        )
        .hint("pg-stub bounds every statement, so that none runs for ever"),
        ErrorCode::DiskFull => PgError::new("53100", "could not extend the database: it is full"),
        ErrorCode::OutOfMemory => PgError::new("53200", "out of memory"),
        ErrorCode::TooBig => PgError::new("54000", "a value or statement is too large"),
        ErrorCode::TypeMismatch => PgError::new("42804", message),
        _ => from_message(&message),
    }
}

/// Errors that SQLite's parser finds; most are found before, while translating.
fn from_message(message: &str) -> PgError {
    let after = |prefix: &str| message.strip_prefix(prefix).map(str::trim);
    if let Some(name) = after("no such table:") {
        let name = name.trim_start_matches("main.");
        return PgError::new("42P01", format!("relation \"{name}\" does not exist"));
    }
    if let Some(name) = after("no such column:") {
        return PgError::new("42703", format!("column {name} does not exist"));
    }
    if let Some(name) = after("no such index:") {
        return PgError::new("42704", format!("index \"{name}\" does not exist"));
    }
    if message.contains("already exists") {
        let name = message
            .split_whitespace()
            .nth(1)
            .unwrap_or("")
            .trim_matches('"');
        return PgError::new("42P07", format!("relation \"{name}\" already exists"));
    }
    if let Some(name) =
        after("misuse of aggregate:").or_else(|| after("misuse of aggregate function"))
    {
        return PgError::new(
            "42803",
            format!("aggregate functions are not allowed here: {name}"),
        );
    }
    if message.contains("parser stack overflow") || message.contains("Expression tree is too large")
    {
        return PgError::new("54001", "stack depth limit exceeded");
    }
    PgError::new(
        "0A000",
        format!("pg-stub cannot run this statement: {message}"),
    )
}

fn constraint(store: &Store, extended: i32, message: &str, table: Option<&str>) -> PgError {
    let subject = message.split_once(": ").map_or("", |(_, subject)| subject);
    let columns: Vec<&str> = subject
        .split(", ")
        .filter_map(|qualified| qualified.rsplit_once('.').map(|(_, column)| column))
        .collect();
    let named = subject
        .split_once('.')
        .map(|(name, _)| name)
        .or(table)
        .unwrap_or_default()
        .to_owned();
    match extended {
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let column = columns.first().copied().unwrap_or_default();
            PgError::new(
                "23502",
                format!(
                    "null value in column \"{column}\" of relation \"{named}\" violates not-null constraint"
                ),
            )
            .about(Subject {
                table: Some(named),
                column: Some(column.to_owned()),
                constraint: None,
            })
        }
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
            let constraint = subject
                .strip_prefix("index '")
                .map(|name| name.trim_end_matches('\'').to_owned())
                .or_else(|| store.unique_constraint(&named, &columns))
                .unwrap_or_else(|| format!("{named}_{}_key", columns.join("_")));
            PgError::new(
                "23505",
                format!("duplicate key value violates unique constraint \"{constraint}\""),
            )
            .about(Subject {
                table: Some(named),
                column: None,
                constraint: Some(constraint),
            })
        }
        ffi::SQLITE_CONSTRAINT_CHECK => {
            let named = table.unwrap_or_default();
            PgError::new(
                "23514",
                format!("new row for relation \"{named}\" violates check constraint \"{subject}\""),
            )
            .about(Subject {
                table: Some(named.to_owned()),
                column: None,
                constraint: Some(subject.to_owned()),
            })
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => foreign_key(store, table.unwrap_or_default()),
        _ => PgError::new("23000", message.to_owned()),
    }
}

/// SQLite does not say which key failed, so it is named only where there is no choice.
fn foreign_key(store: &Store, table: &str) -> PgError {
    let own = store.foreign_keys_of(table);
    if let [(constraint, _)] = own.as_slice() {
        return PgError::new(
            "23503",
            format!(
                "insert or update on table \"{table}\" violates foreign key constraint \"{constraint}\""
            ),
        )
        .about(Subject {
            table: Some(table.to_owned()),
            column: None,
            constraint: Some(constraint.clone()),
        });
    }
    if own.is_empty()
        && let Some((child, constraint)) = store.foreign_keys_to(table)
    {
        return PgError::new(
                "23503",
                format!(
                    "update or delete on table \"{table}\" violates foreign key constraint \"{constraint}\" on table \"{child}\""
                ),
            )
            .about(Subject {
                table: Some(child),
                column: None,
                constraint: Some(constraint),
            });
    }
    PgError::new(
        "23503",
        format!("a change of table \"{table}\" violates a foreign key constraint"),
    )
}
