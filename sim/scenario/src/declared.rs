//! Whether a run ended as its scenario file says: `verdict`, `fails`.
//!
//! A file with a seed of its own speaks of that seed; another speaks of all. Deliberately absent: what
//! follows from it. A verdict is a verdict, whatever a file foresees.

use std::collections::BTreeSet;

use squall_record::{Breach, Summary, Verdict};

use crate::file::Scenario;

impl Scenario {
    /// How a run of this scenario differs from what its file says of its end, in a sentence; `None` if
    /// it does not.
    pub fn contradiction(&self, summary: &Summary) -> Option<String> {
        let (declared, verdict) = (self.verdict, summary.verdict);
        if declared != verdict {
            return Some(format!(
                "`verdict: {}`, and the verdict is: {}",
                declared.as_str(),
                verdict.as_str()
            ));
        }
        let fails = Breach::all_of(summary);
        let fails: Vec<String> = fails.iter().map(Breach::to_string).collect();
        let declared: BTreeSet<&str> = self.fails.iter().map(|one| one.value.as_str()).collect();
        let says_nothing = declared.is_empty() || verdict != Verdict::Failed;
        if says_nothing || declared == fails.iter().map(String::as_str).collect() {
            return None;
        }
        let declared: Vec<&str> = declared.into_iter().collect();
        Some(format!(
            "`fails: [{}]`, and what fails is: {}",
            declared.join(", "),
            fails.join(", ")
        ))
    }
}
