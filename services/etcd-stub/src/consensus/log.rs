//! The log on the disk: one file of records, and beside it the snapshot that it goes on from.
//!
//! What a Ready of Raft wants durable is one line, appended and synced in one step. A start, a snapshot from
//! the leader and a compaction write the file anew under another name, sync it and rename it: a process
//! before this one may have seen a sync fail, and then what is read now need not be there after a power loss
//! (docs/src/disk.md). After any error nothing more is written: what is on the disk is unknown.
//!
//! Deliberately absent: a lock on the folder; two members on one folder spoil each other's log, and the next
//! start finds it.

use bytes::Bytes;
use prost_raft::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState};
use squall_host::disk::Disk;

use super::error::Error;
use super::record::{self, Head, Line, Record};

/// The log of one member.
pub(super) struct Log {
    disk: Disk,
    folder: String,
    path: String,
}

/// What the disk has.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) hard_state: HardState,
    pub(super) entries: Vec<Entry>,
    /// Bytes of a record that a power loss cut off, and where it began.
    pub(super) torn: Option<(usize, usize)>,
}

impl Log {
    /// The log in a folder, which may be absent.
    pub(super) fn new(disk: Disk, folder: &str) -> Self {
        Self {
            disk,
            folder: folder.to_owned(),
            path: format!("{folder}/log"),
        }
    }

    /// Its file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What the disk has; `None` if there is no log yet.
    pub(super) async fn find(&self) -> Result<Option<Found>, Error> {
        let names = self.disk.list(&self.folder).await;
        let names = names.map_err(Error::disk("list", &self.folder))?;
        if !names.iter().any(|name| name == "log") {
            return Ok(None);
        }
        let file = self.disk.read(&self.path).await;
        let file = file.map_err(Error::disk("read", &self.path))?;
        self.replay(record::content(&file)).map(Some)
    }

    fn replay(&self, file: &[u8]) -> Result<Found, Error> {
        let mut member_id = 0;
        let damaged = |offset, found: &str, member_id| Error::Damaged {
            file: self.path.clone(),
            offset,
            found: found.to_owned(),
            member_id,
        };
        let mut head = None;
        let mut hard_state = HardState::default();
        let mut entries: Vec<Entry> = Vec::new();
        let mut torn = None;
        let mut at = 0;
        loop {
            let (record, next) = match record::read(file, at) {
                Line::End => break,
                Line::Record { record, next } => (record, next),
                // The first record was whole before the file got its name.
                Line::Bad(bad) if at > 0 && record::is_torn(file, bad) => {
                    torn = Some((at, file.len() - at));
                    break;
                }
                Line::Bad(bad) => return Err(damaged(at, bad.why, member_id)),
            };
            if (at == 0) != record.head.is_some() {
                return Err(damaged(
                    at,
                    "the beginning of a log in the wrong place",
                    member_id,
                ));
            }
            if let Some(found) = record.head {
                member_id = found.member_id;
                head = Some(found);
            }
            let before = head.as_ref().map_or(0, |head| head.before_index);
            for bytes in &record.entries {
                let entry = Entry::decode(&bytes[..]);
                let entry =
                    entry.map_err(|error| damaged(at, &format!("no entry: {error}"), member_id))?;
                let kept = entry
                    .index
                    .checked_sub(before + 1)
                    .map(|kept| kept as usize);
                match kept.filter(|kept| *kept <= entries.len()) {
                    Some(kept) => entries.truncate(kept),
                    None => {
                        let last = before + entries.len() as u64;
                        let found = format!("entry {} after entry {last}", entry.index);
                        return Err(damaged(at, &found, member_id));
                    }
                }
                entries.push(entry);
            }
            hard_state = HardState::decode(&record.hard_state[..])
                .map_err(|error| damaged(at, &format!("no state: {error}"), member_id))?;
            at = next;
        }
        let Some(head) = head else {
            return Err(damaged(0, "an empty log", 0));
        };
        let last = head.before_index + entries.len() as u64;
        if hard_state.commit > last {
            let found = format!(
                "entry {} is committed and {last} is the last",
                hard_state.commit
            );
            return Err(damaged(at, &found, member_id));
        }
        Ok(Found {
            head,
            hard_state,
            entries,
            torn,
        })
    }

    /// Makes entries and the state durable.
    pub(super) async fn append(&self, entries: &[Entry], state: &HardState) -> Result<(), Error> {
        let line = line(None, entries, state);
        let appended = self.disk.append_to_log(&self.path, line).await;
        appended.map_err(Error::disk("append to and sync", &self.path))
    }

    /// Makes the log what it is to be, in one step.
    pub(super) async fn renew(
        &self,
        head: Head,
        entries: &[Entry],
        state: &HardState,
    ) -> Result<(), Error> {
        replace(
            &self.disk,
            &self.folder,
            "log",
            line(Some(head), entries, state),
        )
        .await
    }
}

fn line(head: Option<Head>, entries: &[Entry], state: &HardState) -> Bytes {
    let mut line = Vec::new();
    let record = Record {
        head,
        entries: entries.iter().map(|entry| entry.encode_to_vec()).collect(),
        hard_state: state.encode_to_vec(),
    };
    record::push(&mut line, &record);
    line.into()
}

/// Who had a vote, as the head of a log says.
pub(super) fn conf_state(head: &Head) -> Result<ConfState, Error> {
    ConfState::decode(&head.conf_state[..]).map_err(|error| Error::Raft(error.to_string()))
}

/// Writes a file under another name, and gives it its own when it is durable.
pub(super) async fn replace(
    disk: &Disk,
    folder: &str,
    name: &str,
    content: Bytes,
) -> Result<(), Error> {
    let (unfinished, path) = (format!("{folder}/unfinished"), format!("{folder}/{name}"));
    match disk.remove(&unfinished).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::disk("remove", &unfinished)(error));
        }
        _ => {}
    }
    let appended = disk.append(&unfinished, content).await;
    appended.map_err(Error::disk("append to", &unfinished))?;
    let synced = disk.sync(&unfinished).await;
    synced.map_err(Error::disk("sync", &unfinished))?;
    let renamed = disk.rename(&unfinished, &path).await;
    renamed.map_err(Error::disk("rename", &unfinished))?;
    disk.sync(&path).await.map_err(Error::disk("sync", &path))
}

#[cfg(test)]
mod tests;
