//! All databases and roles as they are at one place in the log, as bytes.
//!
//! Each database says up to where the log is in it: what is there already is not replayed, though
//! another database may need replaying from further back.

use bytes::BufMut;

use super::codec::{Malformed, Reader, put_bytes};
use super::lsn::Lsn;
use super::record::{checksum, put_role, put_sequence, read_role, read_sequence};
use crate::engine::store::Sequence;
use crate::server::Role;

const MAGIC: &[u8; 8] = b"squallsn";

/// A database.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseImage {
    /// Its name.
    pub name: String,
    /// Its OID.
    pub oid: u32,
    /// Up to where the log is in it.
    pub applied: Lsn,
    /// Its sequences.
    pub sequences: Vec<(String, Sequence)>,
    /// SQLite's pages.
    pub pages: Vec<u8>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where replaying begins.
    pub redo: Lsn,
    /// The end of the log when it was done.
    pub end: Lsn,
    /// Roles by name.
    pub roles: Vec<(String, Role)>,
    /// Databases by name.
    pub databases: Vec<DatabaseImage>,
}

impl Snapshot {
    /// As bytes, with their checksum at the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u64(self.redo.0);
        out.put_u64(self.end.0);
        out.put_u32(self.roles.len() as u32);
        for (name, role) in &self.roles {
            put_bytes(&mut out, name.as_bytes());
            put_role(&mut out, role);
        }
        out.put_u32(self.databases.len() as u32);
        for database in &self.databases {
            put_bytes(&mut out, database.name.as_bytes());
            out.put_u32(database.oid);
            out.put_u64(database.applied.0);
            out.put_u32(database.sequences.len() as u32);
            for (name, sequence) in &database.sequences {
                put_bytes(&mut out, name.as_bytes());
                put_sequence(&mut out, sequence);
            }
            put_bytes(&mut out, &database.pages);
        }
        let crc = checksum(&out);
        out.put_u32(crc);
        out
    }

    /// Back; `None` when the bytes are not whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let whole = crc == checksum(body).to_be_bytes() && body.starts_with(MAGIC);
        whole.then(|| read(&mut Reader(body)).ok()).flatten()
    }
}

fn read(r: &mut Reader<'_>) -> Result<Snapshot, Malformed> {
    r.take(MAGIC.len())?;
    Ok(Snapshot {
        redo: Lsn(r.u64()?),
        end: Lsn(r.u64()?),
        roles: r.list(|r| Ok((r.text()?, read_role(r)?)))?,
        databases: r.list(|r| {
            Ok(DatabaseImage {
                name: r.text()?,
                oid: r.u32()?,
                applied: Lsn(r.u64()?),
                sequences: r.list(|r| Ok((r.text()?, read_sequence(r)?)))?,
                pages: r.bytes()?.to_vec(),
            })
        })?,
    })
}
