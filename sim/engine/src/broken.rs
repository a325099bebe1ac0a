//! How a testbed breaks, and how a panic in a simulated task is caught in the act.

use std::cell::RefCell;
use std::sync::Once;

use crate::boundary;

/// The run proved nothing, because the testbed itself is broken. Exit status 255.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken testbed: {host} at {}.{:06} ms: {what}", .at_ns / 1_000_000, .at_ns % 1_000_000)]
pub struct Broken {
    /// The host that did it.
    pub host: String,
    /// Virtual nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What it did.
    pub what: String,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, panics on simulating threads are kept for [`take_panic`]; others go where they went.
pub(crate) fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if boundary::now_ns() == 0 {
                return before(info);
            }
            let place = info
                .location()
                .map(|place| format!(" at {place}"))
                .unwrap_or_default();
            let payload = info.payload();
            let message = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "something that is no text".to_owned());
            PANIC.with_borrow_mut(|first| {
                first.get_or_insert_with(|| format!("panicked: {message}{place}"));
            });
        }));
    });
}

/// Takes the first panic on this thread since the last look.
pub(crate) fn take_panic() -> Option<String> {
    PANIC.take()
}
