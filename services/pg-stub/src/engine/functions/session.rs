//! Functions that ask about the session, the server, or change more than their value.

use std::net::SocketAddr;

use rand::Rng as _;
use rand::RngExt as _;
use rusqlite::types::Value;

use super::super::context::{Context, Signal, lock, wall_us};
use super::super::store::{Sequence, Sequences};
use super::{Args, Registrar};
use crate::error::PgError;
use crate::settings;
use crate::sql::types::{Ty, format_type};

type Look = fn(&Context) -> Value;

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn address(address: Option<SocketAddr>) -> Value {
    address.map_or(Value::Null, |a| text(a.ip().to_canonical().to_string()))
}

fn port(address: Option<SocketAddr>) -> Value {
    address.map_or(Value::Null, |a| Value::Integer(a.port().into()))
}

pub(super) fn register(r: &Registrar<'_>, sequences: &Sequences) -> rusqlite::Result<()> {
    let looks: [(&str, Look); 13] = [
        ("pg_now", |c| Value::Integer(c.transaction_us)),
        ("pg_statement_time", |c| Value::Integer(c.statement_us)),
        ("pg_clock", |_| Value::Integer(wall_us())),
        ("pg_started", |c| {
            Value::Integer(c.session.server.started_us)
        }),
        ("pg_user", |c| text(c.session.user.clone())),
        ("pg_database", |c| text(c.session.database.clone())),
        ("pg_pid", |c| Value::Integer(c.session.pid.into())),
        ("pg_server_addr", |c| address(c.session.local)),
        ("pg_server_port", |c| port(c.session.local)),
        ("pg_client_addr", |c| address(c.session.peer)),
        ("pg_client_port", |c| port(c.session.peer)),
        ("pg_in_recovery", |c| {
            Value::Integer(i64::from(c.session.server.in_recovery()))
        }),
        ("pg_random", |c| {
            let mut random = lock(&c.session.server.random);
            Value::Real((random.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
        }),
    ];
    for (name, look) in looks {
        r.any(name, 0, move |a| a.context(|c| look(c)))?;
    }
    r.any("pg_uuid", 0, |a| {
        let bytes: [u8; 16] = a.context(|c| lock(&c.session.server.random).random())?;
        let mut hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        // Version 4, variant 10 (RFC 9562).
        hex.replace_range(12..13, "4");
        let variant = char::from(b"89ab"[usize::from(bytes[8] & 3)]).to_string();
        hex.replace_range(16..17, &variant);
        crate::value::text::parse(Ty::Uuid, &hex, 0)
    })?;
    r.any("pg_sleep", 1, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let us = a.real(0).clamp(0.0, 1.0e9) * 1e6;
        a.context(|c| c.sleep_us = c.sleep_us.saturating_add(us as i64))?;
        Ok(text(""))
    })?;
    for (name, make) in [
        ("pg_cancel", Signal::Cancel as fn(i32) -> Signal),
        ("pg_terminate", Signal::Terminate as fn(i32) -> Signal),
    ] {
        r.any(name, 1, move |a| {
            let pid = i32::try_from(a.int(0)).unwrap_or(0);
            a.context(|c| c.signals.push(make(pid)))?;
            Ok(Value::Integer(1))
        })?;
    }
    r.any("pg_current_setting", 2, |a| {
        let name = a.text(0).to_ascii_lowercase();
        match a.context(|c| settings::lookup(&c.settings, &name))? {
            Some(value) => Ok(text(value)),
            None if a.int(1) != 0 => Ok(Value::Null),
            None => Err(settings::unknown(&name)),
        }
    })?;
    r.any("pg_set_config", 3, |a| {
        let (name, value) = (a.text(0).to_ascii_lowercase(), a.text(1).to_owned());
        settings::check(&name, &value)?;
        let local = a.int(2) != 0;
        a.context(|c| c.set.push((name, value.clone(), local)))?;
        Ok(text(value))
    })?;
    r.strict("pg_format_type", 2, |a| {
        Ok(text(match Ty::from_oid(a.int(0) as u32) {
            Some(ty) => format_type(ty, a.int(1) as i32),
            None => "???".to_owned(),
        }))
    })?;
    register_sequences(r, sequences)
}

fn missing(name: &str) -> PgError {
    PgError::new("42P01", format!("relation \"{name}\" does not exist"))
}

/// The name of a sequence as text writes it: perhaps quoted, perhaps with its schema.
fn sequence_name(args: &Args<'_, '_>) -> String {
    let full = args.text(0);
    full.strip_prefix("public.")
        .unwrap_or(full)
        .replace('"', "")
}

fn register_sequences(r: &Registrar<'_>, sequences: &Sequences) -> rusqlite::Result<()> {
    let all = sequences.clone();
    r.any("pg_nextval", 1, move |a| {
        if a.context(|c| c.read_only)? {
            return Err(PgError::new(
                "25006",
                "cannot execute nextval() in a read-only transaction",
            ));
        }
        let name = sequence_name(a);
        let (value, unlogged) = {
            let mut all = lock(&all);
            let sequence = all.get_mut(&name).ok_or_else(|| missing(&name))?;
            sequence.advance().ok_or_else(|| {
                PgError::new(
                    "2200H",
                    format!("nextval: reached maximum value of sequence \"{name}\""),
                )
            })?
        };
        a.context(|c| {
            c.sequences.insert(name.clone(), value);
            if unlogged {
                c.sequences_moved.insert(name.clone());
            }
            c.last_sequence = Some(name);
        })?;
        Ok(Value::Integer(value))
    })?;
    let all = sequences.clone();
    r.any("pg_currval", 1, move |a| {
        let name = sequence_name(a);
        if !lock(&all).contains_key(&name) {
            return Err(missing(&name));
        }
        match a.context(|c| c.sequences.get(&name).copied())? {
            Some(value) => Ok(Value::Integer(value)),
            None => Err(PgError::new(
                "55000",
                format!("currval of sequence \"{name}\" is not yet defined in this session"),
            )),
        }
    })?;
    r.any("pg_lastval", 0, |a| {
        let last = a.context(|c| {
            let name = c.last_sequence.as_ref()?;
            c.sequences.get(name).copied()
        })?;
        last.map(Value::Integer)
            .ok_or_else(|| PgError::new("55000", "lastval is not yet defined in this session"))
    })?;
    let all = sequences.clone();
    r.any("pg_setval", 3, move |a| {
        if a.context(|c| c.read_only)? {
            return Err(PgError::new(
                "25006",
                "cannot execute setval() in a read-only transaction",
            ));
        }
        let name = sequence_name(a);
        let called = a.int(2) != 0;
        let mut all = lock(&all);
        let sequence: &mut Sequence = all.get_mut(&name).ok_or_else(|| missing(&name))?;
        sequence.last = a.int(1);
        sequence.called = called;
        sequence.logged = Some(sequence.last);
        let last = sequence.last;
        a.context(|c| c.sequences_moved.insert(name))?;
        Ok(Value::Integer(last))
    })
}
