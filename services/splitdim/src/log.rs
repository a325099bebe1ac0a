//! Lines about what goes wrong, so many in a second at most: an endless loop must not fill a disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use squall_host::output::Output;
use tokio::time::Instant;

/// Lines in each period.
const LINES_MAX: u64 = 20;
const PERIOD: Duration = Duration::from_secs(1);

/// Standard output, with a bound.
pub(crate) struct Log {
    out: Output,
    period: Mutex<Period>,
}

struct Period {
    began: Instant,
    lines: u64,
}

impl Log {
    pub(crate) fn new(out: Output) -> Self {
        let began = Instant::now();
        Self {
            out,
            period: Mutex::new(Period { began, lines: 0 }),
        }
    }

    /// A line, unless there were too many; how many were left out is told in the next period.
    pub(crate) fn line(&self, line: &str) {
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        if period.began.elapsed() >= PERIOD {
            if let left_out @ 1.. = period.lines.saturating_sub(LINES_MAX) {
                self.out
                    .line(&format!("... and {left_out} lines like these"));
            }
            *period = Period {
                began: Instant::now(),
                lines: 0,
            };
        }
        period.lines += 1;
        if period.lines <= LINES_MAX {
            self.out.line(line);
        }
    }

    /// A line that nobody may miss.
    pub(crate) fn always(&self, line: &str) {
        self.out.line(line);
    }
}
