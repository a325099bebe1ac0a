//! Standard output of a process: what `docker logs` shows.

use std::sync::Arc;

/// Where lines go.
pub trait OutputDriver: Send + Sync + 'static {
    /// One line, without its line end.
    fn line(&self, line: &str);
}

/// A handle on standard output.
#[derive(Clone)]
pub struct Output(Arc<dyn OutputDriver>);

impl Output {
    /// An output played by `driver`.
    pub fn new(driver: impl OutputDriver) -> Self {
        Self(Arc::new(driver))
    }

    /// Writes one line; `line` has no line end. Never fails: a closed output loses it.
    pub fn line(&self, line: &str) {
        self.0.line(line);
    }
}
