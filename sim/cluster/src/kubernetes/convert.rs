//! From typed objects to the plan: names looked up, programs loaded, addresses given.

mod addresses;
mod container;
mod deployment;
mod env;
mod loading;
mod probes;
mod program;
mod selection;
mod services;
mod sources;
mod template;
mod values;
mod volumes;
mod workloads;

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_host::Diagnostics;

use super::documents::Manifests;
use super::environment;
use super::notes::Notes;
use super::objects::{Object, Typed};
use super::plan::{Plan, Service};
use crate::plan::{Surroundings, distinct};
use sources::Sources;

/// What all conversions see.
pub(super) struct Around<'a> {
    surroundings: &'a Surroundings<'a>,
    sources: Sources,
    /// Claims that are there, by namespace and name, and whether several pods may have one.
    claims: BTreeMap<(&'a str, &'a str), bool>,
    /// Variables that tell of services, by namespace.
    service_env: BTreeMap<String, BTreeMap<String, String>>,
    /// Images that a story will ask for, by workload.
    images: &'a [(String, String)],
}

/// Makes the plan. `images` are the workloads and images of every `kubectl set image` to come.
///
/// # Errors
/// Every mistake that shows before anything runs, with file and line: what the API server refuses,
/// what is looked up and not there, what no program here can play, and what a program finds wrong
/// in its own configuration.
pub fn plan(
    manifests: &Manifests,
    around: &Surroundings<'_>,
    images: &[(String, String)],
) -> Result<Plan, Diagnostics> {
    let mut notes = Notes {
        problems: Vec::new(),
        warnings: manifests.warnings.clone(),
        without_effect: manifests.without_effect.clone(),
    };
    let objects = &manifests.objects;
    let services = services::all(objects, &mut notes);
    let around = Around {
        surroundings: around,
        sources: Sources::new(objects, &mut notes),
        claims: objects
            .iter()
            .filter_map(|object| {
                let Typed::Claim(claim) = &object.typed else {
                    return None;
                };
                let modes = claim
                    .spec
                    .iter()
                    .flat_map(|spec| spec.access_modes.iter().flatten());
                let many = modes.into_iter().any(|mode| mode == "ReadWriteMany");
                Some(((object.namespace.as_str(), object.name.as_str()), many))
            })
            .collect(),
        service_env: service_env(objects, &services),
        images,
    };
    let mut plan = Plan::default();
    for object in objects {
        plan.workloads
            .extend(workloads::workload(object, &around, &mut notes).map(Arc::new));
        plan.budgets.extend(selection::budget(object, &mut notes));
    }
    plan.services = services;
    workloads::distinct_names(&plan, &mut notes);
    selection::check(&plan, objects, &mut notes);
    // What a program makes of its input means nothing while the input is wrong.
    Diagnostics::check(distinct(std::mem::take(&mut notes.problems)))?;
    loading::check(&plan, &mut notes);
    Diagnostics::check(distinct(notes.problems))?;
    plan.warnings = distinct(notes.warnings);
    plan.without_effect = distinct(notes.without_effect);
    Ok(plan)
}

fn service_env(
    objects: &[Object],
    services: &[Arc<Service>],
) -> BTreeMap<String, BTreeMap<String, String>> {
    let namespaces = objects.iter().map(|object| object.namespace.clone());
    namespaces
        .map(|namespace| {
            let variables = environment::of_services(services, &namespace);
            (namespace, variables)
        })
        .collect()
}
