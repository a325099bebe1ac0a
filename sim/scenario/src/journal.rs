//! What befell the system and what its processes said, kept while the run goes on.
//!
//! The world writes into it (control plane, standard outputs), the director too (faults), and the
//! record is made of it. Lines and happenings are bounded; what does not fit is counted.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use squall_record::{Change, Happening, Kind, Line, Log, Name, State};

use crate::judge::Workloads;

/// The most lines that are kept.
const LINES_MAX: usize = 200_000;

/// The longest line that is kept, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// The most happenings that are kept.
const HAPPENINGS_MAX: usize = 100_000;

/// Happenings and lines so far.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    happenings: Vec<Happening>,
    changes: Vec<Change>,
    log: Log,
}

/// All that a journal has kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// What befell the system.
    pub happenings: Vec<Happening>,
    /// How its make-up changed.
    pub changes: Vec<Change>,
    /// What its processes said.
    pub log: Log,
}

impl Journal {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something of note happened `at` this virtual time.
    pub fn happened(&self, at: Duration, host: &str, what: impl Into<String>, kind: Kind) {
        self.tell(Happening {
            at_us: micros(at),
            host: host.into(),
            what: what.into(),
            kind,
            begins: None,
            ends: Vec::new(),
        });
    }

    /// Something happened as this says.
    pub fn tell(&self, happening: Happening) {
        let inner = &mut *self.lock();
        if inner.happenings.len() < HAPPENINGS_MAX {
            inner.happenings.push(happening);
        } else {
            inner.log.dropped += 1;
        }
    }

    /// A part of the system is so from `at` on.
    pub fn observed(&self, at: Duration, state: State) {
        let inner = &mut *self.lock();
        if inner.changes.len() < HAPPENINGS_MAX {
            let at_us = micros(at);
            inner.changes.push(Change { at_us, state });
        } else {
            inner.log.dropped += 1;
        }
    }

    /// A process wrote a line. A line in which a proxy says that a server came or went is a
    /// happening, too.
    pub fn line(&self, at: Duration, host: &str, text: &str) {
        if is_of_note(text) {
            self.happened(at, host, text, Kind::Note);
        }
        let inner = &mut *self.lock();
        if inner.log.lines.len() < LINES_MAX {
            inner.log.lines.push(Line {
                at_us: micros(at),
                host: Name::from(host),
                text: text[..text.floor_char_boundary(LINE_BYTES_MAX)].to_owned(),
            });
        } else {
            inner.log.dropped += 1;
        }
    }

    /// Calls `read` with all that is kept so far.
    pub fn with<T>(&self, read: impl FnOnce(&[Happening], &Log) -> T) -> T {
        let inner = self.lock();
        read(&inner.happenings, &inner.log)
    }

    /// The workload of every pod that was ever seen.
    pub fn workloads(&self) -> Workloads {
        let inner = self.lock();
        let pods = inner
            .changes
            .iter()
            .filter_map(|change| match &change.state {
                State::Pod(pod) => Some((pod.name.clone(), pod.workload.clone())),
                State::PodGone { .. } | State::Endpoints { .. } => None,
            });
        Workloads(pods.collect())
    }

    /// Takes everything out.
    pub fn take(&self) -> Kept {
        let inner = std::mem::take(&mut *self.lock());
        Kept {
            happenings: inner.happenings,
            changes: inner.changes,
            log: inner.log,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked here ends the run as a broken testbed; the data is still whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// HAProxy's announcements: `Server pg/slave2 is DOWN, reason: …`, `backend pg has no server …`.
/// It says each twice; the one for its terminal begins with a bracket.
fn is_of_note(line: &str) -> bool {
    if line.starts_with('[') {
        return false;
    }
    let server = line.contains("Server ") && (line.contains(" is DOWN") || line.contains(" is UP"));
    server || line.contains(" has no server available!")
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_goes_down_is_of_note() {
        let journal = Journal::new();
        let at = Duration::from_millis(1500);
        journal.line(
            at,
            "haproxy",
            "Server pg/slave2 is DOWN, reason: Layer4 timeout",
        );
        journal.line(at, "nginx", "GET /data 200");
        let Kept {
            happenings, log, ..
        } = journal.take();
        assert_eq!(log.lines.len(), 2);
        assert_eq!(happenings.len(), 1);
        assert_eq!(
            (happenings[0].at_us, happenings[0].kind),
            (1_500_000, Kind::Note)
        );
    }

    #[test]
    fn lines_are_bounded_and_counted() {
        let journal = Journal::new();
        for _ in 0..LINES_MAX + 3 {
            journal.line(Duration::ZERO, "h", "x");
        }
        journal.line(Duration::ZERO, "h", &"é".repeat(LINE_BYTES_MAX));
        let log = journal.take().log;
        assert_eq!((log.lines.len(), log.dropped), (LINES_MAX, 4));
    }
}
