//! `global/pg_control`: which database system a data folder is, and where its recovery begins.

use std::io;

use bytes::{BufMut, Bytes};
use squall_host::disk::Disk;

use super::codec::{Malformed, Reader};
use super::log::LogError;
use super::lsn::Lsn;
use super::record::checksum;
use crate::error::Error;

/// Its path in the data folder.
pub const CONTROL_FILE: &str = "global/pg_control";
const MAGIC: &[u8; 8] = b"squallpg";

/// What the server was doing when the file was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// It had stopped in order.
    ShutDown,
    /// It wrote.
    #[default]
    InProduction,
    /// It was a standby.
    InArchiveRecovery,
}

/// The file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Tells database systems apart; a standby has its primary's.
    pub system: u64,
    /// The timeline of the last checkpoint.
    pub timeline: u32,
    /// What the server did.
    pub doing: Doing,
    /// Where replaying begins; the snapshot has its name from it.
    pub redo: Lsn,
    /// Up to where the log must be replayed before what is there fits together.
    pub consistent: Lsn,
    /// When it was written, microseconds since 1970.
    pub time_us: i64,
}

impl Control {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u64(self.system);
        out.put_u32(self.timeline);
        out.put_u8(match self.doing {
            Doing::ShutDown => 0,
            Doing::InProduction => 1,
            Doing::InArchiveRecovery => 2,
        });
        out.put_u64(self.redo.0);
        out.put_u64(self.consistent.0);
        out.put_i64(self.time_us);
        let crc = checksum(&out);
        out.put_u32(crc);
        out
    }

    /// Back; `None` when the bytes are not whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let whole = crc == checksum(body).to_be_bytes() && body.starts_with(MAGIC);
        let read = |r: &mut Reader<'_>| -> Result<Self, Malformed> {
            r.take(MAGIC.len())?;
            Ok(Self {
                system: r.u64()?,
                timeline: r.u32()?,
                doing: match r.u8()? {
                    0 => Doing::ShutDown,
                    1 => Doing::InProduction,
                    _ => Doing::InArchiveRecovery,
                },
                redo: Lsn(r.u64()?),
                consistent: Lsn(r.u64()?),
                time_us: r.i64()?,
            })
        };
        read(&mut Reader(body)).ok().filter(|_| whole)
    }

    /// The snapshot's path in the data folder.
    pub fn snapshot_file(&self) -> String {
        snapshot_file(self.redo)
    }
}

/// The path of the snapshot from which replaying begins at `redo`.
pub fn snapshot_file(redo: Lsn) -> String {
    format!("base/{:016X}", redo.0)
}

/// A file's content; `None` when there is none.
pub async fn read_file(disk: &Disk, path: &str) -> Result<Option<Bytes>, LogError> {
    match disk.read(path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::of("read", path, error)),
    }
}

/// Writes a file in whole or not at all: beside it, synced, renamed.
pub async fn replace_file(disk: &Disk, path: &str, bytes: Vec<u8>) -> Result<(), LogError> {
    let beside = format!("{path}.new");
    remove_file(disk, &beside).await?;
    let steps = async {
        disk.append(&beside, bytes.into()).await?;
        disk.sync(&beside).await?;
        disk.rename(&beside, path).await?;
        disk.sync(path).await
    };
    steps
        .await
        .map_err(|source| LogError::of("write to", path, source))
}

/// Removes a file, if it is there.
pub async fn remove_file(disk: &Disk, path: &str) -> Result<(), LogError> {
    match disk.remove(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LogError::of("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// The control file of a data folder; `None` when the folder is not one yet.
pub async fn read_control(disk: &Disk, data: &str) -> Result<Option<Control>, Error> {
    let path = format!("{data}/{CONTROL_FILE}");
    let Some(bytes) = read_file(disk, &path).await? else {
        return Ok(None);
    };
    let control = Control::decode(&bytes);
    control.map(Some).ok_or_else(|| Error::Damaged {
        file: path,
        offset: 0,
        what: "incorrect checksum in control file, or a data folder of another program".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_is_seen() {
        let control = Control {
            system: 7,
            timeline: 2,
            doing: Doing::InProduction,
            redo: Lsn(0x200),
            consistent: Lsn(0x300),
            time_us: -5,
        };
        let bytes = control.encode();
        assert_eq!(Control::decode(&bytes), Some(control));
        for i in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[i] ^= 1;
            assert_eq!(Control::decode(&wrong), None);
            assert_eq!(Control::decode(&bytes[..i]), None);
        }
    }
}
