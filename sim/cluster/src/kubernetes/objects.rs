//! Objects by their kinds, with their places.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use squall_host::Origin;

use super::notes::Notes;
use super::place::Place;
use super::typed;
use crate::yaml::Node;

/// An object with its place.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) typed: Typed,
    /// `default` where it names none; empty where the kind has none.
    pub(super) namespace: String,
    pub(super) name: String,
    /// Files that a generated object's keys were read from.
    pub(super) files: BTreeMap<String, String>,
    /// `Deployment backend`
    pub(super) subject: String,
    pub(super) file: Arc<str>,
    pub(super) node: Node,
}

/// An object by its kind.
#[derive(Debug)]
pub(super) enum Typed {
    Namespace,
    Deployment(Box<Deployment>),
    StatefulSet(Box<StatefulSet>),
    Pod(Box<Pod>),
    Job(Box<Job>),
    Service(Box<Service>),
    ConfigMap(Box<ConfigMap>),
    Secret(Box<Secret>),
    Claim(Box<PersistentVolumeClaim>),
    Ingress(Box<Ingress>),
    Budget(Box<PodDisruptionBudget>),
    WithoutEffect,
}

impl Object {
    /// The object as a whole.
    pub(super) fn place(&self) -> Place<'_> {
        Place::root(&self.file, &self.subject, &self.node)
    }

    /// The line on which it begins.
    pub(super) fn origin(&self) -> Origin {
        Origin::new(self.file.clone(), self.node.line)
    }
}

/// Reads a tree as the type of a kind; `None` after a complaint that leaves no value.
pub(super) fn typed(
    kind: &str,
    node: &Node,
    file: &Arc<str>,
    subject: &str,
    notes: &mut Notes,
) -> Option<(Typed, ObjectMeta)> {
    macro_rules! read {
        ($kind:ty, $typed:expr) => {{
            let mut object: $kind = typed::read(node, file, subject, &mut notes.problems)?;
            let meta = std::mem::take(&mut object.metadata);
            (($typed)(object), meta)
        }};
    }
    Some(match kind {
        "Namespace" => read!(Namespace, |_| Typed::Namespace),
        "Deployment" => read!(Deployment, |it| Typed::Deployment(Box::new(it))),
        "StatefulSet" => read!(StatefulSet, |it| Typed::StatefulSet(Box::new(it))),
        "Job" => read!(Job, |it| Typed::Job(Box::new(it))),
        "Service" => read!(Service, |it| Typed::Service(Box::new(it))),
        "ConfigMap" => read!(ConfigMap, |it| Typed::ConfigMap(Box::new(it))),
        "Secret" => read!(Secret, |it| Typed::Secret(Box::new(it))),
        "PersistentVolumeClaim" => read!(PersistentVolumeClaim, |it| Typed::Claim(Box::new(it))),
        "Ingress" => read!(Ingress, |it| Typed::Ingress(Box::new(it))),
        "PodDisruptionBudget" => read!(PodDisruptionBudget, |it| Typed::Budget(Box::new(it))),
        "ServiceAccount" => read!(ServiceAccount, |_| Typed::WithoutEffect),
        "Role" => read!(Role, |_| Typed::WithoutEffect),
        "RoleBinding" => read!(RoleBinding, |_| Typed::WithoutEffect),
        _ => {
            // A pod's labels and annotations are its own, not a template's: they stay.
            let pod: Pod = typed::read(node, file, subject, &mut notes.problems)?;
            let meta = pod.metadata.clone();
            (Typed::Pod(Box::new(pod)), meta)
        }
    })
}
