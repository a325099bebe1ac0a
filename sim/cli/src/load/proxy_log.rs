//! The proxy's own word on which database a request had: its log is followed from before the
//! request, and the records of the connections that ended since are the request's, as no other is
//! on its way.
//!
//! HAProxy writes a connection's record when it ends (`option tcplog`), so a backend that keeps its
//! connections has none for a single request.

mod record;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout_at};

use record::Record;

/// Where the log is to be had.
pub(super) enum Source {
    /// A file that grows.
    File(PathBuf),
    /// A command for `sh` that writes the log as it grows.
    Command(String),
}

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A command may begin with what was logged before: until it is quiet for so long.
const QUIET: Duration = Duration::from_millis(500);
/// But no longer than this.
const SETTLE_MAX: Duration = Duration::from_secs(3);
/// Records of further connections of a request come at most so long after the first.
const FURTHER: Duration = Duration::from_millis(50);
/// A line is at most so long; HAProxy's own bound is 1024 bytes (`len`).
const LINE_BYTES_MAX: usize = 64 << 10;

/// A log that is followed.
pub(super) struct ProxyLog {
    input: Input,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    /// `POOL/`
    prefix: String,
    stale: u64,
}

enum Input {
    File(File),
    Command {
        pipe: pipe::Receiver,
        _running: Running,
    },
}

/// A command that is not to outlive this one.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        drop(self.0.wait());
    }
}

impl ProxyLog {
    /// Follows a log from now on.
    pub(super) async fn follow(source: &Source, pool: &str) -> io::Result<Self> {
        let input = match source {
            Source::File(path) => {
                let open = File::open(path).and_then(|mut file| {
                    file.seek(SeekFrom::End(0))?;
                    Ok(file)
                });
                Input::File(open.map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                })?)
            }
            Source::Command(command) => {
                let mut child = Command::new("sh")
                    .args(["-c", command])
                    // So that it ends as a whole, and by us.
                    .process_group(0)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let output = child.stdout.take().map(OwnedFd::from);
                let running = Running(child);
                let output = output.ok_or_else(|| io::Error::other("no output of a command"))?;
                Input::Command {
                    pipe: pipe::Receiver::from_owned_fd(output)?,
                    _running: running,
                }
            }
        };
        let mut log = Self {
            input,
            rest: Vec::new(),
            prefix: format!("{pool}/"),
            stale: 0,
        };
        if matches!(source, Source::Command(_)) {
            log.settle().await?;
        }
        Ok(log)
    }

    /// Records that were too old for the request that they came after.
    pub(super) fn stale(&self) -> u64 {
        self.stale
    }

    /// Drops what was written up to now.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        while !self.read()?.is_empty() {}
        Ok(())
    }

    /// The servers of the connections that end from now on, those that were accepted after `since`:
    /// none when there is no record within `within`.
    pub(super) async fn servers(
        &mut self,
        since: SystemTime,
        within: Duration,
    ) -> io::Result<Vec<String>> {
        let mut deadline = Instant::now() + within;
        let mut servers: Vec<String> = Vec::new();
        loop {
            for line in self.read()? {
                let Some(record) = Record::of(&line, &self.prefix) else {
                    continue;
                };
                if record.is_older_than(since) {
                    self.stale += 1;
                    continue;
                }
                if servers.is_empty() {
                    deadline = deadline.min(Instant::now() + FURTHER);
                }
                if !servers.contains(&record.server) {
                    servers.push(record.server);
                }
            }
            if timeout_at(deadline, self.more()).await.is_err() {
                return Ok(servers);
            }
        }
    }

    async fn settle(&mut self) -> io::Result<()> {
        let end = Instant::now() + SETTLE_MAX;
        while timeout_at(end.min(Instant::now() + QUIET), self.more())
            .await
            .is_ok()
        {
            self.forget()?;
        }
        Ok(())
    }

    /// Ends when there may be something to read.
    async fn more(&self) {
        match &self.input {
            Input::File(_) => sleep(LOOK_EVERY).await,
            Input::Command { pipe, .. } => {
                // An error shows when it is read.
                drop(pipe.readable().await);
            }
        }
    }

    /// The lines that are complete and not read yet.
    fn read(&mut self) -> io::Result<Vec<String>> {
        let mut buffer = [0; 16 << 10];
        let got = match &mut self.input {
            Input::File(file) => {
                // Emptied by a rotation, it begins anew.
                if file.metadata()?.len() < file.stream_position()? {
                    file.seek(SeekFrom::Start(0))?;
                    self.rest.clear();
                }
                file.read(&mut buffer)?
            }
            Input::Command { pipe, .. } => match pipe.try_read(&mut buffer) {
                Ok(0) => {
                    return Err(io::Error::other(
                        "the command that follows the log has ended",
                    ));
                }
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            },
        };
        self.rest.extend_from_slice(&buffer[..got]);
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        Ok(lines)
    }
}
