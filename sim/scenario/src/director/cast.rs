//! Who has a role now: the container that a step means by it.

use std::collections::BTreeMap;

use super::Director;
use crate::file::{Act, Role, Who};
use crate::timeline::Event;

/// Who was meant by the steps that name a role, so that what ends a step means the same.
#[derive(Default)]
pub(super) struct Cast(BTreeMap<usize, Act>);

impl Cast {
    /// What an event's act means now, or meant when it began; `None` if that never began. The error says
    /// which role nobody has.
    pub(super) fn of(
        &mut self,
        event: &Event,
        act: &Act,
        director: &Director,
    ) -> Result<Option<Act>, String> {
        let roles = &director.scenario.roles;
        if !act.names().any(|name| role(roles, name).is_some()) {
            return Ok(Some(act.clone()));
        }
        if event.undo {
            return Ok(self.0.remove(&event.id));
        }
        let act = act.renamed(&mut |name| match role(roles, name) {
            Some(role) => played_by(role, director),
            None => Ok(name.to_owned()),
        })?;
        self.0.insert(event.id, act.clone());
        Ok(Some(act))
    }
}

fn role<'a>(roles: &'a [Role], name: &str) -> Option<&'a Role> {
    roles.iter().find(|role| role.name.value == name)
}

fn played_by(role: &Role, director: &Director) -> Result<String, String> {
    let of: Vec<&str> = role.of.iter().map(|name| name.value.as_str()).collect();
    let workloads = director.journal.workloads();
    let is_one = |host: &str| of.iter().any(|wanted| workloads.fits(wanted, host));
    match &role.who {
        Who::LastSaid(said) => {
            let found = director.journal.with(|_, log| {
                let lines = log.lines.iter().rev();
                let mut said = lines.filter(|line| line.text.contains(said.as_str()));
                said.find(|line| is_one(line.host.as_str()))
                    .map(|line| line.host.as_str().to_owned())
            });
            found.ok_or_else(|| {
                let name = &role.name.value;
                format!(
                    "nobody is `{name}`: none of {} has written `{said}`",
                    of.join(", ")
                )
            })
        }
        Who::Not(other) => {
            let roles = &director.scenario.roles;
            let taken = match self::role(roles, &other.value) {
                Some(other) => played_by(other, director)?,
                None => return Err(format!("no role `{}`", other.value)),
            };
            let members = director.system.members().into_iter();
            let mut others = members.filter(|pod| {
                let name = pod.member.name.as_str();
                let containers = pod.member.containers.iter();
                let mut names = containers.map(String::as_str).chain([name]);
                name != taken && names.any(&is_one)
            });
            others
                .next()
                .map(|pod| pod.member.name)
                .ok_or_else(|| format!("nobody is `{}`: there is only {taken}", role.name.value))
        }
    }
}
