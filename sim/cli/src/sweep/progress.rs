//! How far a sweep is: a bar on a terminal, a plain line now and then anywhere else. On standard
//! error, and drawn only when the sweep says so: a thread that redraws would forbid to fork.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use squall_explore::sweep::Counts;

use crate::exit::say;

/// Between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    planned: u64,
    time: Option<Duration>,
    began: Instant,
    said: Instant,
}

impl Progress {
    /// Of a sweep that begins now.
    pub(crate) fn new(planned: u64, time: Option<Duration>) -> Self {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(planned), ProgressDrawTarget::stderr());
            // A template of ours that is wrong would show as the default.
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            planned,
            time,
            began: now,
            said: now,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, counts: &Counts) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(counts.runs);
                bar.set_message(self.sentence(counts));
            }
            // Nobody is told twice that nothing has happened.
            None if counts.runs > 0 && self.said.elapsed() >= PLAIN_EVERY => {
                self.said = Instant::now();
                say(self.sentence(counts));
            }
            None => {}
        }
    }

    /// Prints something without the bar in its way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn sentence(&self, counts: &Counts) -> String {
        sentence(counts, self.planned, self.began.elapsed(), self.time)
    }
}

/// Runs in a minute, for people.
pub(crate) fn per_minute(runs: u64, elapsed: Duration) -> f64 {
    runs as f64 * 60.0 / elapsed.as_secs_f64().max(0.001)
}

fn sentence(counts: &Counts, planned: u64, elapsed: Duration, time: Option<Duration>) -> String {
    let mut text = format!("{} of {planned} runs", counts.runs);
    let not_passed = counts.runs - counts.passed;
    if not_passed > 0 {
        text.push_str(&format!(", {not_passed} not passed"));
    }
    if counts.runs > 0 {
        let rate = per_minute(counts.runs, elapsed);
        let left = (planned.saturating_sub(counts.runs)) as f64 / rate * 60.0;
        let left = match time {
            Some(time) => left.min(time.saturating_sub(elapsed).as_secs_f64()),
            None => left,
        };
        text.push_str(&format!(", {rate:.0} a minute, {} left", span(left)));
    }
    text
}

fn span(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_follow_from_what_was_done() {
        let counts = Counts {
            runs: 50,
            passed: 48,
            ..Counts::default()
        };
        let text = |time| sentence(&counts, 200, Duration::from_secs(30), time);
        assert_eq!(
            text(None),
            "50 of 200 runs, 2 not passed, 100 a minute, 1 min 30 s left"
        );
        assert_eq!(
            text(Some(Duration::from_secs(40))),
            "50 of 200 runs, 2 not passed, 100 a minute, 10 s left"
        );
        let none = sentence(&Counts::default(), 200, Duration::ZERO, None);
        assert_eq!(none, "0 of 200 runs");
        assert_eq!(span(7_260.0), "2 h 01 min");
    }
}
