//! Health checks: what is asked of a server, when, and how it ended.
//!
//! | module | idea |
//! |---|---|
//! | [`status`] | the ways in which a check can end |
//! | [`schedule`] | one server's checks, one after the other |
//! | [`probe`] | one check: a connection and the steps on it |
//! | [`http`] | the request and the response of `httpchk` |

pub(crate) mod http;
pub(crate) mod probe;
pub(crate) mod schedule;
pub(crate) mod status;
