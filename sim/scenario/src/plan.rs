//! A scenario and its system, checked against each other before anything starts: files found,
//! programs loaded, every name in a step known.
//!
//! All mistakes in all files are reported at once. Deliberately absent: reading a file a second
//! time. What a run needs is in the [`Plan`].

mod chaos;
mod cluster;
mod names;
mod outline;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall_cluster::compose::Project;
use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Loaded, Origin};

use crate::file::{Act, Located, Scenario};
use crate::timeline::Timeline;
use crate::yaml::Problems;

pub use cluster::Cluster;
pub use outline::{Outline, Unit, Words};

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
    /// The system, ready to run.
    pub cluster: Cluster,
    /// The system, as the story sees it.
    pub outline: Arc<Outline>,
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
    /// Reads the scenario file at `path`, as it stands, and everything that it names.
    pub fn open(path: &Path, programs: &Programs<'_>) -> Result<Self, Diagnostics> {
        Self::open_as(path, None, programs)
    }

    /// Reads the scenario file at `path`, as one of its variants or as it stands, and everything that
    /// it names.
    pub fn open_as(
        path: &Path,
        variant: Option<&str>,
        programs: &Programs<'_>,
    ) -> Result<Self, Diagnostics> {
        let scenario = Scenario::open_as(path, variant)?;
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
        let cluster = cluster::plan(&scenario, manifest, programs, &mut problems);
        let outline = cluster.as_ref().map(Cluster::outline).unwrap_or_default();
        if cluster.is_some() {
            names::check(&scenario, &workloads, &outline, &mut problems);
        }
        let cluster = problems.finish(cluster)?;
        Ok(Self {
            timeline: Arc::new(timeline),
            scenario: Arc::new(scenario),
            cluster,
            outline: Arc::new(outline),
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
