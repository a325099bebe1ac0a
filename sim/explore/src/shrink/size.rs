//! How big a scenario is. Sizes are compared part by part, in the order of the fields: a scenario
//! with one step less is smaller, however long it takes.

use std::fmt;

use squall_scenario::Scenario;
use squall_scenario::file::write::quantity;
use squall_scenario::file::write::write;
use squall_scenario::timeline::Timeline;

use super::act;
use crate::facts::Facts;

/// How big a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Steps of all phases.
    pub steps: usize,
    /// Phases.
    pub phases: usize,
    /// Containers at the start.
    pub containers: u64,
    /// Clients.
    pub clients: usize,
    /// Expectations and invariants.
    pub judgements: usize,
    /// How much there is to each step: names, directions.
    pub parts: usize,
    /// Requests that can be sent.
    pub requests: u128,
    /// From the start of the first phase to the end of the last.
    pub story_ns: u128,
    /// How long faults last, all together.
    pub faults_ns: u128,
    /// How late steps are in their phases, all together.
    pub starts_ns: u128,
    /// How strong faults are: shares and delays.
    pub strength: u128,
    /// Letters of the text; round numbers have fewer.
    pub letters: usize,
}

impl Size {
    /// The size of a scenario in its system.
    pub fn of(scenario: &Scenario, facts: &Facts) -> Self {
        let phases = &scenario.phases;
        let steps = || phases.iter().flat_map(|phase| &phase.steps);
        let timeline = Timeline::of(scenario);
        let containers = facts.services.iter().map(|service| {
            let system = &scenario.system;
            if system.without.iter().any(|name| name.value == service.name) {
                return 0;
            }
            let scale = system.scale.get(&service.name);
            scale.map_or(service.containers.len() as u64, |count| {
                u64::from(count.value)
            })
        });
        let expectations: usize = phases.iter().map(|phase| phase.expect.len()).sum();
        Self {
            steps: steps().count(),
            phases: phases.len(),
            containers: containers.sum(),
            clients: scenario.clients.len(),
            judgements: expectations + scenario.invariants.len(),
            parts: steps().map(|step| act::parts(&step.act)).sum(),
            requests: timeline.requests_max(scenario),
            story_ns: timeline.end.as_nanos(),
            faults_ns: steps()
                .filter_map(|step| step.lasts)
                .map(|time| time.as_nanos())
                .sum(),
            starts_ns: steps().map(|step| step.at.as_nanos()).sum(),
            strength: steps().map(|step| act::strength(&step.act)).sum(),
            letters: write(scenario, "").len(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let story_ns = u64::try_from(self.story_ns).unwrap_or(u64::MAX);
        write!(
            f,
            "{}, {}, {}, {}, at most {}",
            count(self.steps as u128, "step"),
            count(self.phases as u128, "phase"),
            quantity::duration(std::time::Duration::from_nanos(story_ns)),
            count(self.containers.into(), "container"),
            count(self.requests, "request"),
        )
    }
}

fn count(number: u128, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}
