//! A disk as a log-keeping service needs it: append, sync, read, rename, list, remove.
//!
//! Paths are absolute. Deliberately absent: random writes, permissions, links, memory maps.
//! What was appended and not synced may be gone after a power loss; what was synced may not.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

/// What an operating system's disk does; implemented by [`crate::real`] and by the simulator.
pub trait DiskDriver: Send + Sync + 'static {
    /// Appends to a file, creating it and its folders when absent.
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>>;
    /// `fdatasync` of a file and, where it is new or renamed, of its folder.
    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>>;
    /// The whole of a file.
    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>>;
    /// `rename`, atomic, replacing `to`.
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
    pub async fn append(&self, path: &str, data: Bytes) -> io::Result<()> {
        self.0.append(path, data).await
    }

    /// Makes all that was appended to `path` durable.
    pub async fn sync(&self, path: &str) -> io::Result<()> {
        self.0.sync(path).await
    }

    /// The whole of a file.
    pub async fn read(&self, path: &str) -> io::Result<Bytes> {
        self.0.read(path).await
    }

    /// Renames a file, replacing `to` in one step.
    pub async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to).await
    }

    /// Removes a file.
    pub async fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path).await
    }

    /// The names in a folder, sorted; a folder that is absent is empty.
    pub async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder).await
    }
}
