//! The template of a workload's pods.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::volumes::Volumes;
use super::{Around, container, values};
use crate::images;
use crate::kubernetes::names;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{Restart, Template};

/// Seconds between SIGTERM and SIGKILL when nothing is said (core/v1 PodSpec).
const GRACE_DEFAULT_S: u64 = 30;

/// The label by which `nodeSelector` names one node.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// What a container sees of its pod.
pub(super) struct Seen<'a> {
    pub(super) namespace: &'a str,
    pub(super) workload: &'a str,
    /// The container that the workload is named for: its first.
    pub(super) main: Option<&'a str>,
    pub(super) service_account: &'a str,
    pub(super) service_env: &'a BTreeMap<String, String>,
    /// The one that is looked at; `None` for the volumes of all.
    own: Option<&'a api::Container>,
    spec: &'a api::PodSpec,
}

impl<'a> Seen<'a> {
    fn all(&self) -> impl Iterator<Item = &'a api::Container> {
        let init = self.spec.init_containers.iter().flatten();
        init.chain(&self.spec.containers)
    }

    /// The limits of a container of this name, or of the one that is looked at.
    pub(super) fn limits(&self, name: Option<&str>) -> Option<BTreeMap<&'a str, &'a str>> {
        let container = match name.filter(|name| !name.is_empty()) {
            Some(name) => self.all().find(|container| container.name == name),
            None => self.own,
        }?;
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        let limits = limits.iter();
        Some(limits.map(|(k, v)| (k.as_str(), v.0.as_str())).collect())
    }

    /// Whether a volume is mounted elsewhere in the pod by another part of it.
    pub(super) fn shares(&self, volume: &str, part: &str) -> bool {
        let part_of = |mount: &'a api::VolumeMount| mount.sub_path.as_deref().unwrap_or("");
        self.all()
            .flat_map(|container| container.volume_mounts.iter().flatten())
            .any(|mount| mount.name == volume && part_of(mount).trim_matches('/') != part)
    }
}

/// A pod, or a pod's template.
pub(super) struct Source<'a> {
    pub(super) namespace: &'a str,
    pub(super) workload: &'a str,
    pub(super) meta: Option<&'a ObjectMeta>,
    pub(super) spec: &'a api::PodSpec,
    /// Of the `spec`.
    pub(super) place: Place<'a>,
    /// Names of a StatefulSet's own claims.
    pub(super) claims: &'a [String],
    /// Restart policies that this kind of workload may have.
    pub(super) restarts: &'a [Restart],
}

/// The plan of a template, with this image in the place of the first container's.
pub(super) fn template(
    source: &Source<'_>,
    image: Option<&str>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Template> {
    let Source { spec, place, .. } = source;
    if spec.containers.is_empty() {
        let message = "a container is required";
        notes
            .problems
            .push(place.key("containers").problem(message));
        return None;
    }
    let account = spec.service_account_name.as_deref();
    let account = account.or(spec.service_account.as_deref());
    let links = spec.enable_service_links.unwrap_or(true);
    let none = BTreeMap::new();
    let service_env = around.service_env.get(source.namespace).filter(|_| links);
    let mut seen = Seen {
        namespace: source.namespace,
        workload: source.workload,
        main: spec.containers.first().map(|first| first.name.as_str()),
        service_account: account.filter(|name| !name.is_empty()).unwrap_or("default"),
        service_env: service_env.unwrap_or(&none),
        own: None,
        spec,
    };
    let volumes = Volumes::new(spec, source.claims, place, &seen, around, notes);
    let changed = image.and_then(|image| changed_by(&spec.containers, image));
    let mut names = BTreeSet::new();
    let mut plan = |key: &str, list: &'_ [api::Container], init: bool, notes: &mut Notes| {
        let mut planned = Vec::new();
        for (index, container) in list.iter().enumerate() {
            let place = place.item_of(key, index);
            if !names.insert(container.name.clone()) {
                let message = format!("the container `{}` is there twice", container.name);
                notes.problems.push(place.key("name").problem(message));
            }
            if !init && container.restart_policy.is_some() {
                let message = "only an init container has one";
                notes
                    .problems
                    .push(place.key("restartPolicy").problem(message));
            }
            seen.own = spec
                .init_containers
                .iter()
                .flatten()
                .chain(&spec.containers)
                .find(|other| std::ptr::eq(*other, container));
            let image = image.filter(|_| !init && changed == Some(index));
            planned.extend(container::container(
                container, image, &place, &volumes, &seen, around, notes,
            ));
        }
        planned
    };
    let init = spec.init_containers.as_deref().unwrap_or(&[]);
    let init = plan("initContainers", init, true, notes);
    let containers = plan("containers", &spec.containers, false, notes);
    for (key, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if let Some(name) = name {
            names::label(name, &place.key(key), notes);
        }
    }
    let meta = source.meta.cloned().unwrap_or_default();
    Some(Template {
        labels: meta.labels.unwrap_or_default(),
        annotations: meta.annotations.unwrap_or_default(),
        init,
        containers,
        restart: restart(source, notes),
        grace: values::seconds(
            spec.termination_grace_period_seconds,
            GRACE_DEFAULT_S,
            &place.key("terminationGracePeriodSeconds"),
            notes,
        ),
        hostname: spec.hostname.clone(),
        subdomain: spec.subdomain.clone(),
        node: node(spec),
        claims: volumes.claims,
    })
}

/// The container whose image a `set image` means: the one that has an image of the same name, or
/// the first.
fn changed_by(containers: &[api::Container], image: &str) -> Option<usize> {
    let same = |container: &api::Container| {
        let own = container.image.as_deref().unwrap_or("");
        images::plain(own) == images::plain(image)
    };
    containers.iter().position(same).or(Some(0))
}

fn node(spec: &api::PodSpec) -> Option<String> {
    let selected = spec.node_selector.as_ref();
    let selected = selected.and_then(|labels| labels.get(HOSTNAME_LABEL));
    spec.node_name.as_ref().or(selected).cloned()
}

fn restart(source: &Source<'_>, notes: &mut Notes) -> Restart {
    let written = source.spec.restart_policy.as_deref();
    let policy = match written {
        None | Some("Always") => Restart::Always,
        Some("OnFailure") => Restart::OnFailure,
        Some("Never") => Restart::Never,
        Some(other) => {
            let message = format!("`{other}` is none of Always, OnFailure and Never");
            let place = source.place.key("restartPolicy");
            notes.problems.push(place.problem(message));
            return Restart::Always;
        }
    };
    if !source.restarts.contains(&policy) {
        let shown = written.unwrap_or("Always, when nothing is said,");
        let message = format!("{shown} is not for this kind");
        let place = source.place.key("restartPolicy");
        let help = format!("{:?} is", source.restarts);
        notes.problems.push(place.problem(message).help(help));
    }
    policy
}
