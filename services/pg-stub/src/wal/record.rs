//! One record of the write-ahead log, as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length, a multiple of eight, all included |
//! | 4..8 | CRC-32C of the length and of all after this field |
//! | 8..16 | its own LSN, so that a record in a wrong place is none |
//! | 16..24 | up to where the log was durable when it was made |
//! | 24..32 | when, microseconds since 1970 |
//! | 32.. | the entry, then zeros |
//!
//! The fourth field tells a torn tail from damage: what was durable once cannot be torn.

use std::collections::BTreeMap;

use bytes::BufMut;
use crc::{CRC_32_ISCSI, Crc};

use super::codec::{Malformed, Reader, put_bytes, put_option, put_value};
use super::lsn::{ALIGNMENT, Lsn};
use crate::engine::record::Change;
use crate::engine::store::Sequence;
use crate::scram::Verifier;
use crate::server::Role;

/// The bytes before the entry.
pub const HEADER_BYTES: usize = 32;
/// The longest record: more than a database of the engine's can hold.
const RECORD_BYTES_MAX: usize = 1 << 30;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// CRC-32C.
pub fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A transaction of a database was committed.
    Commit {
        /// The database's OID.
        database: u32,
        /// What it did.
        changes: Vec<Change>,
        /// Sequences as they are after it; `None` for those that are gone.
        sequences: Vec<(String, Option<Sequence>)>,
    },
    /// A role as it is now; `None` when it is gone.
    Role {
        /// Its name.
        name: String,
        /// The role.
        role: Option<Role>,
    },
    /// A database was made, or is gone.
    Database {
        /// Its name.
        name: String,
        /// Its OID when it was made.
        oid: Option<u32>,
    },
    /// A checkpoint was done.
    Checkpoint {
        /// Where recovery from it begins.
        redo: Lsn,
        /// Whether the server stopped with it.
        shutdown: bool,
    },
    /// The end of a standby's recovery: the first record of a timeline.
    EndOfRecovery {
        /// The timeline that begins.
        timeline: u32,
        /// The one before.
        previous: u32,
    },
}

/// A record at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct WalRecord {
    /// Where it begins.
    pub lsn: Lsn,
    /// Up to where the log was durable when it was made.
    pub durable: Lsn,
    /// When, microseconds since 1970.
    pub time_us: i64,
    /// What it says.
    pub entry: Entry,
}

/// Why there is no record at a place, in PostgreSQL's words (xlogreader.c).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    /// The bytes end before it does.
    #[error("invalid record length at {at}: wanted {HEADER_BYTES}, got {left}")]
    End {
        /// The place.
        at: Lsn,
        /// How many bytes are there.
        left: usize,
    },
    /// The length is none that a record has.
    #[error("invalid record length at {at}: wanted {HEADER_BYTES}, got {length}")]
    Length {
        /// The place.
        at: Lsn,
        /// What is in its place.
        length: usize,
    },
    /// The CRC does not fit.
    #[error("incorrect resource manager data checksum in record at {at}")]
    Checksum {
        /// The place.
        at: Lsn,
    },
    /// It belongs elsewhere.
    #[error("record with incorrect prev-link at {at}")]
    Place {
        /// The place.
        at: Lsn,
    },
    /// The entry is none that this version knows.
    #[error("unexpected record contents at {at}: {source}")]
    Entry {
        /// The place.
        at: Lsn,
        /// What is wrong.
        source: Malformed,
    },
}

impl WalRecord {
    /// Its bytes; their number is a multiple of eight.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.put_u64(0);
        out.put_u64(self.lsn.0);
        out.put_u64(self.durable.0);
        out.put_i64(self.time_us);
        put_entry(&mut out, &self.entry);
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        let crc = record_checksum(&out);
        out[4..8].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// The record at `at`, where `bytes` begin, and its length.
    pub fn decode(bytes: &[u8], at: Lsn) -> Result<(Self, usize), NoRecord> {
        let left = bytes.len();
        if left < HEADER_BYTES {
            return Err(NoRecord::End { at, left });
        }
        let malformed = |source| NoRecord::Entry { at, source };
        let length = Reader(bytes).u32().map_err(malformed)? as usize;
        let fits = (HEADER_BYTES..=RECORD_BYTES_MAX).contains(&length);
        if !fits || !length.is_multiple_of(ALIGNMENT) {
            return Err(NoRecord::Length { at, length });
        }
        let Some(bytes) = bytes.get(..length) else {
            return Err(NoRecord::End { at, left });
        };
        let mut head = Reader(&bytes[4..]);
        let crc = head.u32().map_err(malformed)?;
        if crc != record_checksum(bytes) {
            return Err(NoRecord::Checksum { at });
        }
        let lsn = Lsn(head.u64().map_err(malformed)?);
        if lsn != at {
            return Err(NoRecord::Place { at });
        }
        let record = Self {
            lsn,
            durable: Lsn(head.u64().map_err(malformed)?),
            time_us: head.i64().map_err(malformed)?,
            entry: read_entry(&mut head).map_err(malformed)?,
        };
        let padding = head.0;
        if padding.len() >= ALIGNMENT || padding.iter().any(|byte| *byte != 0) {
            return Err(malformed(Malformed { at: padding.len() }));
        }
        Ok((record, length))
    }
}

fn record_checksum(record: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&record[..4]);
    digest.update(&record[8..]);
    digest.finalize()
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Commit {
            database,
            changes,
            sequences,
        } => {
            out.put_u8(1);
            out.put_u32(*database);
            out.put_u32(changes.len() as u32);
            for change in changes {
                put_change(out, change);
            }
            out.put_u32(sequences.len() as u32);
            for (name, sequence) in sequences {
                put_bytes(out, name.as_bytes());
                put_option(out, sequence.as_ref(), put_sequence);
            }
        }
        Entry::Role { name, role } => {
            out.put_u8(2);
            put_bytes(out, name.as_bytes());
            put_option(out, role.as_ref(), put_role);
        }
        Entry::Database { name, oid } => {
            out.put_u8(3);
            put_bytes(out, name.as_bytes());
            put_option(out, oid.as_ref(), |out, oid| out.put_u32(*oid));
        }
        Entry::Checkpoint { redo, shutdown } => {
            out.put_u8(4);
            out.put_u64(redo.0);
            out.put_u8(u8::from(*shutdown));
        }
        Entry::EndOfRecovery { timeline, previous } => {
            out.put_u8(5);
            out.put_u32(*timeline);
            out.put_u32(*previous);
        }
    }
}

fn read_entry(r: &mut Reader<'_>) -> Result<Entry, Malformed> {
    Ok(match r.u8()? {
        1 => Entry::Commit {
            database: r.u32()?,
            changes: r.list(read_change)?,
            sequences: r.list(|r| Ok((r.text()?, r.option(read_sequence)?)))?,
        },
        2 => Entry::Role {
            name: r.text()?,
            role: r.option(read_role)?,
        },
        3 => Entry::Database {
            name: r.text()?,
            oid: r.option(Reader::u32)?,
        },
        4 => Entry::Checkpoint {
            redo: Lsn(r.u64()?),
            shutdown: r.flag()?,
        },
        5 => Entry::EndOfRecovery {
            timeline: r.u32()?,
            previous: r.u32()?,
        },
        _ => return Err(Malformed { at: r.0.len() }),
    })
}

fn put_change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Schema(sql) => {
            out.put_u8(1);
            put_bytes(out, sql.as_bytes());
        }
        Change::Rows(rows) => {
            out.put_u8(2);
            out.put_u32(rows.len() as u32);
            for ((table, row), image) in rows {
                put_bytes(out, table.as_bytes());
                out.put_i64(*row);
                put_option(out, image.as_ref(), |out, values| {
                    out.put_u32(values.len() as u32);
                    for value in values {
                        put_value(out, value);
                    }
                });
            }
        }
    }
}

fn read_change(r: &mut Reader<'_>) -> Result<Change, Malformed> {
    Ok(match r.u8()? {
        1 => Change::Schema(r.text()?),
        2 => {
            let rows = r.list(|r| {
                let key = (r.text()?, r.i64()?);
                Ok((key, r.option(|r| r.list(Reader::value))?))
            })?;
            Change::Rows(BTreeMap::from_iter(rows))
        }
        _ => return Err(Malformed { at: r.0.len() }),
    })
}

/// A sequence; only what the log vouches for.
pub fn put_sequence(out: &mut Vec<u8>, sequence: &Sequence) {
    out.put_i64(sequence.last);
    out.put_u8(u8::from(sequence.called));
    out.put_i64(sequence.increment);
    out.put_i64(sequence.start);
}

/// The same back.
pub fn read_sequence(r: &mut Reader<'_>) -> Result<Sequence, Malformed> {
    let last = r.i64()?;
    Ok(Sequence {
        last,
        called: r.flag()?,
        increment: r.i64()?,
        start: r.i64()?,
        logged: None,
    })
}

/// A role.
pub fn put_role(out: &mut Vec<u8>, role: &Role) {
    out.put_u32(role.oid);
    put_option(out, role.verifier.as_ref(), |out, verifier| {
        out.put_slice(&verifier.to_bytes());
    });
    for flag in [role.login, role.superuser, role.replication] {
        out.put_u8(u8::from(flag));
    }
}

/// The same back.
pub fn read_role(r: &mut Reader<'_>) -> Result<Role, Malformed> {
    Ok(Role {
        oid: r.u32()?,
        verifier: r.option(|r| {
            let bytes = r.take(Verifier::BYTES)?;
            Verifier::from_bytes(bytes).ok_or(Malformed { at: r.0.len() })
        })?,
        login: r.flag()?,
        superuser: r.flag()?,
        replication: r.flag()?,
    })
}

#[cfg(test)]
mod tests;
