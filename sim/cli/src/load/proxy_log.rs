//! The proxy's own word on which database a request had: its log is followed from before the
//! request, and the records of the connections that ended since are the request's, as no other is
//! on its way.
//!
//! HAProxy writes a connection's record when it ends (`option tcplog`), so a backend that keeps its
//! connections has none for a single request.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout_at};

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
/// The proxy's clock may be behind this machine's by so much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);
/// Time zones differ by multiples of this, in milliseconds.
const ZONE_STEP_MS: i64 = 15 * 60 * 1000;

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

/// What a line of HAProxy says of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    server: String,
    /// When the connection was accepted, by the proxy's clock: milliseconds within a quarter of an
    /// hour, which is the same in every time zone. A format of one's own may have none.
    accepted_ms: Option<i64>,
}

impl Record {
    /// Reads `… [21/Nov/2026:12:00:00.123] front pool/server 0/0/4 …` (management of HAProxy 2.9,
    /// 8.2.2); announcements such as `Server pool/server is DOWN` are no such lines.
    fn of(line: &str, prefix: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut accepted_ms = None;
        let server = loop {
            let word = words.next()?;
            if let Some(date) = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
                accepted_ms = in_quarter_ms(date);
            } else if let Some(server) = word.strip_prefix(prefix) {
                break server;
            }
        };
        let is_timers = |word: &str| {
            word.contains('/')
                && word
                    .chars()
                    .all(|c| c.is_ascii_digit() || "/-+".contains(c))
        };
        words.next().filter(|word| is_timers(word))?;
        Some(Self {
            server: server.to_owned(),
            accepted_ms,
        })
    }

    fn is_older_than(&self, since: SystemTime) -> bool {
        let Some(accepted_ms) = self.accepted_ms else {
            return false;
        };
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        // The nearest of all times of its kind.
        let late = (accepted_ms - since_ms).rem_euclid(ZONE_STEP_MS);
        let tolerance = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(0);
        late >= ZONE_STEP_MS / 2 && late < ZONE_STEP_MS - tolerance
    }
}

/// Of `21/Nov/2026:12:34:56.789`, what is beyond the last quarter.
fn in_quarter_ms(date: &str) -> Option<i64> {
    let mut parts = date.split(':').skip(2);
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((minutes % 15) * 60_000 + (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "10.42.2.9:41234 [21/Nov/2026:12:00:00.123] pg_front pg_pool/pg2 1/0/4 1021 -- 1/1/0/0/0 0/0";

    #[test]
    fn a_record_says_its_server_and_an_announcement_is_none() {
        let of = |line: &str| Record::of(line, "pg_pool/").map(|record| record.server);
        assert_eq!(of(LINE).as_deref(), Some("pg2"));
        assert_eq!(
            of("<134>Nov 21 12:00:00 haproxy[8]: 10.0.0.1:1 [x] f pg_pool/<NOSRV> -1/-1/0 0 SC 1/1/0/0/0 0/0").as_deref(),
            Some("<NOSRV>")
        );
        for other in [
            "Server pg_pool/pg1 is DOWN, reason: Layer4 timeout, check duration: 2003ms.",
            "10.42.2.9:41234 [21/Nov/2026:12:00:00.123] pg_front other/pg2 1/0/4 1021 --",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_record_of_an_earlier_request_is_told_by_its_date_in_any_zone() {
        let record = Record::of(LINE, "pg_pool/").unwrap();
        // 2026-11-21 12:00:00 UTC, and the same instant for a clock in India.
        for zone_s in [0, 19_800] {
            let noon = UNIX_EPOCH + Duration::from_secs(1_795_262_400 + zone_s);
            let at = |ms: i64| match ms < 0 {
                true => noon - Duration::from_millis(ms.unsigned_abs()),
                false => noon + Duration::from_millis(ms.unsigned_abs()),
            };
            assert!(!record.is_older_than(at(100)));
            assert!(
                !record.is_older_than(at(-60_000)),
                "a request of a minute ago"
            );
            assert!(!record.is_older_than(at(900)), "the clocks differ a little");
            assert!(
                record.is_older_than(at(5_000)),
                "accepted before it was sent"
            );
        }
    }
}
