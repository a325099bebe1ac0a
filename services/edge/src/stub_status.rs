//! `stub_status`: the counters, in the words of ngx_http_stub_status_module.

use std::sync::atomic::Ordering::Relaxed;

use http::Method;

use crate::app::App;
use crate::reply::{Answer, Reply};
use crate::request::Request;

impl App {
    pub(crate) fn stub_status(&self, request: &Request) -> Answer {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Answer::Error(405);
        }
        let counters = &self.counters;
        let active = counters.active.load(Relaxed);
        let (reading, writing) = (
            counters.reading.load(Relaxed),
            counters.writing.load(Relaxed),
        );
        let text = format!(
            "Active connections: {active} \nserver accepts handled requests\n {} {} {} \n\
             Reading: {reading} Writing: {writing} Waiting: {} \n",
            counters.accepted.load(Relaxed),
            counters.handled.load(Relaxed),
            counters.requests.load(Relaxed),
            active.saturating_sub(reading + writing),
        );
        Answer::Reply(Reply::new(200, "text/plain", text))
    }
}
