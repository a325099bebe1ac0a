//! Functions that ask about the log and about replication, or steer a standby (manual, 9.27).

use rusqlite::types::Value;

use super::super::context::Context;
use super::Registrar;
use crate::error::PgError;
use crate::wal::lsn::Lsn;

fn text(place: Lsn) -> Value {
    Value::Text(place.to_string())
}

fn recovery_only(context: &Context) -> Result<(), PgError> {
    match context.session.server.in_recovery() {
        true => Ok(()),
        false => Err(PgError::new("55000", "recovery is not in progress")
            .hint("Recovery control functions can only be executed during recovery.")),
    }
}

fn place(context: &Context, what: &str) -> Result<Value, PgError> {
    let server = &context.session.server;
    let (wal, recovery) = (&server.wal, server.in_recovery());
    let current = matches!(what, "written" | "flushed" | "inserted");
    if current && recovery {
        return Err(PgError::new("55000", "recovery is in progress")
            .hint("WAL control functions cannot be executed during recovery."));
    }
    Ok(match what {
        "written" => text(wal.written()),
        "flushed" => text(wal.flushed()),
        "inserted" => text(wal.inserted()),
        // A server that never followed another has received nothing.
        "received" if !server.standby.has_run() => Value::Null,
        "received" => text(wal.flushed()),
        _ if !server.standby.has_run() => Value::Null,
        _ => text(server.standby.replayed()),
    })
}

fn lsn(text: &str) -> Result<Lsn, PgError> {
    text.parse()
        .map_err(|error: crate::wal::lsn::NoLsn| PgError::new("22P02", error.to_string()))
}

pub(super) fn register(r: &Registrar<'_>) -> rusqlite::Result<()> {
    r.any("pg_wal_place", 1, |a| {
        let what = a.text(0).to_owned();
        a.context(|c| place(c, &what))?
    })?;
    r.any("pg_replayed_at", 0, |a| {
        let at = a.context(|c| c.session.server.standby.last_commit_us())?;
        Ok(at.map_or(Value::Null, Value::Integer))
    })?;
    r.strict("pg_wal_diff", 2, |a| {
        let (left, right) = (lsn(a.text(0))?, lsn(a.text(1))?);
        Ok(Value::Text(
            (i128::from(left.0) - i128::from(right.0)).to_string(),
        ))
    })?;
    r.strict("pg_wal_file", 1, |a| {
        let at = lsn(a.text(0))?;
        a.context(|c| Value::Text(c.session.server.wal.file_at(at)))
    })?;
    r.any("pg_replay_pause", 1, |a| {
        let pause = a.int(0) != 0;
        a.context(|c| {
            recovery_only(c)?;
            c.session.server.standby.set_paused(pause);
            Ok(Value::Text(String::new()))
        })?
    })?;
    r.any("pg_replay_paused", 0, |a| {
        a.context(|c| {
            recovery_only(c)?;
            Ok(Value::Integer(c.session.server.standby.is_paused().into()))
        })?
    })?;
    r.any("pg_promote", 2, |a| {
        let wait_s = if a.int(0) != 0 { a.int(1) } else { 0 };
        a.context(|c| {
            recovery_only(c)?;
            c.promote = Some(wait_s);
            Ok(Value::Integer(1))
        })?
    })
}
