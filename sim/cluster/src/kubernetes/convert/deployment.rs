//! Deployments, and how they replace their pods.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStrategy};

use super::template::Source;
use super::workloads::{ALWAYS, finish, required, seconds_of, selector, source};
use super::{Around, values};
use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects::Object;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{Amount, Kind, Rolling, Rollout, Workload};

/// `maxSurge` and `maxUnavailable` when nothing is said (apps/v1 RollingUpdateDeployment).
const SHARE_DEFAULT: Amount = Amount::Percent(25);
/// `progressDeadlineSeconds` (apps/v1 DeploymentSpec).
const PROGRESS_DEFAULT: i32 = 600;

/// The plan of a Deployment; `None` after a complaint.
pub(super) fn deployment(
    object: &Object,
    it: &Deployment,
    place: &Place<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let place = place.key("spec");
    let spec = required(it.spec.as_ref(), &place, notes)?;
    selector(&spec.selector, &spec.template, &place, notes);
    let rolling = rolling(spec.strategy.as_ref(), &place.key("strategy"), notes);
    let min_ready = seconds_of(spec.min_ready_seconds, 0, &place, "minReadySeconds", notes);
    let progress_deadline = seconds_of(
        spec.progress_deadline_seconds,
        PROGRESS_DEFAULT,
        &place,
        "progressDeadlineSeconds",
        notes,
    );
    if progress_deadline <= min_ready {
        let message = "must be more than minReadySeconds";
        let place = place.key("progressDeadlineSeconds");
        notes.problems.push(place.problem(message));
    }
    let kind = Kind::Deployment(Rollout {
        rolling,
        min_ready,
        progress_deadline,
    });
    let replicas = values::count(spec.replicas, 1, &place.key("replicas"), notes);
    let (meta, pod) = (spec.template.metadata.as_ref(), spec.template.spec.as_ref());
    let source = source(object, pod, &place.key("template"), ALWAYS, notes)?;
    finish(
        object,
        kind,
        replicas,
        Source { meta, ..source },
        around,
        notes,
    )
}

/// How pods are replaced; `None` when all go before the first comes.
fn rolling(
    strategy: Option<&DeploymentStrategy>,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Option<Rolling> {
    match strategy.and_then(|strategy| strategy.type_.as_deref()) {
        None | Some("RollingUpdate") => {
            let place = place.key("rollingUpdate");
            let given = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
            let mut amount =
                |key, value| values::amount(value, SHARE_DEFAULT, &place.key(key), notes);
            let rolling = Rolling {
                max_surge: amount("maxSurge", given.and_then(|it| it.max_surge.as_ref())),
                max_unavailable: amount(
                    "maxUnavailable",
                    given.and_then(|it| it.max_unavailable.as_ref()),
                ),
            };
            let none = |amount| matches!(amount, Amount::Count(0) | Amount::Percent(0));
            if none(rolling.max_surge) && none(rolling.max_unavailable) {
                let message = "maxSurge and maxUnavailable are both 0: no pod could be replaced";
                notes.problems.push(place.problem(message));
            }
            Some(rolling)
        }
        Some("Recreate") => {
            if strategy.is_some_and(|strategy| strategy.rolling_update.is_some()) {
                let message = "is not for the type Recreate";
                notes
                    .problems
                    .push(place.key("rollingUpdate").problem(message));
            }
            None
        }
        Some(other) => {
            let message = format!("`{other}` is neither RollingUpdate nor Recreate");
            notes.problems.push(place.key("type").problem(message));
            None
        }
    }
}
