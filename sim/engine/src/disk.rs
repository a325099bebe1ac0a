//! A host's disk: files in memory that survive a killed process and lose what was not synced when
//! the power goes. The simulated arm of [`squall_host::disk`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use squall_host::disk::DiskDriver;

/// What a host's disk holds at most; more is ENOSPC.
const CAPACITY: usize = 1 << 30;

#[derive(Debug, Default)]
struct File {
    data: Vec<u8>,
    synced: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk(Arc<Mutex<BTreeMap<String, File>>>);

impl SimulatedDisk {
    /// The power is gone: what was not synced is, too.
    pub(crate) fn lose_unsynced(&self) {
        self.with(|files| {
            for file in files.values_mut() {
                file.data.truncate(file.synced);
            }
        });
    }

    fn with<R>(&self, f: impl FnOnce(&mut BTreeMap<String, File>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DiskDriver for SimulatedDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        let result = self.with(|files| {
            let used: usize = files.values().map(|file| file.data.len()).sum();
            if used + data.len() > CAPACITY {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            files
                .entry(path.to_owned())
                .or_default()
                .data
                .extend_from_slice(&data);
            Ok(())
        });
        Box::pin(ready(result))
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let result = self.with(|files| match files.get_mut(path) {
            Some(file) => {
                file.synced = file.data.len();
                Ok(())
            }
            None => Err(not_found()),
        });
        Box::pin(ready(result))
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let result = self.with(|files| {
            files
                .get(path)
                .map(|file| Bytes::copy_from_slice(&file.data))
                .ok_or_else(not_found)
        });
        Box::pin(ready(result))
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let result = self.with(|files| {
            let file = files.remove(from).ok_or_else(not_found)?;
            files.insert(to.to_owned(), file);
            Ok(())
        });
        Box::pin(ready(result))
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let result = self.with(|files| files.remove(path).map(drop).ok_or_else(not_found));
        Box::pin(ready(result))
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let names = self.with(|files| {
            let mut names: Vec<String> = files
                .keys()
                .filter_map(|path| path.strip_prefix(&prefix))
                .map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
                .collect();
            names.dedup();
            names
        });
        Box::pin(ready(Ok(names)))
    }
}

fn not_found() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}
