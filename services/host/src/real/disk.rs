//! The real file system behind the driver.

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::disk::DiskDriver;

pub(super) struct RealDisk;

impl DiskDriver for RealDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(async move {
            if let Some(folder) = Path::new(&path).parent() {
                create_folder(folder).await?;
            }
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .await?;
            file.write_all(&data).await?;
            file.flush().await
        })
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(async move {
            fs::File::open(&path).await?.sync_data().await?;
            match Path::new(&path).parent() {
                Some(folder) => fs::File::open(folder).await?.sync_all().await,
                None => Ok(()),
            }
        })
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let path = path.to_owned();
        Box::pin(async move { fs::read(&path).await.map(Bytes::from) })
    }

    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(async move {
            let file = fs::OpenOptions::new().write(true).open(&path).await?;
            if length > file.metadata().await?.len() {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            file.set_len(length).await
        })
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::pin(async move { fs::rename(&from, &to).await })
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let path = path.to_owned();
        Box::pin(async move { fs::remove_file(&path).await })
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
async fn create_folder(folder: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for folder in folder.ancestors() {
        if fs::try_exists(folder).await? {
            break;
        }
        missing.push(folder);
    }
    if missing.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).await?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        fs::File::open(parent).await?.sync_all().await?;
    }
    Ok(())
}
