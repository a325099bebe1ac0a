//! The one task that writes: all that waits in one append and one sync, then the next (group commit).
//!
//! A batch is written only once the one before is durable; [`super::recovery`] rests on it. When the
//! log has grown long, the state after a batch becomes a snapshot beside the writing, and the log
//! goes on in a new segment. An error of the disk ends the task and with it the service.

use std::sync::Arc;

use squall_host::disk::Disk;
use tokio::task::JoinSet;

use super::commit::{Commit, Next, Taken};
use super::{batch_frame, files};
use crate::error::Error;
use crate::figures::Figures;
use crate::snapshot;

/// What the task has.
pub(crate) struct Writer {
    pub(crate) disk: Disk,
    pub(crate) folder: String,
    pub(crate) commit: Arc<Commit>,
    pub(crate) figures: Arc<Figures>,
    /// A log that is shorter is left as it is.
    pub(crate) compact_bytes: u64,
    /// How long the last snapshot is.
    pub(crate) snapshot_bytes: u64,
}

impl Writer {
    /// Writes until nothing will come any more; the first batch is `seq`.
    pub(crate) async fn run(mut self, seq: u64) -> Result<(), Error> {
        let mut segment = files::segment(&self.folder, seq);
        let mut log_bytes: u64 = 0;
        // At most one; dropped with this task.
        let mut snapshots = JoinSet::new();
        loop {
            let limit = self.compact_bytes.max(2 * self.snapshot_bytes);
            let is_long = log_bytes > limit && snapshots.is_empty();
            let batch = match self.commit.take(is_long) {
                Next::Batch(batch) => batch,
                Next::Closed if snapshots.is_empty() => return Ok(()),
                _ => {
                    tokio::select! {
                        biased;
                        Some(done) = snapshots.join_next() => self.compacted(done)?,
                        () = self.commit.work() => {}
                    }
                    continue;
                }
            };
            log_bytes += self.write(&segment, &batch).await?;
            self.commit.synced(&batch);
            if let Some(image) = batch.image {
                let (disk, folder, next) = (self.disk.clone(), self.folder.clone(), batch.seq + 1);
                segment = files::segment(&folder, next);
                log_bytes = 0;
                snapshots.spawn(async move {
                    snapshot::write(&disk, &folder, batch.seq, &image, next).await
                });
            }
            if let Some(done) = snapshots.try_join_next() {
                self.compacted(done)?;
            }
        }
    }

    async fn write(&self, segment: &str, batch: &Taken) -> Result<u64, Error> {
        let frame = batch_frame(batch.seq, &batch.operations);
        let length = frame.len() as u64;
        let done = self.disk.append_to_log(segment, frame.into()).await;
        done.map_err(Error::disk("append to and sync", segment))?;
        self.figures.wrote(length);
        Ok(length)
    }

    fn compacted(
        &mut self,
        done: Result<Result<u64, Error>, tokio::task::JoinError>,
    ) -> Result<(), Error> {
        match done {
            Ok(length) => self.snapshot_bytes = length?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
        self.figures.compacted();
        Ok(())
    }
}
