//! Deployments, StatefulSets, Jobs and single pods.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job as ApiJob;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::template::{self, Source};
use super::{Around, deployment, values};
use crate::kubernetes::names;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::objects::{Object, Typed};
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{Job, Kind, Plan, Restart, Stateful, Workload};

/// `backoffLimit` (batch/v1 JobSpec).
const BACKOFF_DEFAULT: u32 = 6;

pub(super) const ALWAYS: &[Restart] = &[Restart::Always];
const ENDS: &[Restart] = &[Restart::OnFailure, Restart::Never];
const ANY: &[Restart] = &[Restart::Always, Restart::OnFailure, Restart::Never];

/// What an object keeps there; `None` when it is no workload, or after a complaint.
pub(super) fn workload(
    object: &Object,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let place = object.place();
    match &object.typed {
        Typed::Deployment(it) => deployment::deployment(object, it, &place, around, notes),
        Typed::StatefulSet(it) => stateful_set(object, it, &place, around, notes),
        Typed::Job(it) => job(object, it, &place, around, notes),
        Typed::Pod(it) => pod(object, it, &place, around, notes),
        _ => None,
    }
}

fn stateful_set(
    object: &Object,
    it: &StatefulSet,
    place: &Place<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let place = place.key("spec");
    let spec = required(it.spec.as_ref(), &place, notes)?;
    selector(&spec.selector, &spec.template, &place, notes);
    let parallel = match spec.pod_management_policy.as_deref() {
        None | Some("OrderedReady") => false,
        Some("Parallel") => true,
        Some(other) => {
            let message = format!("`{other}` is neither OrderedReady nor Parallel");
            let place = place.key("podManagementPolicy");
            notes.problems.push(place.problem(message));
            false
        }
    };
    let update = spec.update_strategy.as_ref();
    let on_delete = match update.and_then(|update| update.type_.as_deref()) {
        None | Some("RollingUpdate") => false,
        Some("OnDelete") => true,
        Some(other) => {
            let message = format!("`{other}` is neither RollingUpdate nor OnDelete");
            let place = place.at("updateStrategy.type");
            notes.problems.push(place.problem(message));
            false
        }
    };
    let rolling = update.and_then(|update| update.rolling_update.as_ref());
    let mut claims = Vec::new();
    for (index, claim) in spec.volume_claim_templates.iter().flatten().enumerate() {
        let name = claim.metadata.name.clone().unwrap_or_default();
        let place = place.item_of("volumeClaimTemplates", index);
        names::label(&name, &place.at("metadata.name"), notes);
        claims.push(name);
    }
    let kind = Kind::StatefulSet(Stateful {
        service: spec.service_name.clone().unwrap_or_default(),
        parallel,
        on_delete,
        partition: values::count(
            rolling.and_then(|rolling| rolling.partition),
            0,
            &place.at("updateStrategy.rollingUpdate.partition"),
            notes,
        ),
        min_ready: seconds_of(spec.min_ready_seconds, 0, &place, "minReadySeconds", notes),
        claims: claims.clone(),
    });
    let replicas = values::count(spec.replicas, 1, &place.key("replicas"), notes);
    let (meta, pod) = (spec.template.metadata.as_ref(), spec.template.spec.as_ref());
    let source = source(object, pod, &place.key("template"), ALWAYS, notes)?;
    let source = Source {
        meta,
        claims: &claims,
        ..source
    };
    finish(object, kind, replicas, source, around, notes)
}

fn job(
    object: &Object,
    it: &ApiJob,
    place: &Place<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let place = place.key("spec");
    let spec = required(it.spec.as_ref(), &place, notes)?;
    // Without completions, one success is enough for all (batch/v1 JobSpec).
    let completions = values::count(spec.completions, 1, &place.key("completions"), notes);
    let parallelism = values::count(spec.parallelism, 1, &place.key("parallelism"), notes);
    let backoff = place.key("backoffLimit");
    let deadline = place.key("activeDeadlineSeconds");
    let kind = Kind::Job(Job {
        completions,
        parallelism,
        backoff_limit: values::count(spec.backoff_limit, BACKOFF_DEFAULT, &backoff, notes),
        active_deadline: spec
            .active_deadline_seconds
            .map(|seconds| values::seconds(Some(seconds), 0, &deadline, notes)),
    });
    let (meta, pod) = (spec.template.metadata.as_ref(), spec.template.spec.as_ref());
    let source = source(object, pod, &place.key("template"), ENDS, notes)?;
    let replicas = parallelism.min(completions);
    finish(
        object,
        kind,
        replicas,
        Source { meta, ..source },
        around,
        notes,
    )
}

fn pod(
    object: &Object,
    it: &Pod,
    place: &Place<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let source = source(object, it.spec.as_ref(), place, ANY, notes)?;
    let meta = Some(&it.metadata);
    finish(
        object,
        Kind::Pod,
        1,
        Source { meta, ..source },
        around,
        notes,
    )
}

/// What is the same for all kinds; `place` is the one above the pod's `spec`.
pub(super) fn source<'a>(
    object: &'a Object,
    spec: Option<&'a PodSpec>,
    place: &Place<'a>,
    restarts: &'a [Restart],
    notes: &mut Notes,
) -> Option<Source<'a>> {
    let place = place.key("spec");
    let spec = required(spec, &place, notes)?;
    Some(Source {
        namespace: &object.namespace,
        workload: &object.name,
        meta: None,
        spec,
        place,
        claims: &[],
        restarts,
    })
}

pub(super) fn finish(
    object: &Object,
    kind: Kind,
    replicas: u32,
    source: Source<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Workload> {
    let template = template::template(&source, None, around, notes)?;
    let mut revisions = BTreeMap::new();
    let full = format!("{}/{}", object.namespace, object.name);
    for (workload, image) in around.images {
        if *workload == object.name || *workload == full {
            let changed = template::template(&source, Some(image), around, notes);
            revisions.extend(changed.map(|template| (image.clone(), Arc::new(template))));
        }
    }
    Some(Workload {
        kind,
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        origin: object.origin(),
        replicas,
        template: Arc::new(template),
        revisions,
    })
}

pub(super) fn required<'a, T>(
    value: Option<&'a T>,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Option<&'a T> {
    if value.is_none() {
        notes.problems.push(place.problem("is required"));
    }
    value
}

pub(super) fn seconds_of(
    value: Option<i32>,
    default: i32,
    place: &Place<'_>,
    key: &str,
    notes: &mut Notes,
) -> Duration {
    let value = value.unwrap_or(default).into();
    values::seconds(Some(value), 0, &place.key(key), notes)
}

/// The selector must choose the template's own pods, or nothing would be kept there.
pub(super) fn selector(
    selector: &LabelSelector,
    template: &PodTemplateSpec,
    place: &Place<'_>,
    notes: &mut Notes,
) {
    let place = place.key("selector");
    let Some(wanted) = selector.match_labels.as_ref().filter(|it| !it.is_empty()) else {
        notes.problems.push(place.problem("is required"));
        return;
    };
    let labels = template
        .metadata
        .as_ref()
        .and_then(|meta| meta.labels.as_ref());
    for (key, value) in wanted {
        let found = labels.and_then(|labels| labels.get(key));
        if found != Some(value) {
            let message = match found {
                Some(found) => format!("`{value}`, and the template's label is `{found}`"),
                None => "the template has no such label".to_owned(),
            };
            let place = place.key("matchLabels").key(key);
            let help = "the selector must match `template.metadata.labels`";
            notes.problems.push(place.problem(message).help(help));
        }
    }
}

/// A name tells a story which workload it means.
pub(super) fn distinct_names(plan: &Plan, notes: &mut Notes) {
    for (index, workload) in plan.workloads.iter().enumerate() {
        let first = plan.workloads[..index]
            .iter()
            .find(|other| (&other.name, &other.namespace) == (&workload.name, &workload.namespace));
        if let Some(first) = first {
            let message = format!(
                "there is a workload `{}` in the namespace {} already, at {}",
                workload.name, workload.namespace, first.origin
            );
            let problem = squall_host::Diagnostic::at(workload.origin.clone(), message);
            notes
                .problems
                .push(problem.help("give each workload a name of its own, of whatever kind it is"));
        }
    }
}
