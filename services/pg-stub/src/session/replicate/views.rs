//! `pg_stat_replication`, `pg_stat_wal_receiver` and `pg_replication_slots`.
//!
//! Deliberately absent: the lags as intervals; the places say the same.

use rusqlite::types::Value;

use crate::engine::context::lock;
use crate::replication::sender::Slot;
use crate::server::Server;
use crate::sql::translate::catalog::cell;
use crate::wal::lsn::Lsn;

fn place(at: Lsn) -> Value {
    match at {
        Lsn(0) => Value::Null,
        at => cell(&at.to_string()),
    }
}

fn time(us: i64) -> Value {
    match us {
        0 => Value::Null,
        us => Value::Integer(us),
    }
}

fn name(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => cell(text),
    }
}

/// Those that follow this server.
pub(in crate::session) fn stat_replication(server: &Server) -> Vec<Vec<Value>> {
    let all = server.senders.list();
    all.iter()
        .map(|(pid, standby)| {
            let application = &standby.application;
            let (priority, state) = match &server.synchronous {
                None => (0, "async"),
                Some(s) => (s.priority(application), s.state(&all, *pid, application)),
            };
            let ip = standby
                .peer
                .map(|peer| peer.ip().to_canonical().to_string());
            vec![
                Value::Integer((*pid).into()),
                Value::Integer(standby.user_oid.into()),
                cell(&standby.user),
                cell(application),
                ip.map_or(Value::Null, Value::Text),
                Value::Null,
                standby
                    .peer
                    .map_or(Value::Null, |peer| Value::Integer(peer.port().into())),
                time(standby.started_us),
                Value::Null,
                cell(standby.state.word()),
                place(standby.sent),
                place(standby.write),
                place(standby.flush),
                place(standby.replay),
                Value::Integer(priority as i64),
                cell(state),
                time(standby.replied_us),
            ]
        })
        .collect()
}

/// The stream that this server follows.
pub(in crate::session) fn stat_wal_receiver(server: &Server) -> Vec<Vec<Value>> {
    let status = lock(&server.facts.standby.receiver).clone();
    if status.status.is_empty() {
        return Vec::new();
    }
    let wal = &server.facts.wal;
    vec![vec![
        Value::Integer(server.pids.receiver.into()),
        cell(status.status),
        place(status.start),
        Value::Integer(status.timeline.into()),
        place(wal.written()),
        place(wal.flushed()),
        Value::Integer(wal.timeline().into()),
        time(status.heard_us),
        place(status.latest_end),
        name(&status.slot),
        cell(&status.host),
        Value::Integer(status.port.into()),
        cell(&status.conninfo),
    ]]
}

/// The slots of this server.
pub(in crate::session) fn replication_slots(server: &Server) -> Vec<Vec<Value>> {
    let row = |(name, slot): (String, Slot)| {
        vec![
            Value::Text(name),
            Value::Null,
            cell("physical"),
            Value::Null,
            Value::Integer(slot.temporary.into()),
            Value::Integer(slot.active.is_some().into()),
            slot.active
                .map_or(Value::Null, |pid| Value::Integer(pid.into())),
            place(slot.restart),
            match slot.restart {
                Lsn(0) => Value::Null,
                _ => cell("reserved"),
            },
        ]
    };
    server.senders.slots().into_iter().map(row).collect()
}
