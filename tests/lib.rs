//! Tests of the whole workspace.
//!
//! | test | what it holds |
//! |---|---|
//! | `architecture` | who may import whom, under which licences, and that every module says what it is for |
//! | `determinism` | one seed, one trace: at two positions in a process, and in two processes |
//! | `labs` | every scenario in `scenarios/` ends as its file says |
//!
//! Deliberately absent: tests of one crate; they are beside it.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}
