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
                fs::create_dir_all(folder).await?;
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
