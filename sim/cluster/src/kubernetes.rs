//! Kubernetes as a control plane over any kind of machine.
//!
//! Manifests become a [`Plan`] in which everything is known that can be known before anything runs,
//! and the plan becomes pods on machines:
//!
//! | module | idea |
//! |---|---|
//! | [`read`] | files, folders and kustomizations as typed objects, every mistake with its place |
//! | `ingress` | a controller for all Ingresses, as the manifests that stand for it |
//! | [`plan`] | what the manifests ask for, checked: workloads, pods' templates, services |
//! | [`parameters`] | how long the control plane takes for everything that it does |
//! | [`control`] | pods on machines: controllers, kubelets, endpoints, and the verbs of `kubectl` |
//!
//! Deliberately absent: an API server. The objects that a user applies are there, and the verbs of
//! `kubectl` that a story needs; custom resources, admission, roles and quotas are not.

pub mod control;
mod convert;
mod documents;
mod environment;
mod expand;
mod fields;
mod ingress;
mod kustomize;
mod names;
mod notes;
mod objects;
pub mod parameters;
mod place;
pub mod plan;
mod quantity;
mod start;
mod typed;

pub use control::{Error, Kube, Phase, PodStatus};
pub use documents::{Manifests, read, read_text};
pub use fields::supported;
pub use parameters::Parameters;
pub use plan::Plan;
