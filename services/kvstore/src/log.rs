//! The log of batches: how it is written, and how a store comes back from it.
//!
//! | module | idea |
//! |---|---|
//! | `frame` | lines that check themselves |
//! | `files` | the files of a folder, by their names |
//! | `commit` | the state, the batch that is being collected, and who waits for it |
//! | `writer` | the one task that writes batches and has old ones replaced by a snapshot |
//! | `recovery` | the state that a folder's files make, or why they make none |

pub(crate) mod commit;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod recovery;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

use serde::Deserialize;

use crate::store::Operation;

/// What one frame of the log holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// One more than that of the batch before.
    pub(crate) seq: u64,
    pub(crate) ops: Vec<Operation>,
}

/// The frame of a batch whose operations are JSON already, with commas between.
pub(crate) fn batch_frame(seq: u64, operations: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(operations.len() + 48);
    frame::push(&mut file, |json| {
        json.extend_from_slice(frame::BATCH_START);
        json.extend_from_slice(seq.to_string().as_bytes());
        json.extend_from_slice(b",\"ops\":[");
        json.extend_from_slice(operations);
        json.extend_from_slice(b"]}");
    });
    file
}
