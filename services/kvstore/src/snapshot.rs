//! The state after a batch as a file: frames with a beginning that says how much there is, pieces,
//! and an end. It gets its name once it is durable, so a bad one was whole once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use squall_host::disk::Disk;

use crate::error::Error;
use crate::log::files::{self, Files};
use crate::log::frame::{self, Line};
use crate::store::{Entry, Image, Store};

/// Entries in a frame; between frames other tasks have their turn.
const PIECE: usize = 512;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part<E, R> {
    Begin {
        seq: u64,
        entries: usize,
        repeats: usize,
    },
    Entries(Vec<E>),
    Repeats(Vec<R>),
    End {
        seq: u64,
    },
}

type Written<'a> = Part<Entry<&'a str>, (&'a str, u64)>;
type Read = Part<Entry, (String, u64)>;

/// Writes the state after batch `seq` into `folder`, durably, and only then removes older snapshots and
/// the segments that begin before `segments_from`; gives its length. A power loss at any point leaves
/// the old files or the new one, or both.
pub(crate) async fn write(
    disk: &Disk,
    folder: &str,
    seq: u64,
    image: &Image,
    segments_from: u64,
) -> Result<u64, Error> {
    let (draft, path) = (files::unfinished(folder), files::snapshot(folder, seq));
    let before = Files::list(disk, folder).await?;
    if before.unfinished {
        remove(disk, &draft).await?;
    }
    let mut length = 0;
    let begin = Written::Begin {
        seq,
        entries: image.entries.len(),
        repeats: image.repeats.len(),
    };
    let entries: Vec<_> = image.entries.iter().collect();
    let entries = entries.chunks(PIECE).map(|piece| {
        let piece = piece.iter().map(|(key, value)| Entry {
            key: &***key,
            value: &*value.value,
            version: value.version,
        });
        Written::Entries(piece.collect())
    });
    let repeats = image.repeats.chunks(PIECE).map(|piece| {
        let piece = piece
            .iter()
            .map(|(id, hash): &(Arc<str>, u64)| (&**id, *hash));
        Written::Repeats(piece.collect())
    });
    let parts = std::iter::once(begin).chain(entries).chain(repeats);
    for part in parts.chain([Written::End { seq }]) {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, |json| to_json(json, &part));
        length += bytes.len() as u64;
        let done = disk.append(&draft, bytes.into()).await;
        done.map_err(Error::disk("append to", &draft))?;
    }
    disk.sync(&draft)
        .await
        .map_err(Error::disk("sync", &draft))?;
    let renamed = disk.rename(&draft, &path).await;
    renamed.map_err(Error::disk("rename", &draft))?;
    disk.sync(&path).await.map_err(Error::disk("sync", &path))?;
    let old = Files {
        snapshots: before
            .snapshots
            .into_iter()
            .filter(|last| *last < seq)
            .collect(),
        segments: before
            .segments
            .into_iter()
            .filter(|first| *first < segments_from)
            .collect(),
        unfinished: false,
    };
    for path in old.paths(folder) {
        remove(disk, &path).await?;
    }
    Ok(length)
}

async fn remove(disk: &Disk, path: &str) -> Result<(), Error> {
    let removed = disk.remove(path).await;
    removed.map_err(Error::disk("remove", path))
}

/// Writes JSON to memory.
pub(crate) fn to_json(to: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(to, value).expect("strings and numbers are JSON, and memory takes them");
}

/// Reads the state after batch `seq`. An error is the place and what is wrong there.
pub(crate) fn read(file: &[u8], seq: u64, keys_max: usize) -> Result<Store, (usize, String)> {
    let mut store = Store::new(keys_max);
    let (mut entries_left, mut repeats_left) = (0, 0);
    let mut at = 0;
    loop {
        let (json, next) = match frame::read(file, at) {
            Line::Frame { json, next } => (json, next),
            Line::Bad(bad) => return Err((at, bad.why.to_owned())),
            Line::End => return Err((at, "it ends too early".to_owned())),
        };
        let part = serde_json::from_slice(json).map_err(|error| (at, error.to_string()))?;
        match part {
            Read::Begin {
                seq: named,
                entries,
                repeats,
            } if at == 0 && named == seq => (entries_left, repeats_left) = (entries, repeats),
            Read::Entries(entries) if at > 0 && entries.len() <= entries_left => {
                entries_left -= entries.len();
                for entry in entries {
                    let key = entry.key.clone();
                    if !store.restore(entry) {
                        return Err((at, format!("key {key:?} is there twice")));
                    }
                }
            }
            Read::Repeats(repeats) if at > 0 && repeats.len() <= repeats_left => {
                repeats_left -= repeats.len();
                for (id, hash) in repeats {
                    store.restore_repeat(id, hash);
                }
            }
            Read::End { seq: named }
                if named == seq
                    && at > 0
                    && (entries_left, repeats_left) == (0, 0)
                    && next == file.len() =>
            {
                return Ok(store);
            }
            _ => return Err((at, "a part that does not belong here".to_owned())),
        }
        at = next;
    }
}
