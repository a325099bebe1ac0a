//! What of a run does not hold: the identity of a failure, by which runs of different seeds and of
//! different scenarios are told to fail in the same way or not.

use std::fmt;

use crate::summary::Summary;
use serde::{Deserialize, Serialize};

/// A judgement that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Breach {
    /// The invariant, or what is expected.
    pub what: String,
    /// The phase that expects it; `None` for what must hold over the whole run.
    pub phase: Option<String>,
}

impl Breach {
    /// Everything that does not hold, invariants first.
    pub fn all_of(summary: &Summary) -> Vec<Self> {
        let invariants = summary.invariants.iter();
        let invariants = invariants
            .filter(|one| one.holds == Some(false))
            .map(|one| Self {
                what: one.name.clone(),
                phase: None,
            });
        let expectations = summary.phases.iter().flat_map(|phase| {
            let broken = phase
                .expectations
                .iter()
                .filter(|one| one.holds == Some(false));
            broken.map(|one| Self {
                what: one.what.clone(),
                phase: Some(phase.name.clone()),
            })
        });
        let mut all = Vec::new();
        for breach in invariants.chain(expectations) {
            if !all.contains(&breach) {
                all.push(breach);
            }
        }
        all
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.phase {
            Some(phase) => write!(f, "{} in \"{phase}\"", self.what),
            None => f.write_str(&self.what),
        }
    }
}
