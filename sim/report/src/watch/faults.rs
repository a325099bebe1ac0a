//! From when to when each fault is in force.
//!
//! A fault that lasts says so in its happening, and what ends it names it. A fault that is done at
//! once, as a kill, is shown until whom it befell is ready again, and long enough to be seen.

use std::collections::BTreeMap;

use squall_record::{Happening, Kind, Name};

use super::frame::InForce;
use super::pods::Pods;

/// What is done at once is shown for so long.
const SHOWN_US: u64 = 3_000_000;

#[derive(Debug)]
pub(super) struct Faults<'a>(Vec<Fault<'a>>);

#[derive(Debug)]
struct Fault<'a> {
    from_us: u64,
    /// `None`: to the end of the run.
    to_us: Option<u64>,
    hosts: Vec<&'a Name>,
    what: &'a str,
}

impl<'a> Faults<'a> {
    pub(super) fn new(happenings: &'a [Happening], pods: &Pods<'_>) -> Self {
        let mut all: Vec<Fault<'_>> = Vec::new();
        // Where those that last are in `all`.
        let mut lasting: BTreeMap<u32, usize> = BTreeMap::new();
        for happening in happenings {
            for number in &happening.ends {
                if let Some(place) = lasting.remove(number) {
                    all[place].to_us = Some(happening.at_us);
                }
            }
            let mut fault = Fault {
                from_us: happening.at_us,
                to_us: None,
                hosts: vec![&happening.host],
                what: &happening.what,
            };
            match (happening.begins, happening.kind) {
                (Some(number), _) => match lasting.get(&number) {
                    // The same fault befalls several.
                    Some(place) => all[*place].hosts.push(&happening.host),
                    None => {
                        lasting.insert(number, all.len());
                        all.push(fault);
                    }
                },
                (None, Kind::Fault) => {
                    let seen_us = happening.at_us.saturating_add(SHOWN_US);
                    fault.to_us = pods.ready_from(&happening.host, seen_us);
                    all.push(fault);
                }
                (None, Kind::Repair | Kind::Note) => {}
            }
        }
        Self(all)
    }

    pub(super) fn at(&self, at_us: u64) -> Vec<InForce<'a>> {
        let is_now = |fault: &&Fault<'_>| {
            fault.from_us <= at_us && fault.to_us.is_none_or(|to_us| at_us < to_us)
        };
        let now = self.0.iter().filter(is_now);
        now.map(|fault| InForce {
            since_us: fault.from_us,
            hosts: fault.hosts.clone(),
            what: fault.what,
        })
        .collect()
    }
}
