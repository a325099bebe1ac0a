//! Everything that reading manifests gathers beside their values.

use squall_host::{Diagnostic, Origin};

/// Complaints, warnings and remarks, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) without_effect: Vec<(String, Origin)>,
}
