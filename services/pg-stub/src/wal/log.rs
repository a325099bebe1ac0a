//! The write-ahead log of a server: what is appended, what of it is durable, and who waits for it.
//!
//! Appending is to memory and takes no time. One task, [`Log::write`], brings what was appended to
//! the disk: one append and one sync for all that have come meanwhile (group commit). After a sync
//! that failed nobody knows what is durable, so the server ends (PostgreSQL does since 2018).

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::{Buf, Bytes};
use squall_host::disk::Disk;
use tokio::sync::{Notify, watch};

use super::lsn::Lsn;
use super::record::{Entry, HEADER_BYTES, NoRecord, WalRecord};
use super::segment::{Segment, Segments};
use crate::engine::context::{lock, wall_us};

/// Why the log cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("could not {what} file \"{path}\": {source}")]
pub struct LogError {
    /// `write to`, `fsync`, `truncate`, `remove`.
    pub what: &'static str,
    /// The file.
    pub path: String,
    /// What the disk said.
    pub source: io::Error,
}

/// The log.
pub struct Log {
    disk: Disk,
    folder: String,
    state: Mutex<State>,
    /// Up to where it is durable.
    flushed: watch::Sender<Lsn>,
    work: Notify,
    /// Held while files are written or cut.
    files: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    timeline: u32,
    segments: Segments,
    /// Up to where files have it.
    written: Lsn,
    /// Up to where somebody waits for it.
    wanted: Lsn,
}

impl Log {
    /// An empty one, whose files are in `folder`.
    pub fn new(disk: Disk, folder: String) -> Self {
        Self {
            disk,
            folder,
            state: Mutex::default(),
            flushed: watch::Sender::default(),
            work: Notify::new(),
            files: tokio::sync::Mutex::default(),
        }
    }

    /// Goes on from what the disk has; all of `segments` is durable. A new file begins with what is
    /// appended next.
    pub fn resume(&self, timeline: u32, segments: Segments, at: Lsn) {
        let mut state = lock(&self.state);
        *state = State {
            timeline,
            segments,
            written: at,
            wanted: at,
        };
        state.begin_file(at);
        drop(state);
        self.flushed.send_replace(at);
    }

    /// The folder of its files.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The timeline that is written.
    pub fn timeline(&self) -> u32 {
        lock(&self.state).timeline
    }

    /// The place after the last record (`pg_current_wal_insert_lsn`).
    pub fn inserted(&self) -> Lsn {
        lock(&self.state).segments.end()
    }

    /// Up to where files have it (`pg_current_wal_lsn`).
    pub fn written(&self) -> Lsn {
        lock(&self.state).written
    }

    /// Up to where it is durable (`pg_current_wal_flush_lsn`).
    pub fn flushed(&self) -> Lsn {
        *self.flushed.borrow()
    }

    /// Tells whenever more is durable.
    pub fn watch(&self) -> watch::Receiver<Lsn> {
        self.flushed.subscribe()
    }

    /// The first place that is still there.
    pub fn kept_from(&self) -> Lsn {
        lock(&self.state).segments.start()
    }

    /// The name of the file that a place is or would be in.
    pub fn file_at(&self, place: Lsn) -> String {
        let state = lock(&self.state);
        match state.segments.at(place) {
            Some(segment) => segment.file_name(),
            None => super::segment::file_name(state.timeline, place),
        }
    }

    /// Appends a record; gives the place after it. It is not durable before [`Log::flush`].
    pub fn append(&self, entry: Entry) -> Lsn {
        let durable = self.flushed();
        let mut state = lock(&self.state);
        let record = WalRecord {
            lsn: state.segments.end(),
            durable,
            time_us: wall_us(),
            entry,
        };
        state.push(&record.encode());
        let end = state.segments.end();
        drop(state);
        self.work.notify_one();
        end
    }

    /// Appends what a standby received. False when it does not begin where the log ends.
    pub fn receive(&self, at: Lsn, bytes: &[u8]) -> bool {
        let mut state = lock(&self.state);
        if state.segments.end() != at {
            return false;
        }
        state.push(bytes);
        state.wanted = state.segments.end();
        drop(state);
        self.work.notify_one();
        true
    }

    /// Durable bytes from `from` on, at most `most`; `None` when they are no longer there.
    pub fn read(&self, from: Lsn, to: Lsn, most: usize) -> Option<Vec<u8>> {
        let state = lock(&self.state);
        (from >= state.segments.start())
            .then(|| state.segments.copy(from, to.min(self.flushed()), most))
    }

    /// The record at a place, of what is durable, and the place after it.
    pub fn record(&self, at: Lsn) -> Result<(WalRecord, Lsn), NoRecord> {
        let state = lock(&self.state);
        let limit = self.flushed();
        // A record is in one file, or in two where a standby began a new one between its parts.
        let head = state.segments.copy(at, limit, HEADER_BYTES);
        let length = head.get(..4).map_or(0, |mut length| length.get_u32());
        let bytes = state
            .segments
            .copy(at, limit, (length as usize).max(HEADER_BYTES));
        WalRecord::decode(&bytes, at).map(|(record, length)| (record, at.plus(length)))
    }

    /// Waits until all before `place` is durable. If the server ends instead, so does the waiting.
    pub async fn flush(&self, place: Lsn) {
        let mut flushed = self.flushed.subscribe();
        if *flushed.borrow() >= place {
            return;
        }
        {
            let mut state = lock(&self.state);
            state.wanted = state.wanted.max(place);
        }
        self.work.notify_one();
        if flushed.wait_for(|flushed| *flushed >= place).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What is appended from now on goes to a new file.
    pub fn rotate(&self) {
        let mut state = lock(&self.state);
        let at = state.segments.end();
        state.begin_file(at);
    }

    /// Brings to the disk what is appended, for ever: at once what somebody waits for, and within
    /// `delay` anything else (`wal_writer_delay`).
    pub async fn write(&self, delay: Duration) -> LogError {
        loop {
            let (wanted, inserted) = {
                let state = lock(&self.state);
                (state.wanted, state.segments.end())
            };
            let flushed = self.flushed();
            if wanted <= flushed {
                match inserted <= flushed {
                    true => self.work.notified().await,
                    false => {
                        let wait = tokio::time::timeout(delay, self.asked()).await;
                        tracing::trace!(asked = wait.is_ok(), "the log is written");
                    }
                }
            }
            if let Err(error) = self.flush_now().await {
                return error;
            }
        }
    }

    /// Returns once somebody waits.
    async fn asked(&self) {
        loop {
            self.work.notified().await;
            if lock(&self.state).wanted > self.flushed() {
                return;
            }
        }
    }

    async fn flush_now(&self) -> Result<(), LogError> {
        let files = self.files.lock().await;
        let (pieces, end) = lock(&self.state).unwritten();
        if pieces.is_empty() {
            return Ok(());
        }
        let mut paths = Vec::new();
        for (name, bytes) in pieces {
            let path = self.path(&name);
            let done = self.disk.append(&path, bytes).await;
            done.map_err(|source| LogError::of("write to", &path, source))?;
            paths.push(path);
        }
        lock(&self.state).written = end;
        for path in paths {
            let done = self.disk.sync(&path).await;
            done.map_err(|source| LogError::of("fsync", &path, source))?;
        }
        drop(files);
        self.flushed.send_replace(end);
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Forgets all from `place` on, here and on the disk, and goes on on `timeline`.
    pub async fn switch(&self, place: Lsn, timeline: u32) -> Result<(), LogError> {
        let _files = self.files.lock().await;
        let (gone, shorter) = {
            let mut state = lock(&self.state);
            let cut = state.segments.cut(place);
            state.timeline = timeline;
            state.written = state.written.min(place);
            state.wanted = state.wanted.min(place);
            state.begin_file(place);
            cut
        };
        self.flushed
            .send_modify(|flushed| *flushed = (*flushed).min(place));
        for name in &gone {
            self.remove_file(name).await?;
        }
        if let Some((name, length)) = shorter {
            let path = self.path(&name);
            // What was never written is not there to be cut off.
            let there = self.disk.read(&path).await.map_or(0, |b| b.len() as u64);
            if there > length {
                let done = self.disk.truncate(&path, length).await;
                done.map_err(|source| LogError::of("truncate", &path, source))?;
                let done = self.disk.sync(&path).await;
                done.map_err(|source| LogError::of("fsync", &path, source))?;
            }
        }
        Ok(())
    }

    /// Drops the files all of whose bytes are before `place`; gives their number.
    pub async fn remove_before(&self, place: Lsn) -> Result<usize, LogError> {
        let _files = self.files.lock().await;
        let gone = {
            let mut state = lock(&self.state);
            let limit = place.min(self.flushed());
            let count = state
                .segments
                .0
                .windows(2)
                .take_while(|w| w[1].start <= limit);
            let count = count.count();
            state.segments.0.drain(..count).collect::<Vec<_>>()
        };
        for segment in &gone {
            self.remove_file(&segment.file_name()).await?;
        }
        Ok(gone.len())
    }

    async fn remove_file(&self, name: &str) -> Result<(), LogError> {
        let path = self.path(name);
        match self.disk.remove(&path).await {
            // A file that was begun and not written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|source| LogError::of("remove", &path, source)),
        }
    }
}

impl LogError {
    /// Of an operation on a file.
    pub fn of(what: &'static str, path: &str, source: io::Error) -> Self {
        let path = path.to_owned();
        Self { what, path, source }
    }
}

impl State {
    fn begin_file(&mut self, at: Lsn) {
        let timeline = self.timeline;
        let fresh = |s: &Segment| s.bytes.is_empty() && s.start == at;
        if self.segments.0.last().is_some_and(fresh) {
            self.segments.0.pop();
        }
        self.segments.0.push(Segment {
            timeline,
            start: at,
            bytes: Vec::new(),
        });
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(segment) = self.segments.0.last_mut() {
            segment.bytes.extend_from_slice(bytes);
        }
    }

    /// What files do not have yet, by file, and the place after it.
    fn unwritten(&self) -> (Vec<(String, Bytes)>, Lsn) {
        let pieces = self.segments.0.iter().filter_map(|segment| {
            let from = self.written.max(segment.start).since(segment.start) as usize;
            let bytes = segment
                .bytes
                .get(from..)
                .filter(|bytes| !bytes.is_empty())?;
            Some((segment.file_name(), Bytes::copy_from_slice(bytes)))
        });
        (pieces.collect(), self.segments.end())
    }
}
