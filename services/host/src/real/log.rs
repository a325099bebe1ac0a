//! Logs on the real file system: files that are longer than what was appended to them.
//!
//! On ext4 and XFS a sync of a file that has grown waits for the file system's journal, which also
//! waits for what others write: alone on a busy disk, 1.3 to 2.6 ms in the mean, and 0.25 ms where the
//! size stays as it is. So zeros are written ahead, and appended bytes take their place.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Zeros that are written ahead at a time.
const AHEAD_BYTES: usize = 1 << 20;

/// The logs that this process writes, by their paths.
#[derive(Default)]
pub(super) struct Logs(HashMap<String, Log>);

struct Log {
    file: File,
    /// Where the next bytes go.
    end: u64,
    /// From the end to here there are zeros.
    size: u64,
}

impl Logs {
    /// Appends and syncs the file, but not its folder. The file is there.
    pub(super) fn append_and_sync(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        let mut log = match self.0.remove(path) {
            Some(log) => log,
            None => Log::open(path)?,
        };
        log.append_and_sync(data)?;
        // After an error it is opened again, and its end looked for.
        self.0.insert(path.to_owned(), log);
        Ok(())
    }

    /// Whether this process has written to it.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The name is, or will be, another file's.
    pub(super) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }
}

impl Log {
    fn open(path: &str) -> io::Result<Self> {
        let content = std::fs::read(path)?;
        let zeros = content.iter().rev().take_while(|byte| **byte == 0).count();
        Ok(Self {
            file: File::options().write(true).open(path)?,
            end: (content.len() - zeros) as u64,
            size: content.len() as u64,
        })
    }

    fn append_and_sync(&mut self, data: &[u8]) -> io::Result<()> {
        let end = self.end + data.len() as u64;
        if end > self.size {
            let zeros = vec![0; data.len() + AHEAD_BYTES];
            // On a disk that is nearly full the data may still fit.
            if self.file.write_all_at(&zeros, self.end).is_ok() {
                self.size = self.end + zeros.len() as u64;
            }
        }
        self.file.write_all_at(data, self.end)?;
        self.file.sync_data()?;
        self.end = end;
        self.size = self.size.max(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_ended_also_after_a_restart() {
        let path = std::env::temp_dir().join(format!("squall-log-{}", std::process::id()));
        let name = path.to_str().expect("it is text");
        std::fs::write(&path, "was\n").expect("it is written");
        for text in ["one\n", "two\n"] {
            let mut logs = Logs::default();
            logs.append_and_sync(name, text.as_bytes())
                .expect("it is appended");
            logs.append_and_sync(name, b"more\n")
                .expect("it is appended");
        }
        let long = vec![b'x'; AHEAD_BYTES + 1];
        let mut logs = Logs::default();
        logs.append_and_sync(name, &long).expect("it is appended");
        let content = std::fs::read(&path).expect("it is read");
        std::fs::remove_file(&path).expect("it is removed");
        let last = content.iter().rposition(|byte| *byte != 0);
        let text = &content[..last.map_or(0, |last| last + 1)];
        let (head, tail) = text.split_at(text.len() - long.len());
        assert_eq!(head, b"was\none\nmore\ntwo\nmore\n");
        assert_eq!(tail, long);
        assert!(content.len() > text.len());
    }
}
