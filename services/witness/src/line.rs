//! One operation as a line of JSON. `squall_check::witness` reads them.
//!
//! | `op` | what it tells |
//! |---|---|
//! | `start` | a process begins: its `run`, with which its values begin, what was there (`kvs`) at which `revision` |
//! | `put` | a write; with `lease` if the key hangs on one |
//! | `cas` | a transaction: if the key's `mod` is `if_mod`, put (`applied`), else get (`found`, `mod`) |
//! | `get` | a read; `mod` is 0 if the key is absent |
//! | `watch` | a watch from revision `from` on, for the first time or again |
//! | `event` | what the watch said; `delete` if the key is gone |
//! | `grant`, `keepalive` | a lease |
//! | `final` | a linearizable read of everything after the last write |
//! | `end` | the process is done; `ok` if the watch has seen all up to `revision` |
//!
//! `ok` is true if it was acknowledged, false if it is certainly not done, null if nobody knows. Times are
//! microseconds since the process began, by its monotonic clock.

use serde::Serialize;

/// A key as a range shows it: name, value, revision of the last change, how many changes since it was created.
pub(crate) type Pair = (String, String, i64, i64);

/// What is told of one operation.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Line {
    pub(crate) op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) if_mod: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
    #[serde(rename = "mod", skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) serializable: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) delete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kvs: Option<Vec<Pair>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Line {
    /// Nothing but its name.
    pub(crate) fn of(op: &'static str) -> Self {
        Self {
            op,
            ..Self::default()
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A line with what every line has.
#[derive(Serialize)]
pub(crate) struct Full<'a> {
    pub(crate) witness: u8,
    #[serde(flatten)]
    pub(crate) line: &'a Line,
    pub(crate) ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<&'a str>,
    pub(crate) began_us: u64,
    pub(crate) ended_us: u64,
}
