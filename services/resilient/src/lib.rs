//! What keeps a service standing when what it depends on does not: bounded retries, deadlines.
//!
//! | module | idea |
//! |---|---|
//! | [`backoff`] | how long to wait before each further try |
//! | [`deadline`] | until when an answer is of use |
//! | [`retry`] | a call, repeated within both |
//! | [`random`] | the jitter's generator |
//!
//! Deliberately absent: HTTP, any knowledge of what is called, threads, global state.

pub mod backoff;
pub mod deadline;
pub mod random;
pub mod retry;

pub use backoff::Backoff;
pub use deadline::{Deadline, Late};
pub use random::Random;
pub use retry::{Failed, retry};
