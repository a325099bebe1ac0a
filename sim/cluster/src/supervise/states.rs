//! What the run's record is told of containers: a line for each as `docker ps` shows it, whenever
//! it changes.

use std::collections::BTreeMap;

use squall_record::{Name, Pod, State};

use super::container::Member;
use super::{Health, Inner, Phase};

/// How every container was last, by its name.
#[derive(Default)]
pub(super) struct Told(BTreeMap<String, Pod>);

impl Inner {
    /// Tells the record what has changed since it was told last.
    pub(super) fn tell_states(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        let told = &mut state.told.0;
        for member in &state.members {
            let now = pod(member);
            if told.get(&member.container.name) != Some(&now) {
                told.insert(member.container.name.clone(), now.clone());
                self.machine.observed(State::Pod(now));
            }
        }
        let is_there = |name: &str| state.members.iter().any(|m| m.container.name == name);
        for (name, _) in told.extract_if(.., |name, _| !is_there(name)) {
            self.machine.observed(State::PodGone { name: name.into() });
        }
    }
}

fn pod(member: &Member) -> Pod {
    let container = &member.container;
    Pod {
        name: Name::from(container.name.as_str()),
        workload: Name::from(container.service.name.as_str()),
        node: None,
        address: member.is_up().then(|| container.address.to_string().into()),
        status: status(member).into(),
        ready: member.phase == Phase::Running
            && matches!(member.health, None | Some(Health::Healthy)),
        restarts: member.restarts,
    }
}

fn status(member: &Member) -> String {
    match (member.phase, member.health) {
        (Phase::Created, _) => "created".to_owned(),
        (Phase::Running, Some(Health::Starting)) => "starting".to_owned(),
        (Phase::Running, Some(Health::Unhealthy)) => "unhealthy".to_owned(),
        (Phase::Running, _) => "running".to_owned(),
        (Phase::Paused, _) => "paused".to_owned(),
        (Phase::Ending, _) => "ending".to_owned(),
        (Phase::Hollow, _) => "no process".to_owned(),
        (Phase::Restarting(status), _) => format!("restarting ({status})"),
        (Phase::Exited(status), _) => format!("exited ({status})"),
    }
}
