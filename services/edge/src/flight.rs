//! A request between its first byte and its log line, whatever ends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app::App;
use crate::connection::State;
use crate::request::Request;

/// nginx's status for a client that left before there was an answer.
const CLIENT_LEFT: u16 = 499;

/// Owns a request; its drop is the end of the request.
pub(crate) struct Flight {
    app: Arc<App>,
    state: Arc<State>,
    request: Box<Request>,
}

impl Flight {
    pub(crate) fn new(app: Arc<App>, state: Arc<State>, request: Request) -> Self {
        app.counters.requests.fetch_add(1, Ordering::Relaxed);
        app.counters.writing.fetch_add(1, Ordering::Relaxed);
        Self {
            app,
            state,
            request: Box::new(request),
        }
    }

    pub(crate) fn request(&mut self) -> &mut Request {
        &mut self.request
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.request.status == 0 {
            self.request.status = CLIENT_LEFT;
            // The try that was under way ends with the client.
            if let Some(attempt) = self.request.attempts.last_mut() {
                attempt
                    .response_time
                    .get_or_insert(attempt.started.elapsed());
            }
        }
        self.app.counters.writing.fetch_sub(1, Ordering::Relaxed);
        self.app.log(&self.request);
        self.state.finished();
    }
}
