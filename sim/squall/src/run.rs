//! Seed after seed: a test becomes a plan, the plan is played, and what came of it is judged.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::compose::Project;
use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Host, Origin};
use squall_record::{Invariant, RunRecord, Verdict};
use squall_scenario::file::{Located, Scenario};
use squall_scenario::{Manifest, Plan, Programs, RunOptions, simulated};

use crate::Test;
use crate::failure::{Failed, Failure, Replay};
use crate::seeds;
use crate::workload::{Slot, Value, Workload};

/// Code that panics if something does not hold.
pub(crate) type Check = Box<dyn Fn(&Run) + Send + Sync>;

/// The length of a story without phases, and how much of it comes after the last fault.
const QUIET: Duration = Duration::from_secs(10);

/// One run that is over.
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// All that is known about it.
    pub record: RunRecord,
    values: Vec<Value>,
}

impl Run {
    /// What a workload returned.
    ///
    /// # Panics
    ///
    /// If it is a workload of another test.
    pub fn saw<T: 'static>(&self, workload: &Workload<T>) -> &T {
        self.values
            .get(workload.index())
            .and_then(|value| value.downcast_ref())
            .expect("a workload of this test")
    }
}

impl Test {
    /// Plays all seeds, and panics with the report of the first that fails.
    #[track_caller]
    pub fn run(&self) {
        if let Err(failure) = self.try_run() {
            panic!("{failure}");
        }
    }

    /// Plays all seeds up to the first that fails; the run of the last one if none does.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when the test contradicts itself or its files; nothing has run then.
    /// [`Failure::Seed`] with all about the first run that failed.
    pub fn try_run(&self) -> Result<Run, Failure> {
        let plan = self.plan()?;
        let env = |key: &str| std::env::var(key).ok();
        let seeds = seeds::chosen(self.seeds.clone(), env).map_err(Diagnostics::from)?;
        let mut last = None;
        for seed in seeds {
            last = Some(self.play(&plan, seed)?);
        }
        last.ok_or_else(|| Failure::Input(Diagnostic::new("no seed was played").into()))
    }

    /// Everything that the test says, checked.
    fn plan(&self) -> Result<Plan, Failure> {
        let doubles = squall_node::programs();
        let own = self.programs.iter();
        let mut loaders: BTreeMap<&str, Loader> = own
            .map(|(name, (_, loader))| (name.as_str(), loader.clone()))
            .collect();
        for (name, program) in doubles {
            loaders.entry(name).or_insert_with(|| program.load.into());
        }
        let names: Vec<&str> = loaders.keys().copied().collect();
        let programs = Programs {
            names: &names,
            load: &|name| loaders.get(name).cloned(),
            knows: &squall_node::knows,
        };
        let (scenario, mut problems) = self.scenario();
        let project = self.project();
        let manifest = match &self.folder {
            Some(folder) => Manifest::In(folder),
            None => Manifest::Read(&project),
        };
        let workloads = self.workloads(&vec![Slot::default(); self.workloads.len()]);
        // A file that could not be read has said so; an empty story would only say it again.
        let is_hopeless = self.folder.is_none() && self.services.is_empty();
        let plan = match is_hopeless {
            true => None,
            false => match Plan::with(scenario, manifest, workloads, &programs) {
                Ok(plan) => Some(plan),
                Err(Diagnostics(more)) => {
                    problems.extend(more);
                    None
                }
            },
        };
        if let Some(plan) = &plan {
            self.check_programs(plan, &mut problems);
        }
        Diagnostics::check(problems)?;
        plan.ok_or_else(|| {
            let origin = Origin::new(
                self.scenario.file.clone(),
                self.scenario.system.manifests.line(),
            );
            let problem = Diagnostic::at(origin, "this test has no service");
            let help = "say what is tested: `test.service(\"api\", run)`";
            Failure::Input(problem.help(help).into())
        })
    }

    /// The scenario with all that was said beside it, and what is wrong with that.
    fn scenario(&self) -> (Scenario, Vec<Diagnostic>) {
        let mut scenario = self.scenario.clone();
        let mut problems = self.problems.clone();
        let mut complain = |origin: &Origin, message: String, help: &str| {
            problems.push(Diagnostic::at(origin.clone(), message).help(help));
        };
        let start = Origin::new(scenario.file.clone(), scenario.system.manifests.line());
        if self.folder.is_some()
            && let Some(service) = self.services.first()
        {
            let message = format!("the service `{}` beside a Compose file", service.name);
            complain(&service.origin, message, "write it into the Compose file");
        }
        for name in self.programs.keys().filter(|_| self.folder.is_some()) {
            let line = 0;
            let value = name.clone();
            let programs = &mut scenario.system.programs;
            programs
                .entry(name.clone())
                .or_insert(Located { line, value });
        }
        if self.folder.is_none() {
            for name in self.programs.keys() {
                let (line, value) = (start.line, name.clone());
                let programs = &mut scenario.system.programs;
                programs.insert(name.clone(), Located { line, value });
            }
        }
        if scenario.phases.is_empty() {
            let ends = self.faults.iter().map(|(_, fault)| fault.end());
            let quiet = ends.max().unwrap_or_default() + QUIET;
            let lasts = self.lasts.unwrap_or(quiet);
            let phase = crate::phase::phase("story", lasts, start.line);
            scenario.phases.push(phase);
        } else if self.lasts.is_some() {
            let help = "leave `lasts` out: the phases say it";
            complain(&start, "this test has phases and a length".to_owned(), help);
        }
        // Without phases that end with something, as long as they say.
        let lengths = scenario.at_most();
        let end: Duration = lengths.iter().sum();
        for (origin, fault) in &self.faults {
            if fault.0.at >= end || fault.end() > end {
                let message = format!("{fault} is beyond the end of the story at {end:?}");
                complain(origin, message, "shorten it, or let the story last longer");
                continue;
            }
            if fault.0.lasts.is_some() && !fault.0.act.can_last() {
                let message = format!("{fault}: this is over at once");
                complain(origin, message, "leave `lasting` out");
                continue;
            }
            let mut step = fault.0.clone();
            for (phase, lasts) in scenario.phases.iter_mut().zip(&lengths) {
                match step.at.checked_sub(*lasts) {
                    Some(later) => step.at = later,
                    None => {
                        phase.steps.push(step);
                        break;
                    }
                }
            }
        }
        (scenario, problems)
    }

    /// The services of the test, as a Compose file would be.
    fn project(&self) -> Project {
        Project {
            name: "test".to_owned(),
            file: self.scenario.file.clone(),
            services: self.services.clone(),
            inactive: Vec::new(),
            networks: BTreeMap::new(),
            without_effect: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The workloads as programs that fill these slots.
    fn workloads(&self, slots: &[Slot]) -> Vec<squall_scenario::Workload> {
        let workloads = self.workloads.iter().zip(slots);
        workloads
            .map(|((name, work), slot)| squall_scenario::Workload {
                name: name.clone(),
                program: slot.program(work),
            })
            .collect()
    }

    /// A program that plays nothing was meant for something else.
    fn check_programs(&self, plan: &Plan, problems: &mut Vec<Diagnostic>) {
        for (name, (origin, _)) in &self.programs {
            let outline = &plan.outline;
            if !outline
                .units
                .iter()
                .any(|unit| unit.programs.contains(name))
            {
                let names = outline.unit_names();
                let message = format!("nothing in the system is played by `{name}`");
                let help = format!(
                    "name a {} ({}), or an image of {}",
                    outline.words.unit,
                    names.join(", "),
                    outline.words.manifests
                );
                problems.push(Diagnostic::at(origin.clone(), message).help(help));
            }
        }
    }

    /// Plays one seed and judges it.
    fn play(&self, plan: &Plan, seed: u64) -> Result<Run, Failure> {
        let slots: Vec<Slot> = self.workloads.iter().map(|_| Slot::default()).collect();
        let plan = Plan {
            workloads: self.workloads(&slots),
            ..plan.clone()
        };
        let options = RunOptions { seed, trace: None };
        let faults = || self.faults.iter().map(|(_, fault)| fault.clone()).collect();
        let failure = |cause| {
            Failure::Seed(Box::new(Failed {
                test: self.scenario.name.clone(),
                about: self.scenario.about.clone(),
                seed,
                cause,
                faults: faults(),
                replay: Replay::here(Some(seed)),
            }))
        };
        let record = simulated::run(&plan, exec, &options, Arc::new(()))
            .map_err(|error| failure(Err(error)))?;
        let values: Option<Vec<Value>> = slots.iter().map(Slot::take).collect();
        let mut run = Run {
            seed,
            record,
            values: values.unwrap_or_default(),
        };
        // Without all values the record says already which workload came to no end.
        if run.values.len() == slots.len() {
            let judged: Vec<Invariant> =
                self.checks.iter().map(|check| judge(check, &run)).collect();
            let summary = &mut run.record.summary;
            summary.invariants.extend(judged);
            summary.verdict = summary.judged();
        }
        match run.record.summary.verdict {
            Verdict::Passed => Ok(run),
            _ => Err(failure(Ok(run.record))),
        }
    }
}

fn judge((name, check): &(String, Check), run: &Run) -> Invariant {
    let result = catch_unwind(AssertUnwindSafe(|| check(run)));
    Invariant {
        figures: std::collections::BTreeMap::new(),
        blames: Vec::new(),
        name: name.clone(),
        holds: Some(result.is_ok()),
        detail: match result {
            Ok(()) => "holds".to_owned(),
            Err(panic) => message(&*panic),
        },
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panicked with something that is no text".to_owned())
}

/// Runs a command beside a process, for healthchecks.
fn exec(
    host: Host,
    env: BTreeMap<String, String>,
    command: Vec<String>,
) -> BoxFuture<'static, i32> {
    Box::pin(async move { squall_node::exec(&host, &env, &command).await })
}
