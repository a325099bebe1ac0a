//! A request between its first byte and its log line, whatever ends it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::app::App;
use crate::connection::State;
use crate::request::Request;

/// nginx's status for a client that left before there was an answer.
const CLIENT_LEFT: u16 = 499;

/// Owns a request; its drop is the end of the request.
///
/// A drop may also be the end of the process, which logs nothing. So only what is complete is
/// logged at once; the rest is left to the connection, which logs it if it lives to do so.
pub(crate) struct Flight {
    app: Arc<App>,
    /// Weak, for a state may own a request for a while.
    state: Weak<State>,
    /// `None` only while it is dropped.
    request: Option<Box<Request>>,
}

impl Flight {
    pub(crate) fn new(app: Arc<App>, state: &Arc<State>, request: Request) -> Self {
        app.counters.requests.fetch_add(1, Ordering::Relaxed);
        app.counters.writing.fetch_add(1, Ordering::Relaxed);
        Self {
            app,
            state: Arc::downgrade(state),
            request: Some(Box::new(request)),
        }
    }

    pub(crate) fn request(&mut self) -> &mut Request {
        self.request.as_mut().expect("it is taken by drop alone")
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.app.counters.writing.fetch_sub(1, Ordering::Relaxed);
        let (Some(state), Some(mut request)) = (self.state.upgrade(), self.request.take()) else {
            return;
        };
        state.finished();
        if request.completed {
            return self.app.log(&request);
        }
        if request.status == 0 {
            request.status = CLIENT_LEFT;
            // The try that was under way ends with the client.
            if let Some(attempt) = request.attempts.last_mut() {
                attempt
                    .response_time
                    .get_or_insert(attempt.started.elapsed());
            }
        }
        state.leave_unfinished(request);
    }
}
