//! A scenario and its system, checked against each other before anything starts: files found,
//! programs loaded, every name in a step known.
//!
//! All mistakes in all files are reported at once. Deliberately absent: reading a file a second
//! time. What a run needs is in the [`Plan`].

mod chaos;
mod names;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall_cluster::compose::{self, Project};
use squall_cluster::plan::{Plan as Cluster, Surroundings};
use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Loaded, Origin};

use crate::file::{Act, Located, Manifests, Scenario};
use crate::timeline::Timeline;
use crate::yaml::Problems;

/// The programs that can be run, and the commands that can be run beside them.
#[derive(Clone, Copy)]
pub struct Programs<'a> {
    /// The names of all programs, for messages.
    pub names: &'a [&'a str],
    /// The reader of a program's input, by the program's name.
    pub load: &'a dyn Fn(&str) -> Option<Loader>,
    /// Whether a command can be run beside a process, as healthchecks are.
    pub knows: &'a dyn Fn(&[String]) -> bool,
}

/// A scenario that can be played.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is played.
    pub scenario: Arc<Scenario>,
    /// The system.
    pub cluster: Cluster,
    /// When everything happens.
    pub timeline: Arc<Timeline>,
    /// Clients that are programs of the caller's own.
    pub workloads: Vec<Workload>,
    /// What in fault documents is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// A client that is a program: it runs on a machine outside the system from the start of the story
/// until it ends by itself, and what it sees is its caller's business.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name, for steps that break its links, and for reports.
    pub name: Located<String>,
    /// What it does.
    pub program: Loaded,
}

/// Where the system of a scenario is described.
#[derive(Clone, Copy, Debug)]
pub enum Manifest<'a> {
    /// In the Compose file that the scenario names, looked for from this folder.
    In(&'a Path),
    /// Here.
    Read(&'a Project),
}

/// The most requests that a run may send; their record is kept in memory, at about 100 bytes each.
const REQUESTS_MAX: u128 = 5_000_000;

impl Plan {
    /// Reads the scenario file at `path` and everything that it names.
    pub fn open(path: &Path, programs: &Programs<'_>) -> Result<Self, Diagnostics> {
        let scenario = Scenario::open(path)?;
        Self::of(scenario, path.parent().unwrap_or(Path::new("")), programs)
    }

    /// Checks a scenario; the files that it names are looked for from `folder`.
    pub fn of(
        scenario: Scenario,
        folder: &Path,
        programs: &Programs<'_>,
    ) -> Result<Self, Diagnostics> {
        Self::with(scenario, Manifest::In(folder), Vec::new(), programs)
    }

    /// Checks a scenario with a system and workloads that need not come from files.
    pub fn with(
        mut scenario: Scenario,
        manifest: Manifest<'_>,
        workloads: Vec<Workload>,
        programs: &Programs<'_>,
    ) -> Result<Self, Diagnostics> {
        let mut problems = Problems::new(scenario.file.clone());
        let folder = match manifest {
            Manifest::In(folder) => folder,
            Manifest::Read(_) => Path::new(""),
        };
        let warnings = documents(&mut scenario, folder, &mut problems);
        let timeline = Timeline::of(&scenario);
        check_size(&scenario, &timeline, &mut problems);
        let cluster = cluster(&scenario, manifest, programs, &mut problems);
        if let Some(cluster) = &cluster {
            names::check(&scenario, &workloads, cluster, &mut problems);
        }
        let cluster = problems.finish(cluster)?;
        Ok(Self {
            timeline: Arc::new(timeline),
            scenario: Arc::new(scenario),
            cluster,
            workloads,
            warnings,
        })
    }
}

/// Reads the documents of all steps, and sees that none comes to more than a run can hold. What in
/// them is probably not meant.
fn documents(scenario: &mut Scenario, folder: &Path, problems: &mut Problems) -> Vec<Diagnostic> {
    let lengths = scenario.at_most();
    let end = lengths.iter().sum();
    let mut warnings = Vec::new();
    let mut start = Duration::ZERO;
    for (phase, lasts) in scenario.phases.iter_mut().zip(lengths) {
        for step in &mut phase.steps {
            let Act::Chaos(applied) = &mut step.act else {
                continue;
            };
            applied.load(folder, problems);
            let at = start + step.at;
            let deleted = step.lasts.map(|lasts| at + lasts);
            for document in applied.documents.iter().flatten() {
                warnings.extend(document.warnings.iter().cloned());
                if let Err(many) = squall_chaos::expand(document, at, deleted, end) {
                    let message = format!(
                        "`{}` comes to more than {} faults in this story",
                        many.name, many.max
                    );
                    let help = "make its schedule rarer, or the phases shorter";
                    let origin = Origin::new(document.file.clone(), document.line);
                    problems.push(Diagnostic::at(origin, message).help(help));
                }
            }
        }
        start += lasts;
    }
    warnings
}

fn check_size(scenario: &Scenario, timeline: &Timeline, problems: &mut Problems) {
    let requests = timeline.requests_max(scenario);
    if requests > REQUESTS_MAX {
        problems.add(
            scenario
                .clients
                .first()
                .map_or(0, |client| client.name.line),
            format!(
                "the clients send up to {requests} requests; a run records at most {REQUESTS_MAX}"
            ),
            "lower a rate, or shorten a phase",
        );
    }
}

fn cluster(
    scenario: &Scenario,
    manifest: Manifest<'_>,
    programs: &Programs<'_>,
    problems: &mut Problems,
) -> Option<Cluster> {
    let system = &scenario.system;
    let mut played_by = BTreeMap::new();
    let mut all_known = true;
    for (what, program) in &system.programs {
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
    let plan = |mut project: Project| {
        Diagnostics::check(resize(&mut project, scenario))?;
        // Each service that is played by a program that is not there would only say so again.
        let plan = || squall_cluster::plan::plan(&project, &around);
        all_known.then(plan).transpose()
    };
    let cluster = match manifest {
        Manifest::In(folder) => project(scenario, folder).and_then(plan),
        Manifest::Read(project) => plan(project.clone()),
    };
    match cluster {
        Ok(cluster) => cluster,
        Err(diagnostics) => {
            problems.append(diagnostics);
            None
        }
    }
}

/// The Compose file that a scenario names, read.
fn project(scenario: &Scenario, folder: &Path) -> Result<Project, Diagnostics> {
    let system = &scenario.system;
    let origin = Origin::new(scenario.file.clone(), system.manifests.line());
    let file = match &system.manifests {
        Manifests::Compose(file) => file,
        Manifests::Kubernetes(_) => {
            let problem = Diagnostic::at(origin, "manifests of Kubernetes are not played yet");
            return Err(problem
                .help("name a Compose file: `compose: docker-compose.yml`")
                .into());
        }
    };
    let path = folder.join(&file.value);
    if !path.is_file() {
        let message = format!("no Compose file `{}`", path.display());
        let help = "the path starts at the folder of the scenario file";
        return Err(Diagnostic::at(origin, message).help(help).into());
    }
    let options = compose::Options {
        variables: system.environment.clone(),
        profiles: system.profiles.clone(),
        project_name: None,
    };
    compose::read(&path.display().to_string(), &options)
}

/// Takes services out of a project and scales others, as the scenario says; what it says in vain.
fn resize(project: &mut Project, scenario: &Scenario) -> Vec<Diagnostic> {
    let names: Vec<String> = project.services.iter().map(|s| s.name.clone()).collect();
    let unknown = |line: u32, name: &str| {
        let origin = Origin::new(scenario.file.clone(), line);
        let message = format!("no service `{name}` in the Compose file");
        Diagnostic::at(origin, message).help(crate::yaml::suggestion(name, &names))
    };
    let mut problems = Vec::new();
    for (name, replicas) in &scenario.system.scale {
        match project.services.iter_mut().find(|s| s.name == *name) {
            Some(service) => service.replicas.value = replicas.value,
            None => problems.push(unknown(replicas.line, name)),
        }
    }
    for name in &scenario.system.without {
        if !names.contains(&name.value) {
            problems.push(unknown(name.line, &name.value));
        }
        project
            .services
            .retain(|service| service.name != name.value);
        for service in &mut project.services {
            service
                .depends_on
                .retain(|dependency| dependency.value.service != name.value);
        }
    }
    problems
}
