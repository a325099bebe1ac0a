//! The real file system behind the driver.
//!
//! An append, a sync, and both on a log are one hop to tokio's blocking threads each. A folder is
//! synced only when a name may have changed since it was: it costs as much as the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::fs;

use super::log::Logs;
use crate::disk::DiskDriver;

#[derive(Default)]
pub(super) struct RealDisk {
    names: Arc<Mutex<Names>>,
    logs: Arc<Mutex<Logs>>,
}

/// Which folders' names are durable. One count for all folders, as a folder may be written in more
/// than one way.
#[derive(Default)]
struct Names {
    /// How often something was created, renamed or removed.
    changes: u64,
    /// For a folder, the count before it was synced. One that is absent was never synced: what a
    /// process before this one did there may not be durable.
    synced: HashMap<PathBuf, u64>,
}

impl RealDisk {
    fn changed(names: &Mutex<Names>) {
        lock(names).changes += 1;
    }

    fn append_now(path: &str, data: &[u8], names: &Mutex<Names>) -> io::Result<()> {
        let mut options = File::options();
        options.append(true);
        match options.open(path) {
            Ok(mut file) => file.write_all(data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = Path::new(path).parent() {
                    create_folder(folder)?;
                }
                let mut file = options.create(true).open(path)?;
                Self::changed(names);
                file.write_all(data)
            }
            Err(error) => Err(error),
        }
    }

    fn sync_now(path: &str, names: &Mutex<Names>) -> io::Result<()> {
        File::open(path)?.sync_data()?;
        Self::sync_folder(path, names)
    }

    /// The folder that it is in, unless no name has changed since.
    fn sync_folder(path: &str, names: &Mutex<Names>) -> io::Result<()> {
        let Some(folder) = Path::new(path).parent() else {
            return Ok(());
        };
        // Whoever changes a name counts it before they are told that it is done.
        let changes = {
            let names = lock(names);
            if names.synced.get(folder) == Some(&names.changes) {
                return Ok(());
            }
            names.changes
        };
        File::open(folder)?.sync_all()?;
        lock(names).synced.insert(folder.to_owned(), changes);
        Ok(())
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what blocks on a thread that may.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> BoxFuture<'static, io::Result<T>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    })
}

impl DiskDriver for RealDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        let (path, names) = (path.to_owned(), self.names.clone());
        blocking(move || Self::append_now(&path, &data, &names))
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let (path, names) = (path.to_owned(), self.names.clone());
        blocking(move || Self::sync_now(&path, &names))
    }

    fn append_to_log<'a>(&'a self, path: &'a str, data: Bytes) -> BoxFuture<'a, io::Result<()>> {
        let (path, names, logs) = (path.to_owned(), self.names.clone(), self.logs.clone());
        blocking(move || {
            // Held throughout: appends to one log come one after the other.
            let mut logs = lock(&logs);
            if !logs.has(&path) {
                Self::append_now(&path, &[], &names)?;
            }
            logs.append_and_sync(&path, &data)?;
            Self::sync_folder(&path, &names)
        })
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let path = path.to_owned();
        Box::pin(async move { fs::read(&path).await.map(Bytes::from) })
    }

    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>> {
        let (path, logs) = (path.to_owned(), self.logs.clone());
        blocking(move || {
            lock(&logs).forget(&path);
            let file = File::options().write(true).open(&path)?;
            if length > file.metadata()?.len() {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            file.set_len(length)
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let (names, logs) = (self.names.clone(), self.logs.clone());
        blocking(move || {
            lock(&logs).forget(&from);
            lock(&logs).forget(&to);
            std::fs::rename(&from, &to)?;
            Self::changed(&names);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let (path, names, logs) = (path.to_owned(), self.names.clone(), self.logs.clone());
        blocking(move || {
            lock(&logs).forget(&path);
            std::fs::remove_file(&path)?;
            Self::changed(&names);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let folder = folder.to_owned();
        Box::pin(async move {
            let mut entries = match fs::read_dir(&folder).await {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut names = Vec::new();
            while let Some(entry) = entries.next_entry().await? {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names)
        })
    }
}

/// Makes a folder and those above it, and makes that durable, so that a sync of a file needs to
/// think of one folder only.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for folder in folder.ancestors() {
        if folder.try_exists()? {
            break;
        }
        missing.push(folder);
    }
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
