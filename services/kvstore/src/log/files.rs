//! The files of a store's folder, by their names: `log-FIRST` has the batches from FIRST on,
//! `snapshot-LAST` the state after batch LAST. Other files are not touched.

use squall_host::disk::Disk;

use crate::error::Error;

/// Sequence numbers of a folder's files, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) snapshots: Vec<u64>,
    pub(crate) segments: Vec<u64>,
    /// Whether a snapshot was begun.
    pub(crate) unfinished: bool,
}

impl Files {
    /// What is in `folder`, which may be absent.
    pub(crate) async fn list(disk: &Disk, folder: &str) -> Result<Self, Error> {
        let names = disk.list(folder).await;
        let mut files = Self::default();
        for name in names.map_err(Error::disk("list", folder))? {
            match name.split_once('-') {
                Some(("log", seq)) => files.segments.extend(parse(seq)),
                Some(("snapshot", seq)) => files.snapshots.extend(parse(seq)),
                _ => files.unfinished |= name == UNFINISHED,
            }
        }
        Ok(files)
    }

    /// Whether there is no store yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.segments.is_empty()
    }

    /// Their paths: snapshots, then segments.
    pub(crate) fn paths(&self, folder: &str) -> Vec<String> {
        let snapshots = self.snapshots.iter().map(|last| snapshot(folder, *last));
        let segments = self.segments.iter().map(|first| segment(folder, *first));
        snapshots.chain(segments).collect()
    }
}

/// The name of a snapshot that is being written.
const UNFINISHED: &str = "unfinished";

/// Where a snapshot is written before it gets its name.
pub(crate) fn unfinished(folder: &str) -> String {
    format!("{folder}/{UNFINISHED}")
}

/// The log from batch `first` on.
pub(crate) fn segment(folder: &str, first: u64) -> String {
    format!("{folder}/log-{first:020}")
}

/// The state after batch `last`.
pub(crate) fn snapshot(folder: &str, last: u64) -> String {
    format!("{folder}/snapshot-{last:020}")
}

/// Twenty digits, which all sequence numbers have, so that names are in their order.
fn parse(digits: &str) -> Option<u64> {
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}
