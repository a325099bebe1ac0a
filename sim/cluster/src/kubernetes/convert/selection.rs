//! PodDisruptionBudgets, and whether what chooses pods by their labels chooses any.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects::{Object, Typed};
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{
    Address, Amount, Budget, Kind, Leaves, Plan, Service, Target, Workload,
};

/// A PodDisruptionBudget.
pub(super) fn budget(object: &Object, notes: &mut Notes) -> Option<Budget> {
    let Typed::Budget(budget) = &object.typed else {
        return None;
    };
    let place = object.place().key("spec");
    let spec = budget.spec.as_ref();
    let available = spec.and_then(|spec| spec.min_available.as_ref());
    let unavailable = spec.and_then(|spec| spec.max_unavailable.as_ref());
    let leaves = match (available, unavailable) {
        (Some(value), None) => {
            let place = place.key("minAvailable");
            Leaves::Available(values::amount(Some(value), Amount::Count(1), &place, notes))
        }
        (None, Some(value)) => {
            let place = place.key("maxUnavailable");
            Leaves::Unavailable(values::amount(Some(value), Amount::Count(1), &place, notes))
        }
        // The API's default (policy/v1 PodDisruptionBudgetSpec).
        (None, None) => Leaves::Available(Amount::Count(1)),
        (Some(_), Some(_)) => {
            let message = "one of minAvailable and maxUnavailable is wanted";
            notes.problems.push(place.problem(message));
            return None;
        }
    };
    let selector = spec.and_then(|spec| spec.selector.as_ref());
    let selector = selector.and_then(|selector| selector.match_labels.clone());
    Some(Budget {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        selector: selector.unwrap_or_default(),
        leaves,
    })
}

/// What shows only when services, budgets and workloads are there.
pub(super) fn check(plan: &Plan, objects: &[Object], notes: &mut Notes) {
    for object in objects {
        let place = object.place().at("spec");
        match &object.typed {
            Typed::Service(_) => {
                let found = plan.services.iter().find(|service| {
                    (&service.name, &service.namespace) == (&object.name, &object.namespace)
                });
                if let Some(service) = found {
                    check_service(plan, service, &place, notes);
                }
            }
            Typed::Budget(_) => {
                let found = plan.budgets.iter().find(|budget| {
                    (&budget.name, &budget.namespace) == (&object.name, &object.namespace)
                });
                if let Some(budget) = found
                    && selected(plan, &budget.namespace, &budget.selector)
                        .next()
                        .is_none()
                {
                    let message = "no pod has these labels";
                    notes.warnings.push(place.key("selector").problem(message));
                }
            }
            Typed::StatefulSet(set) => {
                let name = set
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.service_name.as_deref());
                let found = plan.services.iter().any(|service| {
                    Some(service.name.as_str()) == name && service.namespace == object.namespace
                });
                if let Some(name) = name.filter(|name| !found && !name.is_empty()) {
                    let message =
                        format!("there is no Service `{name}`, so that its pods have no names");
                    notes
                        .warnings
                        .push(place.key("serviceName").problem(message));
                }
            }
            _ => {}
        }
        let declared = objects
            .iter()
            .any(|other| matches!(other.typed, Typed::Namespace) && other.name == object.namespace);
        let own = [
            "",
            "default",
            "kube-system",
            "kube-public",
            "kube-node-lease",
        ];
        if !declared && !own.contains(&object.namespace.as_str()) {
            let message = format!("no manifest makes the namespace {}", object.namespace);
            let help = "a cluster must have it already; it is taken for there here";
            let place = object.place().at("metadata.namespace");
            notes.warnings.push(place.problem(message).help(help));
        }
    }
}

fn selected<'a>(
    plan: &'a Plan,
    namespace: &'a str,
    selector: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = &'a Arc<Workload>> {
    plan.workloads.iter().filter(move |workload| {
        let labels = &workload.template.labels;
        workload.namespace == namespace
            && selector.iter().all(|(key, value)| {
                labels.get(key) == Some(value) || (key == POD_NAME && is_pod_of(workload, value))
            })
    })
}

/// The label that a StatefulSet's controller gives each pod.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

fn is_pod_of(workload: &Workload, name: &str) -> bool {
    let number = name.strip_prefix(&workload.name);
    let number = number.and_then(|rest| rest.strip_prefix('-')?.parse::<u32>().ok());
    matches!(workload.kind, Kind::StatefulSet(_)) && number.is_some_and(|n| n < workload.replicas)
}

fn check_service(plan: &Plan, service: &Service, place: &Place<'_>, notes: &mut Notes) {
    if matches!(service.address, Address::External(_)) || service.selector.is_empty() {
        return;
    }
    let behind: Vec<&Arc<Workload>> =
        selected(plan, &service.namespace, &service.selector).collect();
    if behind.is_empty() {
        let message = "no pod has these labels: nobody is behind this Service";
        notes.warnings.push(place.key("selector").problem(message));
        return;
    }
    for (index, port) in service.ports.iter().enumerate() {
        let Target::Name(name) = &port.target else {
            continue;
        };
        let place = place.item_of("ports", index).key("targetPort");
        let has = |workload: &&Arc<Workload>| {
            let template = &workload.template;
            let sidecars = template.init.iter().filter(|init| init.sidecar);
            let mut ports = template
                .containers
                .iter()
                .chain(sidecars)
                .flat_map(|c| &c.ports);
            ports.any(|(own, _)| own.as_ref() == Some(name))
        };
        if let Some(without) = behind.iter().find(|workload| !has(workload)) {
            let message = format!("no container of {} has a port `{name}`", without.name);
            notes.problems.push(
                place
                    .problem(message)
                    .help("name it under the container's `ports`"),
            );
        }
    }
}
