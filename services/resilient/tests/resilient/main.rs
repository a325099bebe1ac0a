//! What a service can see of this crate, in paused time.

#![allow(clippy::unwrap_used)]

mod backoff;
mod breaker;
mod breaker_model;
mod debounce;
mod limiter;
mod retry;
mod shed;
