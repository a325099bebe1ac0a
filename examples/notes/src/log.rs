//! Notes on disk, one line of JSON each.
//!
//! A line that the power cut in two is no JSON and is passed over: nobody was told that it is safe.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use squall_host::disk::Disk;

use crate::Notes;

/// The log.
pub(crate) struct Log {
    disk: Disk,
    path: String,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
}

impl Log {
    /// The log at `path`, and what is in it.
    pub(crate) async fn open(disk: Disk, path: &str) -> io::Result<(Self, Notes)> {
        let path = path.to_owned();
        let data = match disk.read(&path).await {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
            Err(error) => return Err(error),
        };
        let mut notes = Notes::new();
        for line in data.split(|byte| *byte == b'\n') {
            if let Ok(Line { id, text }) = serde_json::from_slice(line) {
                notes.insert(id.into_owned(), text.into_owned());
            }
        }
        if data.last().is_some_and(|byte| *byte != b'\n') {
            disk.append(&path, Bytes::from_static(b"\n")).await?;
        }
        Ok((Self { disk, path }, notes))
    }

    /// Writes a note; it survives whatever comes once this returns.
    pub(crate) async fn append(&self, id: &str, text: &str) -> io::Result<()> {
        let (id, text) = (id.into(), text.into());
        let mut line = serde_json::to_vec(&Line { id, text })?;
        line.push(b'\n');
        self.disk.append(&self.path, line.into()).await?;
        self.disk.sync(&self.path).await
    }
}
