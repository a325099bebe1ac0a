//! A copy of a data folder, over a replication connection.
//!
//! The command is `BASE_BACKUP` with PostgreSQL's answers, but the archive is not tar: one list of
//! files with a checksum. So that nobody takes it for tar it must be asked for by `FORMAT 'pg-stub'`.

use bytes::{BufMut, Bytes};
use squall_host::disk::Disk;

use super::history;
use crate::engine::context::{lock, wall_us};
use crate::error::Error;
use crate::server::Server;
use crate::wal::codec::{Malformed, Reader, put_bytes};
use crate::wal::control::{CONTROL_FILE, Control, Doing, read_file, replace_file, snapshot_file};
use crate::wal::log::LogError;
use crate::wal::lsn::Lsn;
use crate::wal::record::checksum;
use crate::wal::segment;

/// The option that says that the asker knows what comes.
pub const FORMAT: &str = "pg-stub";
/// Files of people's that a copy takes along.
const CONFIGURATION: &[&str] = &["pg_hba.conf", "postgresql.auto.conf"];

/// A copy.
pub struct BaseCopy {
    /// Where its log begins.
    pub start: Lsn,
    /// Up to where it must be replayed.
    pub end: Lsn,
    /// On which timeline.
    pub timeline: u32,
    /// Files by their path in the data folder, in the order in which they are written.
    pub files: Vec<(String, Vec<u8>)>,
}

impl BaseCopy {
    /// Of a server that runs.
    pub async fn of(server: &Server) -> Result<Self, Error> {
        let _one = server.checkpoints.lock().await;
        let snapshot = server.snapshot(false)?;
        let wal = &server.facts.wal;
        wal.flush(snapshot.end).await;
        let timeline = wal.timeline();
        let data = &server.config.data;
        let mut files = vec![(snapshot_file(snapshot.redo), snapshot.encode())];
        if let Some(bytes) = wal.read(snapshot.redo, snapshot.end, usize::MAX)
            && !bytes.is_empty()
        {
            let name = segment::file_name(timeline, snapshot.redo);
            files.push((format!("pg_wal/{name}"), bytes));
        }
        if timeline > 1 {
            let text = lock(&server.facts.history).text();
            let name = format!("pg_wal/{}", history::file_name(timeline));
            files.push((name, text.into_bytes()));
        }
        for name in CONFIGURATION {
            let found = read_file(server.disk(), &format!("{data}/{name}")).await?;
            files.extend(found.map(|bytes| ((*name).to_owned(), bytes.to_vec())));
        }
        let control = Control {
            timeline,
            doing: Doing::InProduction,
            redo: snapshot.redo,
            consistent: snapshot.end,
            time_us: wall_us(),
            ..*lock(&server.control)
        };
        files.push((CONTROL_FILE.to_owned(), control.encode()));
        // Last, so that a folder that has it is whole.
        files.push(("PG_VERSION".to_owned(), b"15\n".to_vec()));
        Ok(Self {
            start: snapshot.redo,
            end: snapshot.end,
            timeline,
            files,
        })
    }

    /// The files as bytes.
    pub fn archive(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.files.len() as u32);
        for (name, content) in &self.files {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, content);
        }
        let crc = checksum(&out);
        out.put_u32(crc);
        out
    }
}

/// The archive out of the messages that bring it: `n` begins one, `d` has a piece of it.
pub fn content(messages: &[Bytes]) -> Vec<u8> {
    let pieces = messages.iter().filter(|m| m.first() == Some(&b'd'));
    pieces.flat_map(|m| m[1..].iter().copied()).collect()
}

/// The files of an archive; `None` when it is not whole.
pub fn files(archive: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let (body, crc) = archive.split_at_checked(archive.len().checked_sub(4)?)?;
    let read = |r: &mut Reader<'_>| -> Result<Vec<(String, Vec<u8>)>, Malformed> {
        r.list(|r| Ok((r.text()?, r.bytes()?.to_vec())))
    };
    let whole = crc == checksum(body).to_be_bytes();
    whole.then(|| read(&mut Reader(body)).ok()).flatten()
}

/// Writes files into a data folder, in their order, each durably.
pub async fn write(disk: &Disk, data: &str, files: Vec<(String, Vec<u8>)>) -> Result<(), LogError> {
    for (name, content) in files {
        replace_file(disk, &format!("{data}/{name}"), content).await?;
    }
    Ok(())
}
