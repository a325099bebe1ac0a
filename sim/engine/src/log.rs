//! What processes say: standard output and `tracing` events, each with its virtual time and host.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use squall_host::output::OutputDriver;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::HostId;
use crate::{boundary, current};

/// One line that a process wrote or logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Virtual nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Who wrote it.
    pub host: HostId,
    /// Where it went.
    pub stream: Stream,
    /// What it says, without its line end.
    pub text: String,
}

/// Where a line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// `tracing`, at this level.
    Log(Level),
}

/// Lines that the trace has not seen yet.
#[derive(Debug)]
pub(crate) struct Lines {
    start_ns: u64,
    pub(crate) fresh: Vec<Line>,
}

/// Who is given each line, with the name of its host, once the task that wrote it has come to rest.
pub type Reader = Box<dyn FnMut(&str, Line) + Send>;

pub(crate) type SharedLines = Arc<Mutex<Lines>>;

impl Lines {
    pub(crate) fn new(start_ns: u64) -> SharedLines {
        Arc::new(Mutex::new(Self {
            start_ns,
            fresh: Vec::new(),
        }))
    }

    fn push(&mut self, stream: Stream, text: String) {
        let at_ns = boundary::now_ns().saturating_sub(self.start_ns);
        self.fresh.push(Line {
            at_ns,
            host: current::host(),
            stream,
            text,
        });
    }
}

pub(crate) fn with<R>(lines: &SharedLines, f: impl FnOnce(&mut Lines) -> R) -> R {
    f(&mut lines.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Standard output of every simulated process.
pub(crate) struct CapturedOutput(pub(crate) SharedLines);

impl OutputDriver for CapturedOutput {
    fn line(&self, line: &str) {
        with(&self.0, |lines| lines.push(Stream::Output, line.to_owned()));
    }
}

/// Captures `tracing` events of every simulated process.
pub(crate) struct Capture(pub(crate) SharedLines);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = *event.metadata().level();
        with(&self.0, |lines| {
            lines.push(Stream::Log(level), text.message + &text.fields)
        });
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}
