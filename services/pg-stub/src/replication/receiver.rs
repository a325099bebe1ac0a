//! The log as it comes from the primary (walreceiver.c): connect, follow, answer, begin again.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Buf, BufMut};
use rand::Rng as _;
use tokio::time::Instant;

use super::client::{Client, ClientError};
use super::conninfo::Conninfo;
use super::history::{self, History};
use super::standby::set_history;
use crate::engine::context::{lock, wall_us};
use crate::server::Server;
use crate::wal::log::LogError;
use crate::wal::lsn::Lsn;
use crate::wal::recovery::write_new;

/// Microseconds from 1970 to 2000, from which the protocol counts.
pub const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// What `pg_stat_wal_receiver` shows.
#[derive(Clone, Debug, Default)]
pub struct ReceiverStatus {
    /// `streaming`, …; empty while there is no receiver.
    pub status: &'static str,
    /// Where it began.
    pub start: Lsn,
    /// On which timeline it is.
    pub timeline: u32,
    /// The primary's end of the log, as it last said.
    pub latest_end: Lsn,
    /// When it last said something, microseconds since 1970.
    pub heard_us: i64,
    /// Where the primary is.
    pub host: String,
    /// Which port.
    pub port: u16,
    /// The slot.
    pub slot: String,
    /// How it was reached, without the password.
    pub conninfo: String,
}

/// Why the stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("could not connect to the primary server: {0}")]
    Connect(ClientError),
    #[error("could not start WAL streaming: {0}")]
    Start(ClientError),
    #[error("could not receive data from WAL stream: {0}")]
    Stream(#[from] ClientError),
    #[error("terminating walreceiver due to timeout")]
    Timeout,
    #[error("replication terminated by primary server")]
    Terminated,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Log(#[from] LogError),
}

/// Follows the primary for ever.
pub async fn run(server: &Server) -> Infallible {
    let pid = server.pids.receiver;
    let pause = Duration::from_millis(
        u64::try_from(server.config.time_ms("wal_retrieve_retry_interval")).unwrap_or(5000),
    );
    loop {
        let begun = Instant::now();
        let text = server.setting("primary_conninfo");
        if text.is_empty() {
            // PostgreSQL then reads what is put into `pg_wal` by hand; nothing does so here.
            std::future::pending::<()>().await;
        }
        let ended = match Conninfo::parse(&text) {
            Ok(info) => follow(server, &info).await,
            Err(error) => Err(Ended::Refused(format!(
                "invalid connection string: {error}"
            ))),
        };
        lock(&server.facts.standby.receiver).status = "";
        if let Err(error) = ended {
            let level = match error {
                Ended::Terminated => "LOG",
                _ => "FATAL",
            };
            server.log(pid, level, &error.to_string());
        }
        // Once in an interval, not an interval after the last end (xlogrecovery.c).
        tokio::time::sleep_until(begun + pause).await;
    }
}

async fn follow(server: &Server, info: &Conninfo) -> Result<(), Ended> {
    let facts = &server.facts;
    let mut nonce = [0; 18];
    lock(&facts.random).fill_bytes(&mut nonce);
    let cluster = server.setting("cluster_name");
    let application = match (&info.application, cluster.as_str()) {
        (Some(name), _) => name.as_str(),
        (None, "") => "walreceiver",
        (None, name) => name,
    };
    let net = &server.host().net;
    let connected = Client::connect(net, info, "true", application, &nonce).await;
    let mut client = connected.map_err(Ended::Connect)?;
    let rows = client.query("IDENTIFY_SYSTEM").await?;
    let cell = |i: usize| rows.first().and_then(|row| row.get(i).cloned().flatten());
    let own = lock(&server.control).system.to_string();
    let system = cell(0).unwrap_or_default();
    if system != own {
        return Err(Ended::Refused(format!(
            "database system identifier differs between the primary and standby\n\
             The primary's identifier is {system}, the standby's identifier is {own}."
        )));
    }
    let mut newest: u32 = cell(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    if newest < facts.wal.timeline() {
        return Err(Ended::Refused(format!(
            "highest timeline {newest} of the primary is behind recovery timeline {}",
            facts.wal.timeline()
        )));
    }
    let slot = server.setting("primary_slot_name");
    loop {
        let timeline = facts.wal.timeline();
        if newest > timeline && !catch_up(server, &mut client, newest).await? {
            return Err(Ended::Terminated);
        }
        let timeline = facts.wal.timeline();
        let start = facts.wal.inserted();
        *lock(&facts.standby.receiver) = ReceiverStatus {
            status: "streaming",
            start,
            timeline,
            latest_end: start,
            heard_us: wall_us(),
            host: info.host.clone(),
            port: info.port,
            slot: slot.clone(),
            conninfo: info.shown(),
        };
        let named = match slot.as_str() {
            "" => String::new(),
            slot => format!("SLOT \"{slot}\" "),
        };
        let command = format!("START_REPLICATION {named}{start} TIMELINE {timeline}");
        client.start_copy(&command).await.map_err(Ended::Start)?;
        let said = format!("started streaming WAL from primary at {start} on timeline {timeline}");
        server.log(server.pids.receiver, "LOG", &said);
        stream(server, &mut client).await?;
        let said = format!(
            "replication terminated by primary server\n\
             End of WAL reached on timeline {timeline} at {}.",
            facts.wal.inserted()
        );
        server.log(server.pids.receiver, "LOG", &said);
        client.send(b'c', &[]).await?;
        let (rows, _) = match client.rest().await {
            // A primary that stops closes after its last words.
            Err(ClientError::Closed) => return Ok(()),
            rest => rest?,
        };
        // The primary has gone over to another timeline.
        let next = rows.first().and_then(|row| row.first().cloned().flatten());
        newest = next.and_then(|next| next.parse().ok()).unwrap_or(newest);
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// Goes over to a later timeline of the primary's, if this server's log is still part of its
/// history. False when it is not, or when the end of the earlier timeline is not here yet.
async fn catch_up(server: &Server, client: &mut Client, newest: u32) -> Result<bool, Ended> {
    let facts = &server.facts;
    let rows = client.query(&format!("TIMELINE_HISTORY {newest}")).await?;
    let text = rows.first().and_then(|row| row.get(1).cloned().flatten());
    let history = History::parse(&text.unwrap_or_default());
    let timeline = facts.wal.timeline();
    let Some(end) = history.end_of(timeline) else {
        let said =
            format!("new timeline {newest} is not a child of database system timeline {timeline}");
        return Err(Ended::Refused(said));
    };
    let replayed = facts.standby.replayed();
    if end < replayed {
        return Err(Ended::Refused(format!(
            "new timeline {newest} forked off current database system timeline {timeline} \
             before current recovery point {replayed}"
        )));
    }
    let next = history.after(timeline, newest);
    if facts.wal.inserted() < end {
        // The rest of the earlier timeline comes first; the primary ends that stream by itself.
        return Ok(true);
    }
    let file = format!("pg_wal/{}", history::file_name(newest));
    write_new(server, &file, &history.text()).await?;
    facts.wal.switch(end, next).await?;
    let before = history.0.iter().take_while(|(known, _)| *known != next);
    set_history(server, History(before.copied().collect()));
    server.log(
        server.pids.startup,
        "LOG",
        &format!("new target timeline is {next}"),
    );
    Ok(true)
}

/// Takes what comes until the primary ends it.
async fn stream(server: &Server, client: &mut Client) -> Result<(), Ended> {
    let facts = &server.facts;
    let limit = |name: &str| {
        let ms = u64::try_from(server.config.time_ms(name)).unwrap_or(0);
        (ms > 0).then(|| Duration::from_millis(ms))
    };
    let timeout = limit("wal_receiver_timeout");
    let interval = limit("wal_receiver_status_interval");
    let (mut flushed, mut replayed) = (facts.wal.watch(), facts.standby.watch());
    let mut heard = Instant::now();
    let mut asked = false;
    let mut reported = Instant::now();
    let never = Instant::now() + Duration::from_secs(1 << 30);
    // The primary learns at once where this standby is.
    reply(server, client, false).await?;
    loop {
        let next_report = interval.map_or(never, |interval| reported + interval);
        let next_check = match timeout {
            None => never,
            Some(timeout) if asked => heard + timeout,
            Some(timeout) => heard + timeout / 2,
        };
        let mut ask = false;
        tokio::select! {
            biased;
            message = client.message() => {
                heard = Instant::now();
                asked = false;
                match message? {
                    (b'd', body) => {
                        if !take(server, &body)? {
                            continue;
                        }
                    }
                    (b'c', _) => return Ok(()),
                    (b'E', body) => return Err(super::client::server_error(&body).into()),
                    (b'C', _) => return Err(Ended::Terminated),
                    _ => continue,
                }
            }
            _ = flushed.changed() => {}
            _ = replayed.changed() => {}
            () = tokio::time::sleep_until(next_report) => {}
            () = tokio::time::sleep_until(next_check) => {
                if asked {
                    return Err(Ended::Timeout);
                }
                (asked, ask) = (true, true);
            }
        }
        reported = Instant::now();
        reply(server, client, ask).await?;
    }
}

/// Tells the primary up to where the log is here.
async fn reply(server: &Server, client: &mut Client, ask: bool) -> Result<(), ClientError> {
    let facts = &server.facts;
    let mut reply = vec![b'r'];
    for place in [
        facts.wal.written(),
        facts.wal.flushed(),
        facts.standby.replayed(),
    ] {
        reply.put_u64(place.0);
    }
    reply.put_i64(wall_us() - EPOCH_2000_US);
    reply.put_u8(u8::from(ask));
    client.send(b'd', &reply).await
}

/// One message of the stream. True when the primary wants an answer.
fn take(server: &Server, body: &[u8]) -> Result<bool, Ended> {
    let unexpected = |what: &str| ClientError::Unexpected(what.to_owned());
    let mut rest = body;
    let kind = rest.try_get_u8().unwrap_or(0);
    let head = match kind {
        b'w' => 24,
        b'k' => 17,
        _ => return Err(unexpected("a message in the stream").into()),
    };
    if rest.len() < head {
        return Err(unexpected("a message that is too short").into());
    }
    let place = Lsn(rest.get_u64());
    let mut status = lock(&server.facts.standby.receiver);
    status.heard_us = wall_us();
    if kind == b'k' {
        status.latest_end = place;
        rest.advance(8);
        return Ok(rest.get_u8() != 0);
    }
    status.latest_end = Lsn(rest.get_u64());
    rest.advance(8);
    drop(status);
    match server.facts.wal.receive(place, rest) {
        true => Ok(false),
        false => Err(unexpected("a gap in the log").into()),
    }
}
