//! The state that a folder's files make, or why they make none. Changes nothing.
//!
//! It begins with the newest snapshot and goes on through the log, without a gap. Only the end of the
//! last segment may be bad, and only as [`frame::is_torn`] says; anything else is damage, with which
//! nobody may start as if nothing were.

use squall_host::disk::Disk;

use super::Batch;
use super::files::{self, Files};
use super::frame::{self, Bad, Line};
use crate::error::{Corruption, Error};
use crate::snapshot;
use crate::store::Store;

/// A state and where it comes from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) store: Store,
    /// The batch after which it is; 0 is the empty store before the first one.
    pub(crate) seq: u64,
    /// The batch of the snapshot that it began with.
    pub(crate) base: u64,
    /// The end of the log that a power loss cut off.
    pub(crate) torn: Option<Torn>,
    /// Whether there was no store.
    pub(crate) is_new: bool,
}

/// What is left of a batch that nobody was told of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) path: String,
    pub(crate) at: usize,
    pub(crate) bytes: usize,
}

/// The state after the last batch, or after batch `until`: then what is after it need not be whole.
pub(crate) async fn recover(
    disk: &Disk,
    folder: &str,
    keys_max: usize,
    until: Option<u64>,
) -> Result<Recovered, Error> {
    let files = Files::list(disk, folder).await?;
    let limit = until.unwrap_or(u64::MAX);
    let base = files
        .snapshots
        .iter()
        .rfind(|last| **last <= limit)
        .copied();
    let mut replay = Replay {
        folder,
        recovered: Recovered {
            store: Store::new(keys_max),
            seq: base.unwrap_or(0),
            base: base.unwrap_or(0),
            torn: None,
            is_new: files.is_empty(),
        },
        limit,
    };
    if let Some(last) = base {
        let path = files::snapshot(folder, last);
        let file = disk.read(&path).await.map_err(Error::disk("read", &path))?;
        let read = snapshot::read(&file, last, keys_max);
        replay.recovered.store = read.map_err(|(at, found)| {
            // Nothing is whole but what an older snapshot has, if there is one.
            let older = files.snapshots.iter().rfind(|older| **older < last);
            replay.recovered.seq = older.copied().unwrap_or(0);
            replay.damaged(&path, at, found)
        })?;
    }
    // A segment that is followed by one that begins no later than the state ends adds nothing.
    let next = replay.recovered.seq + 1;
    let from = files.segments.iter().rposition(|first| *first <= next);
    let segments = &files.segments[from.unwrap_or(0)..];
    for (index, first) in segments.iter().enumerate() {
        let path = files::segment(folder, *first);
        let file = disk.read(&path).await.map_err(Error::disk("read", &path))?;
        let is_last = index + 1 == segments.len();
        replay.segment(&path, frame::content(&file), *first, is_last)?;
    }
    let recovered = replay.recovered;
    match until {
        Some(asked) if asked != recovered.seq => Err(Error::NoSuchSequence {
            folder: folder.to_owned(),
            asked,
            first: recovered.base,
            last: recovered.seq,
        }),
        _ => Ok(recovered),
    }
}

struct Replay<'a> {
    folder: &'a str,
    recovered: Recovered,
    limit: u64,
}

impl Replay<'_> {
    fn segment(&mut self, path: &str, file: &[u8], first: u64, is_last: bool) -> Result<(), Error> {
        let mut expected = first;
        let mut at = 0;
        while self.recovered.seq < self.limit {
            let (json, next) = match frame::read(file, at) {
                Line::End => break,
                Line::Frame { json, next } => (json, next),
                Line::Bad(bad) if is_last && frame::is_torn(file, bad) => {
                    self.recovered.torn = Some(Torn {
                        path: path.to_owned(),
                        at,
                        bytes: file.len() - at,
                    });
                    break;
                }
                Line::Bad(bad) => return Err(self.bad(path, bad)),
            };
            let batch: Batch = serde_json::from_slice(json)
                .map_err(|error| self.damaged(path, at, format!("no batch: {error}")))?;
            // In this file and across files: a state that was reached cannot lack what led to it.
            if batch.seq != expected || batch.seq > self.recovered.seq + 1 {
                let expected = expected.min(self.recovered.seq + 1);
                let found = format!("batch {} where {expected} is expected", batch.seq);
                return Err(self.damaged(path, at, found));
            }
            if batch.seq > self.recovered.seq {
                for operation in batch.ops {
                    let applied = self.recovered.store.apply(operation, 0);
                    applied.map_err(|error| self.damaged(path, at, error.to_string()))?;
                }
                self.recovered.seq = batch.seq;
            }
            expected += 1;
            at = next;
        }
        Ok(())
    }

    fn bad(&self, path: &str, bad: Bad) -> Error {
        let length = bad.next - bad.at;
        self.damaged(path, bad.at, format!("{} ({length} bytes)", bad.why))
    }

    fn damaged(&self, path: &str, offset: usize, found: String) -> Error {
        Error::Corrupt(Box::new(Corruption {
            folder: self.folder.to_owned(),
            file: path.to_owned(),
            offset,
            found,
            good: self.recovered.seq,
        }))
    }
}
