//! A disk as a log-keeping service needs it: append, sync, read, truncate, rename, list, remove.
//!
//! Paths are absolute. Deliberately absent: random writes, permissions, links, memory maps.
//! What was done and not synced may be undone by a power loss, wholly or in part; what was synced
//! may not. After a sync that failed, it is unknown what of the file is durable, and a second sync
//! does not make it so (fsync(2), PostgreSQL's wiki "Fsync Errors"): whoever must know writes anew.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

/// What an operating system's disk does; implemented by [`crate::real`] and by the simulator.
pub trait DiskDriver: Send + Sync + 'static {
    /// Appends to a file, creating it and its folders when absent. The folders are durable at once.
    /// An error may leave the beginning of `data` appended.
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>>;
    /// `fdatasync` of a file or a folder, and of the folder that it is in: what was created, renamed
    /// and removed there is durable, too.
    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>>;
    /// See [`Disk::append_to_log`]. Unless it is said otherwise, an append and a sync.
    fn append_to_log<'a>(&'a self, path: &'a str, data: Bytes) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.append(path, data).await?;
            self.sync(path).await
        })
    }
    /// The whole of a file.
    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>>;
    /// `truncate` to a length that is not beyond the end; otherwise EINVAL.
    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>>;
    /// `rename` of a file, atomic, replacing `to`.
    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>>;
    /// `unlink`.
    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>>;
    /// The names in a folder, sorted; a folder that is absent is empty.
    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>>;
}

/// The disk of one machine.
#[derive(Clone)]
pub struct Disk(Arc<dyn DiskDriver>);

impl Disk {
    /// A disk played by `driver`.
    pub fn new(driver: impl DiskDriver) -> Self {
        Self(Arc::new(driver))
    }

    /// Appends to a file, creating it and its folders when absent. Not durable before [`Disk::sync`].
    /// An error (ENOSPC) may leave the beginning of `data` appended.
    pub async fn append(&self, path: &str, data: Bytes) -> io::Result<()> {
        self.0.append(path, data).await
    }

    /// Makes all that was done to the file `path` durable, and what was created, renamed and removed
    /// in its folder. `path` may be a folder itself.
    pub async fn sync(&self, path: &str) -> io::Result<()> {
        self.0.sync(path).await
    }

    /// [`Disk::append`] and [`Disk::sync`] in one step, to a file that nothing else appends to. After
    /// an error anything of `data` may be appended, and be durable or not.
    ///
    /// The file may have any number of zeros at its end, which are nothing: that is how a sync is
    /// spared the change of its size. `data` does not end in a zero.
    pub async fn append_to_log(&self, path: &str, data: Bytes) -> io::Result<()> {
        self.0.append_to_log(path, data).await
    }

    /// The whole of a file.
    pub async fn read(&self, path: &str) -> io::Result<Bytes> {
        self.0.read(path).await
    }

    /// Cuts a file off at a length that is not beyond its end (otherwise EINVAL), as one does with a
    /// torn record. Not durable before [`Disk::sync`].
    pub async fn truncate(&self, path: &str, length: u64) -> io::Result<()> {
        self.0.truncate(path, length).await
    }

    /// Renames a file, replacing `to` in one step. Not durable before [`Disk::sync`] of `to`.
    pub async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to).await
    }

    /// Removes a file. Not durable before [`Disk::sync`] of its folder.
    pub async fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path).await
    }

    /// The names in a folder, sorted; a folder that is absent is empty.
    pub async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder).await
    }
}
