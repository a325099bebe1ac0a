//! The system of a scenario: its manifests found, read and planned.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use squall_cluster::compose::{self, Project};
use squall_cluster::kubernetes;
use squall_cluster::plan::{self, Surroundings};
use squall_host::{Diagnostic, Diagnostics, Origin};

use super::{Manifest, Outline, Programs};
use crate::file::{Act, Kubernetes, Located, Manifests, Scenario};
use crate::world::Kubectl;
use crate::yaml::Problems;

/// A system that can be run.
#[derive(Clone, Debug)]
pub enum Cluster {
    /// By Compose.
    Compose(plan::Plan),
    /// By Kubernetes, on a cluster that is like this.
    Kubernetes(kubernetes::Plan, Kubernetes),
}

impl Cluster {
    /// The system, as a story sees it.
    pub fn outline(&self) -> Outline {
        match self {
            Self::Compose(plan) => Outline::of_compose(plan),
            Self::Kubernetes(plan, of) => {
                let forwarded: Vec<u16> = of.forward.iter().map(|forward| forward.port).collect();
                Outline::of_kubernetes(plan, &of.parameters.nodes, &forwarded)
            }
        }
    }
}

/// The system that a scenario is about; `None` after a complaint.
pub(super) fn plan(
    scenario: &Scenario,
    manifest: Manifest<'_>,
    programs: &Programs<'_>,
    problems: &mut Problems,
) -> Option<Cluster> {
    let mut played_by = BTreeMap::new();
    let mut all_known = true;
    for (what, program) in &scenario.system.programs {
        if (programs.load)(&program.value).is_none() {
            all_known = false;
            problems.add(
                program.line,
                format!("no program `{}`", program.value),
                crate::yaml::suggestion(&program.value, programs.names),
            );
        }
        played_by.insert(what.clone(), program.value.clone());
    }
    let around = Surroundings {
        programs: &played_by,
        load: programs.load,
        knows: programs.knows,
    };
    // What is played by a program that is not there would only say so again.
    let around = all_known.then_some(&around);
    let cluster = match (manifest, &scenario.system.manifests) {
        (Manifest::Read(project), _) => of_compose(project.clone(), scenario, around),
        (Manifest::In(folder), Manifests::Compose(file)) => {
            project(file, scenario, folder).and_then(|p| of_compose(p, scenario, around))
        }
        (Manifest::In(folder), Manifests::Kubernetes(of)) => {
            of_kubernetes(of, scenario, folder, around)
        }
    };
    match cluster {
        Ok(cluster) => cluster,
        Err(diagnostics) => {
            problems.append(diagnostics);
            None
        }
    }
}

/// The plan of a Compose system; none without surroundings, when nothing in its file is wrong.
fn of_compose(
    mut project: Project,
    scenario: &Scenario,
    around: Option<&Surroundings<'_>>,
) -> Result<Option<Cluster>, Diagnostics> {
    let names: Vec<String> = project.services.iter().map(|s| s.name.clone()).collect();
    let system = &scenario.system;
    Diagnostics::check(unknown(scenario, &names, "service", "the Compose file"))?;
    for (name, replicas) in &system.scale {
        let mut services = project.services.iter_mut();
        if let Some(service) = services.find(|service| service.name == *name) {
            service.replicas.value = replicas.value;
        }
    }
    for name in &system.without {
        project
            .services
            .retain(|service| service.name != name.value);
        for service in &mut project.services {
            service
                .depends_on
                .retain(|dependency| dependency.value.service != name.value);
        }
    }
    let plan = around.map(|around| plan::plan(&project, around));
    Ok(plan.transpose()?.map(Cluster::Compose))
}

/// The Compose file that a scenario names, read.
fn project(
    file: &Located<String>,
    scenario: &Scenario,
    folder: &Path,
) -> Result<Project, Diagnostics> {
    let path = folder.join(&file.value);
    if !path.is_file() {
        return Err(missing(scenario, file.line, "Compose file", &path).into());
    }
    let options = compose::Options {
        variables: scenario.system.environment.clone(),
        profiles: scenario.system.profiles.clone(),
        project_name: None,
    };
    compose::read(&path.display().to_string(), &options)
}

/// The plan of a Kubernetes system; none without surroundings, when nothing in its manifests is wrong.
fn of_kubernetes(
    of: &Kubernetes,
    scenario: &Scenario,
    folder: &Path,
    around: Option<&Surroundings<'_>>,
) -> Result<Option<Cluster>, Diagnostics> {
    let mut problems = Vec::new();
    let mut paths = Vec::new();
    for path in &of.paths {
        let full = folder.join(&path.value);
        if !full.exists() {
            problems.push(missing(scenario, path.line, "manifest", &full));
        }
        paths.push(full.display().to_string());
    }
    Diagnostics::check(problems)?;
    let manifests = kubernetes::read(&paths)?;
    let Some(around) = around else {
        return Ok(None);
    };
    let mut plan = kubernetes::plan::plan(&manifests, around, &images(scenario))?;
    let names: Vec<String> = plan.workloads.iter().map(|w| w.name.clone()).collect();
    let system = &scenario.system;
    Diagnostics::check(unknown(scenario, &names, "workload", "the manifests"))?;
    for workload in &mut plan.workloads {
        if let Some(replicas) = system.scale.get(&workload.name) {
            Arc::make_mut(workload).replicas = replicas.value;
        }
    }
    let is_without = |name: &str| system.without.iter().any(|without| without.value == name);
    plan.workloads
        .retain(|workload| !is_without(&workload.name));
    Ok(Some(Cluster::Kubernetes(plan, of.clone())))
}

/// The images that workloads are given in the story.
fn images(scenario: &Scenario) -> Vec<(String, String)> {
    let steps = scenario.phases.iter().flat_map(|phase| &phase.steps);
    let commands = steps.flat_map(|step| match &step.act {
        Act::Kubectl(commands) => commands.as_slice(),
        _ => &[],
    });
    let images = commands.filter_map(|command| match &command.value {
        Kubectl::SetImage(workload, image) => Some((workload.clone(), image.clone())),
        _ => None,
    });
    images.collect()
}

/// What a scenario leaves out or scales in vain.
fn unknown(scenario: &Scenario, names: &[String], unit: &str, manifests: &str) -> Vec<Diagnostic> {
    let system = &scenario.system;
    let scaled = system.scale.iter().map(|(name, of)| (of.line, name));
    let without = system.without.iter().map(|name| (name.line, &name.value));
    let named = scaled.chain(without);
    let unknown = named.filter(|(_, name)| !names.contains(name));
    unknown
        .map(|(line, name)| {
            let origin = Origin::new(scenario.file.clone(), line);
            let message = format!("no {unit} `{name}` in {manifests}");
            Diagnostic::at(origin, message).help(crate::yaml::suggestion(name, names))
        })
        .collect()
}

fn missing(scenario: &Scenario, line: u32, what: &str, path: &Path) -> Diagnostic {
    let origin = Origin::new(scenario.file.clone(), line);
    let message = format!("no {what} `{}`", path.display());
    Diagnostic::at(origin, message).help("the path starts at the folder of the scenario file")
}
