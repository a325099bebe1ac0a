//! What keeps a service standing when what it depends on does not.
//!
//! | module | idea |
//! |---|---|
//! | [`backoff`] | how long to wait before each further try |
//! | [`breaker`] | leave alone for a while what failed several times in a row |
//! | [`deadline`] | until when an answer is of use |
//! | [`debounce`] | of calls in quick succession make only the first |
//! | [`limiter`] | so many in a period, and so many at once |
//! | [`random`] | the jitter's generator |
//! | [`mod@retry`] | a call, repeated within a back-off and a deadline |
//! | [`shed`] | at most so many at a time, the others refused at once |
//!
//! They combine by nesting. The bound goes around each try, so that a late one is a failure for the breaker, and
//! the breaker inside the retry, so that each try counts:
//!
//! ```
//! use std::time::Duration;
//!
//! use squall_resilient::{Backoff, Breaker, Deadline, Guarded, Late, Random, retry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let mut answers = vec![Ok("balance"), Err("no route to host")];
//! # let mut ask = async || answers.pop().unwrap_or(Err("gone"));
//! let breaker = Breaker::new(3, Duration::from_secs(1));
//! let mut random = Random::from_seed(7);
//! let backoff = Backoff {
//!     base: Duration::from_millis(1),
//!     cap: Duration::from_millis(20),
//!     jitter: 1.0,
//!     tries: 6,
//! };
//! let deadline = Deadline::after(Duration::from_secs(10));
//! let answer = retry(
//!     &backoff,
//!     deadline,
//!     &mut random,
//!     |error| !matches!(error, Guarded::Open(_)),
//!     async || {
//!         let each = deadline.at_most(Duration::from_secs(2));
//!         let work = async { each.bound(ask()).await.unwrap_or_else(|Late| Err("late")) };
//!         breaker.guard(|_| true, work).await
//!     },
//! );
//! // The first try finds no route, the second an answer.
//! assert_eq!(answer.await, Ok("balance"));
//! # }
//! ```
//!
//! All of it is safe to drop at any await: a place is given back, a probe is over, late work stops. What can be shared
//! is shared behind `&self`, and looks and takes in one step. Time is `tokio::time`, chance is [`Random`]: under the
//! simulator both follow from its seed.
//!
//! Deliberately absent: HTTP, any knowledge of what is called, threads, background tasks, global state; layers of
//! `tower`: services here call functions, and a `Service` for each call would be more code than these files.

pub mod backoff;
pub mod breaker;
pub mod deadline;
pub mod debounce;
pub mod limiter;
pub mod random;
pub mod retry;
pub mod shed;

pub use backoff::Backoff;
pub use breaker::{Breaker, Guarded, Open};
pub use deadline::{Deadline, Late};
pub use debounce::Debounce;
pub use limiter::{Limited, Limiter, Rate};
pub use random::Random;
pub use retry::{Failed, retry};
pub use shed::{Full, Permit, Shed};
