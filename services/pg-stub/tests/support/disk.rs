//! A disk in memory that a test can look into, cut and spoil; what is written is durable at once,
//! unless a sync is held or made to fail.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use squall_host::disk::DiskDriver;
use tokio::sync::watch;

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    syncs: Mutex<u64>,
    fails: Mutex<bool>,
    held: watch::Sender<bool>,
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl MemoryDisk {
    /// Does something with the files.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> R) -> R {
        work(&mut self.0.files.lock().unwrap())
    }

    /// The paths of the log's files that are not empty, in order.
    pub(crate) fn wal(&self) -> Vec<String> {
        self.with(|files| {
            let is_log = |(path, bytes): &(&String, &Vec<u8>)| {
                path.contains("/pg_wal/") && !path.ends_with(".history") && !bytes.is_empty()
            };
            files
                .iter()
                .filter(is_log)
                .map(|(path, _)| path.clone())
                .collect()
        })
    }

    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> u64 {
        *self.0.syncs.lock().unwrap()
    }

    /// From now on every sync fails.
    pub(crate) fn fail_syncs(&self) {
        *self.0.fails.lock().unwrap() = true;
    }

    /// Whether syncs wait.
    pub(crate) fn hold_syncs(&self, held: bool) {
        self.0.held.send_replace(held);
    }

    fn done<T: Send + 'static>(&self, result: io::Result<T>) -> BoxFuture<'static, io::Result<T>> {
        async move {
            tokio::task::yield_now().await;
            result
        }
        .boxed()
    }
}

impl DiskDriver for MemoryDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        self.with(|files| {
            files
                .entry(path.to_owned())
                .or_default()
                .extend_from_slice(&data)
        });
        self.done(Ok(()))
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let there = self.with(|files| files.contains_key(path));
        *self.0.syncs.lock().unwrap() += 1;
        let failed = *self.0.fails.lock().unwrap();
        let mut held = self.0.held.subscribe();
        async move {
            held.wait_for(|held| !held).await.unwrap();
            match (failed, there) {
                (true, _) => Err(io::Error::from_raw_os_error(5)),
                (_, false) => Err(absent()),
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let found = self.with(|files| files.get(path).cloned());
        self.done(found.map(Bytes::from).ok_or_else(absent))
    }

    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|files| match files.get_mut(path) {
            Some(bytes) if bytes.len() as u64 >= length => {
                bytes.truncate(length as usize);
                Ok(())
            }
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(absent()),
        });
        self.done(done)
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|files| {
            let bytes = files.remove(from).ok_or_else(absent)?;
            files.insert(to.to_owned(), bytes);
            Ok(())
        });
        self.done(done)
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|files| files.remove(path).map(drop).ok_or_else(absent));
        self.done(done)
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let prefix = format!("{folder}/");
        let names = self.with(|files| {
            let names = files.keys().filter_map(|path| path.strip_prefix(&prefix));
            names
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
                .collect()
        });
        self.done(Ok(names))
    }
}
