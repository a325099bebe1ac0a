//! Pods and endpoints over time, by name.

use std::collections::BTreeMap;

use squall_record::{Change, Name, Pod, State};

/// Every pod and every service's endpoints, whenever they changed.
#[derive(Debug)]
pub(super) struct Pods<'a> {
    pods: BTreeMap<&'a Name, History<Option<&'a Pod>>>,
    endpoints: BTreeMap<&'a Name, History<&'a [Name]>>,
}

/// From when on something was how, in order.
type History<T> = Vec<(u64, T)>;

impl<'a> Pods<'a> {
    pub(super) fn new(changes: &'a [Change]) -> Self {
        let (mut pods, mut endpoints) = (BTreeMap::new(), BTreeMap::new());
        let of = |all: &mut BTreeMap<_, History<_>>, name, entry| {
            all.entry(name).or_default().push(entry);
        };
        for Change { at_us, state } in changes {
            match state {
                State::Pod(pod) => of(&mut pods, &pod.name, (*at_us, Some(pod))),
                State::PodGone { name } => of(&mut pods, name, (*at_us, None)),
                State::Endpoints { service, ready } => {
                    let history: &mut History<&[Name]> = endpoints.entry(service).or_default();
                    history.push((*at_us, ready));
                }
            }
        }
        Self { pods, endpoints }
    }

    pub(super) fn at(&self, at_us: u64) -> Vec<&'a Pod> {
        let histories = self.pods.values();
        histories
            .filter_map(|history| last(history, at_us).flatten())
            .collect()
    }

    pub(super) fn endpoints_at(&self, at_us: u64) -> Vec<(&'a Name, &'a [Name])> {
        let histories = self.endpoints.iter();
        histories
            .filter_map(|(service, history)| Some((*service, last(history, at_us)?)))
            .collect()
    }

    /// The first instant from `from_us` on at which everything of a host is ready: a pod, or all
    /// pods of a workload. At once for what has no pods. `None` when that instant never comes.
    pub(super) fn ready_from(&self, host: &Name, from_us: u64) -> Option<u64> {
        let of_host: Vec<&History<Option<&Pod>>> = self
            .pods
            .values()
            .filter(|history| history.iter().any(|(_, pod)| is_of(*pod, host)))
            .collect();
        let later = of_host.iter().flat_map(|history| history.iter());
        let later = later.map(|(at_us, _)| *at_us).filter(|at| *at > from_us);
        let mut instants: Vec<u64> = std::iter::once(from_us).chain(later).collect();
        instants.sort_unstable();
        instants.into_iter().find(|at_us| {
            let pods = of_host.iter().filter_map(|history| last(history, *at_us));
            pods.flatten().all(|pod| pod.ready)
        })
    }
}

fn is_of(pod: Option<&Pod>, host: &Name) -> bool {
    pod.is_some_and(|pod| {
        // A scenario may mean one of several by its number.
        let rest = host.as_str().strip_prefix(pod.workload.as_str());
        let number = rest.and_then(|rest| rest.strip_prefix('-'));
        pod.name == *host
            || pod.workload == *host
            || number.is_some_and(|n| pod.name.as_str().ends_with(&format!("-{n}")))
    })
}

fn last<T: Copy>(history: &History<T>, at_us: u64) -> Option<T> {
    let next = history.partition_point(|(from_us, _)| *from_us <= at_us);
    Some(history[next.checked_sub(1)?].1)
}
