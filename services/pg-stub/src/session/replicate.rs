//! A session that follows the log: the commands of a replication connection, and the stream.

pub(super) mod views;

use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use pgwire::messages::copy::{CopyBothResponse, CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::response::CommandComplete;
use rusqlite::types::Value;
use tokio::time::Instant;

use super::extended::row_description;
use super::{Session, Stop};
use crate::engine::context::{lock, wall_us};
use crate::engine::rows::Rows;
use crate::error::PgError;
use crate::frame::{Message, Phase};
use crate::replication::base::{self, BaseCopy};
use crate::replication::command::Command;
use crate::replication::history;
use crate::replication::receiver::EPOCH_2000_US;
use crate::replication::sender::{SenderState, Slot};
use crate::sql::types::{Column, Ty};
use crate::wal::lsn::Lsn;

/// The most of the log in one message (`MAX_SEND_SIZE`, walsender.c).
const CHUNK_BYTES: usize = 128 << 10;

/// How the stream ended.
enum Ended {
    /// The client has had enough.
    Client,
    /// The timeline ended.
    Timeline,
    /// The server stops.
    Server,
}

/// What the stream waits for.
enum Event {
    /// There may be more to send.
    More,
    /// The standby said something.
    Heard(Message),
    /// It has said nothing for long.
    Silence,
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

impl Session {
    /// One command, if it is one; `false` for SQL.
    pub(super) async fn replicate(&mut self, sql: &str) -> Result<bool, Stop> {
        let Some(command) = Command::parse(sql)? else {
            if self.context.session.database.is_empty() {
                return Err(PgError::new(
                    "0A000",
                    "cannot execute SQL commands in WAL sender for physical replication",
                )
                .into());
            }
            return Ok(false);
        };
        let server = self.server.clone();
        let wal = &server.facts.wal;
        let tag = match command {
            Command::Identify => {
                let system = lock(&server.control).system;
                let database = match self.context.session.database.as_str() {
                    "" => Value::Null,
                    name => text(name),
                };
                let end = self.end_of_log();
                self.send_rows(
                    &[
                        ("systemid", Ty::Text),
                        ("timeline", Ty::Int4),
                        ("xlogpos", Ty::Text),
                        ("dbname", Ty::Text),
                    ],
                    vec![vec![
                        text(system),
                        Value::Integer(wal.timeline().into()),
                        text(end),
                        database,
                    ]],
                )?;
                "IDENTIFY_SYSTEM"
            }
            Command::Timeline(timeline) => {
                let name = history::file_name(timeline);
                let path = format!("{}/{name}", wal.folder());
                let found = crate::wal::control::read_file(server.disk(), &path).await;
                let found = found.map_err(|error| PgError::new("58030", error.to_string()))?;
                let found = found.ok_or_else(|| {
                    let said =
                        format!("could not open file \"pg_wal/{name}\": No such file or directory");
                    PgError::new("58P01", said)
                })?;
                let content = String::from_utf8_lossy(&found).into_owned();
                self.send_rows(
                    &[("filename", Ty::Text), ("content", Ty::Text)],
                    vec![vec![text(name), text(content)]],
                )?;
                "TIMELINE_HISTORY"
            }
            Command::CreateSlot {
                name,
                temporary,
                reserve,
            } => {
                let slot = Slot {
                    restart: if reserve { wal.flushed() } else { Lsn(0) },
                    temporary,
                    active: temporary.then_some(self.pid),
                };
                let most = server.config.number("max_replication_slots").max(0) as usize;
                server.senders.create_slot(&name, slot, most)?;
                self.send_rows(
                    &[
                        ("slot_name", Ty::Text),
                        ("consistent_point", Ty::Text),
                        ("snapshot_name", Ty::Text),
                        ("output_plugin", Ty::Text),
                    ],
                    vec![vec![
                        text(name),
                        text(slot.restart),
                        Value::Null,
                        Value::Null,
                    ]],
                )?;
                "CREATE_REPLICATION_SLOT"
            }
            Command::DropSlot(name) => {
                server.senders.drop_slot(&name)?;
                "DROP_REPLICATION_SLOT"
            }
            Command::BaseBackup(options) => {
                self.base_backup(&options).await?;
                "BASE_BACKUP"
            }
            Command::Show(name) => {
                let value = self.setting(&name);
                let value = value.ok_or_else(|| crate::settings::unknown(&name))?;
                self.send_rows(&[(&name, Ty::Text)], vec![vec![text(value)]])?;
                "SHOW"
            }
            Command::Start { slot, at, timeline } => {
                if let Some(slot) = &slot {
                    server.senders.use_slot(slot, self.pid)?;
                }
                server.senders.update(self.pid, |status| status.slot = slot);
                self.start_stream(at, timeline).await?;
                server
                    .senders
                    .update(self.pid, |status| status.state = SenderState::Startup);
                "START_STREAMING"
            }
        };
        self.wire().put(&CommandComplete::new(tag.to_owned()));
        Ok(true)
    }

    /// The end of what can be followed here.
    fn end_of_log(&self) -> Lsn {
        self.server.facts.wal.flushed()
    }

    fn send_rows(&mut self, columns: &[(&str, Ty)], rows: Vec<Vec<Value>>) -> Result<(), PgError> {
        let columns: Vec<Column> = columns.iter().map(|(n, ty)| Column::new(*n, *ty)).collect();
        let mut all = Rows::default();
        for cells in rows {
            all.push(&columns, &[], |i| Ok((&cells[i]).into()))?;
        }
        let wire = self.wire();
        wire.put(&row_description(&columns, &[]));
        wire.output.unsplit(all.data);
        Ok(())
    }

    async fn base_backup(&mut self, options: &[String]) -> Result<(), Stop> {
        let format = options
            .windows(2)
            .any(|pair| pair[0].eq_ignore_ascii_case("FORMAT") && pair[1] == base::FORMAT);
        if !format {
            return Err(
                PgError::unsupported("a base backup as pg_basebackup takes it")
                    .hint("Two servers of pg-stub copy each other with FORMAT 'pg-stub'.")
                    .into(),
            );
        }
        let server = self.server.clone();
        server
            .senders
            .update(self.pid, |status| status.state = SenderState::Backup);
        let copying = async move { BaseCopy::of(&server).await };
        let copy = self.wait_for(copying, None).await?;
        let copy = copy.map_err(|error| PgError::new("58030", error.to_string()))?;
        let columns: [(&str, Ty); 2] = [("recptr", Ty::Text), ("tli", Ty::Int8)];
        let place = |at: Lsn| vec![vec![text(at), Value::Integer(copy.timeline.into())]];
        self.send_rows(&columns, place(copy.start))?;
        self.wire().put(&CommandComplete::new("SELECT".to_owned()));
        let spaces = [
            ("spcoid", Ty::Oid),
            ("spclocation", Ty::Text),
            ("size", Ty::Int8),
        ];
        self.send_rows(&spaces, vec![vec![Value::Null, Value::Null, Value::Null]])?;
        self.wire().put(&CommandComplete::new("SELECT".to_owned()));
        self.wire().put(&CopyOutResponse::new(0, 0, Vec::new()));
        let mut begin = BytesMut::from(&b"nbase.pg-stub\0\0"[..]);
        self.wire().put(&CopyData::new(begin.split().freeze()));
        for piece in copy.archive().chunks(CHUNK_BYTES) {
            let mut data = BytesMut::with_capacity(piece.len() + 1);
            data.put_u8(b'd');
            data.put_slice(piece);
            let wire = self.wire();
            wire.put(&CopyData::new(data.freeze()));
            wire.flush_if_full().await?;
        }
        self.wire().put(&CopyDone::new());
        self.send_rows(&columns, place(copy.end))?;
        self.wire().put(&CommandComplete::new("SELECT".to_owned()));
        Ok(())
    }

    /// START_REPLICATION, up to the end of the stream.
    async fn start_stream(&mut self, at: Lsn, timeline: Option<u32>) -> Result<(), Stop> {
        let facts = self.server.facts.clone();
        let current = facts.wal.timeline();
        let timeline = timeline.unwrap_or(current);
        if timeline != current {
            let fork = lock(&facts.history).end_of(timeline);
            let fork = fork.ok_or_else(|| {
                let said = format!("requested timeline {timeline} is not in this server's history");
                PgError::new("XX000", said)
            })?;
            if fork < at {
                return Err(PgError::new(
                    "XX000",
                    format!(
                        "requested starting point {at} on timeline {timeline} is not in this server's history"
                    ),
                )
                .detail(format!(
                    "This server's history forked from timeline {timeline} at {fork}."
                ))
                .into());
            }
        }
        let end = self.end_of_log();
        if at > end {
            return Err(PgError::new(
                "XX000",
                format!(
                    "requested starting point {at} is ahead of the WAL flush position of this server {end}"
                ),
            )
            .into());
        }
        let wire = self.wire();
        wire.put(&CopyBothResponse::new(0, 0, Vec::new()));
        wire.flush().await?;
        let ended = self.stream(at, timeline).await?;
        self.wire().put(&CopyDone::new());
        match ended {
            Ended::Client => {}
            Ended::Server => {
                self.wire().put(&CommandComplete::new("COPY 0".to_owned()));
                self.flush().await?;
                return Err(Stop::Gone(std::io::ErrorKind::ConnectionAborted.into()));
            }
            Ended::Timeline => {
                self.flush().await?;
                self.until_client_is_done().await?;
                let known = lock(&facts.history).clone();
                let next = known.after(timeline, facts.wal.timeline());
                let fork = known.end_of(timeline).unwrap_or(at);
                self.send_rows(
                    &[("next_tli", Ty::Int8), ("next_tli_startpos", Ty::Text)],
                    vec![vec![Value::Integer(next.into()), text(fork)]],
                )?;
            }
        }
        Ok(())
    }

    async fn until_client_is_done(&mut self) -> Result<(), Stop> {
        loop {
            match self.wire().message(Phase::Ready).await?? {
                Message::CopyDone(_) => return Ok(()),
                Message::CopyData(_) => {}
                _ => return Err(PgError::protocol("unexpected message").into()),
            }
        }
    }

    async fn stream(&mut self, at: Lsn, timeline: u32) -> Result<Ended, Stop> {
        let server = self.server.clone();
        let (facts, pid) = (&server.facts, self.pid);
        let mut flushed = facts.wal.watch();
        let timeout = u64::try_from(server.config.time_ms("wal_sender_timeout")).unwrap_or(0);
        let timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
        let never = Instant::now() + Duration::from_secs(1 << 30);
        let mut heard = Instant::now();
        let mut asked = false;
        let mut sent = at;
        let mut caught_up = false;
        server.senders.update(pid, |status| {
            status.state = SenderState::Catchup;
            status.sent = at;
        });
        loop {
            flushed.mark_unchanged();
            let end = facts.wal.flushed();
            // A standby that is promoted goes on, on a timeline that its followers must ask for.
            let fork = match facts.wal.timeline() == timeline {
                true => None,
                false => lock(&facts.history).end_of(timeline),
            };
            let limit = fork.unwrap_or(end);
            let deadline = timeout.map_or(never, |timeout| heard + timeout);
            if sent < limit {
                let chunk = facts.wal.read(sent, limit, CHUNK_BYTES);
                let chunk = chunk.filter(|chunk| !chunk.is_empty()).ok_or_else(|| {
                    let file = facts.wal.file_at(sent);
                    let said = format!("requested WAL segment {file} has already been removed");
                    PgError::fatal("58P01", said)
                })?;
                let mut data = BytesMut::with_capacity(chunk.len() + 25);
                data.put_u8(b'w');
                data.put_u64(sent.0);
                data.put_u64(limit.0);
                data.put_i64(wall_us() - EPOCH_2000_US);
                data.put_slice(&chunk);
                let wire = self.wire();
                wire.put(&CopyData::new(data.freeze()));
                match tokio::time::timeout_at(deadline, wire.flush()).await {
                    Ok(done) => done?,
                    Err(_) => return Err(self.silent()),
                }
                sent = sent.plus(chunk.len());
                server.senders.update(pid, |status| status.sent = sent);
            } else if fork.is_some() {
                return Ok(Ended::Timeline);
            } else if self.signals.borrow().terminate {
                return Ok(Ended::Server);
            }
            let behind = sent < limit;
            if !behind && !std::mem::replace(&mut caught_up, true) {
                server
                    .senders
                    .update(pid, |status| status.state = SenderState::Streaming);
            }
            let ping = match timeout {
                Some(timeout) if !asked => heard + timeout / 2,
                _ => deadline,
            };
            let Self { wire, signals, .. } = self;
            let wire = wire.as_mut().expect("a session that serves has a client");
            let stops = signals.borrow().terminate;
            let event = tokio::select! {
                biased;
                message = wire.message(Phase::Ready) => Event::Heard(message??),
                () = std::future::ready(()), if behind => Event::More,
                _ = flushed.changed() => Event::More,
                _ = signals.changed(), if !stops => Event::More,
                () = tokio::time::sleep_until(ping) => Event::Silence,
            };
            match event {
                Event::More => {}
                Event::Silence if asked => return Err(self.silent()),
                Event::Silence => {
                    asked = true;
                    self.keepalive(sent, true).await?;
                }
                Event::Heard(message) => {
                    (heard, asked) = (Instant::now(), false);
                    match message {
                        Message::CopyData(data) => {
                            if self.heard(&data.data)? {
                                self.keepalive(sent, false).await?;
                            }
                        }
                        Message::CopyDone(_) => return Ok(Ended::Client),
                        Message::Terminate(_) => {
                            return Err(Stop::Gone(std::io::ErrorKind::UnexpectedEof.into()));
                        }
                        _ => return Err(PgError::protocol("unexpected message").into()),
                    }
                }
            }
        }
    }

    fn silent(&self) -> Stop {
        let said = "terminating walsender process due to replication timeout";
        self.server.log(self.pid, "LOG", said);
        Stop::Gone(std::io::ErrorKind::TimedOut.into())
    }

    async fn keepalive(&mut self, sent: Lsn, ask: bool) -> Result<(), Stop> {
        let mut data = BytesMut::with_capacity(18);
        data.put_u8(b'k');
        data.put_u64(sent.0);
        data.put_i64(wall_us() - EPOCH_2000_US);
        data.put_u8(u8::from(ask));
        let wire = self.wire();
        wire.put(&CopyData::new(data.freeze()));
        wire.flush().await?;
        Ok(())
    }

    /// What a standby says; true when it wants an answer.
    fn heard(&mut self, mut data: &[u8]) -> Result<bool, PgError> {
        match data.try_get_u8() {
            Ok(b'r') if data.len() == 33 => {
                let [write, flush, replay] = [0; 3].map(|_: u8| Lsn(data.get_u64()));
                data.advance(8);
                self.server.senders.update(self.pid, |status| {
                    (status.write, status.flush, status.replay) = (write, flush, replay);
                    status.replied_us = wall_us();
                });
                Ok(data.get_u8() != 0)
            }
            // Hot standby feedback: there is no vacuum that it could hold back.
            Ok(b'h') => Ok(false),
            _ => Err(PgError::protocol(
                "unexpected message type in a standby's reply",
            )),
        }
    }
}
