//! What a test says, as the typed values that files become: a scenario, services, programs.
//!
//! Mistakes are kept with the line of the test that made them and reported all at once, when the
//! test is run. Deliberately absent: running (`run`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use squall_check::Invariant;
use squall_cluster::compose;
use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Facts, Host, Launch, Loaded, Origin, Shutdown};
use squall_record::Verdict;
use squall_scenario::Scenario;
use squall_scenario::file::link::network;
use squall_scenario::file::{self, Cpu, Located, Manifests, System, UP_WITHIN};

use crate::client::{self, Client};
use crate::fault::Fault;
use crate::phase::{self, Phase};
use crate::run::{Check, Run};
use crate::seeds::{self, Seeds};
use crate::service::{self, Service};
use crate::workload::{Work, Workload};

/// A test in the making. Its methods say one thing each and can be chained; [`Test::run`] runs it,
/// any number of times.
pub struct Test {
    /// What is played, but for `faults` and the length of a story without phases.
    pub(crate) scenario: Scenario,
    /// Where the files are that the scenario names; `None` when the system is in `services`.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) services: Vec<compose::Service>,
    pub(crate) programs: BTreeMap<String, (Origin, Loader)>,
    pub(crate) faults: Vec<(Origin, Fault)>,
    pub(crate) lasts: Option<Duration>,
    pub(crate) workloads: Vec<(Located<String>, Arc<dyn Work>)>,
    pub(crate) checks: Vec<(String, Check)>,
    pub(crate) seeds: Range<u64>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl Test {
    /// A test whose system is described here, by [`Test::service`] and [`Test::image`].
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let here = here();
        let compose = Located {
            line: here.line,
            value: String::new(),
        };
        Self::of(Scenario {
            file: here.file,
            name: name.to_owned(),
            about: None,
            system: System {
                manifests: Manifests::Compose(compose),
                environment: BTreeMap::new(),
                profiles: Vec::new(),
                programs: BTreeMap::new(),
                up_within: UP_WITHIN,
                without: Vec::new(),
                scale: BTreeMap::new(),
            },
            seed: None,
            verdict: Verdict::Passed,
            fails: Vec::new(),
            network: network(),
            links: Vec::new(),
            cpu: Cpu::default(),
            clients: Vec::new(),
            roles: Vec::new(),
            phases: Vec::new(),
            invariants: Vec::new(),
        })
    }

    /// A test that plays a scenario file and the Compose file that it names; `path` starts at the
    /// folder of the package, where `cargo test` runs tests. What is said beside comes on top.
    #[track_caller]
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match Scenario::open(path) {
            Ok(scenario) => Self {
                folder: Some(path.parent().unwrap_or(Path::new("")).to_owned()),
                ..Self::of(scenario)
            },
            Err(Diagnostics(problems)) => Self {
                problems,
                ..Self::new(&path.display().to_string())
            },
        }
    }

    fn of(scenario: Scenario) -> Self {
        Self {
            scenario,
            folder: None,
            services: Vec::new(),
            programs: BTreeMap::new(),
            faults: Vec::new(),
            lasts: None,
            workloads: Vec::new(),
            checks: Vec::new(),
            seeds: seeds::DEFAULT,
            problems: Vec::new(),
        }
    }

    /// What a test is about, in a sentence or two for its report.
    pub fn about(&mut self, about: &str) -> &mut Self {
        self.scenario.about = Some(about.to_owned());
        self
    }

    /// A program that plays a service or an image of the Compose file, or that the scenario's
    /// `programs:` names. `load` reads arguments, environment and files, as the service's own
    /// `main` does.
    #[track_caller]
    pub fn program<L>(&mut self, name: &str, load: L) -> &mut Self
    where
        L: Fn(&Launch) -> Result<Loaded, Diagnostics> + Send + Sync + 'static,
    {
        self.programs.insert(name.to_owned(), (here(), load.into()));
        self
    }

    /// A service, in as many containers as [`Service::replicas`] says. Its name resolves to all of
    /// them; each is started with a machine of its own and ends by itself or when told to.
    #[track_caller]
    pub fn service<F, Fut, E>(&mut self, name: &str, run: F) -> Service<'_>
    where
        F: Fn(Host, Shutdown) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let program = Loaded::new(Facts::default(), run);
        self.program(name, move |_| Ok(program.clone()));
        self.add(service::service(name, here()))
    }

    /// A service that one of Squall's own programs plays, by its image: `nginx`, `haproxy`,
    /// `postgres`.
    #[track_caller]
    pub fn image(&mut self, name: &str, image: &str) -> Service<'_> {
        let mut service = service::service(name, here());
        service.image = Some(compose::Located {
            value: image.to_owned(),
            origin: here(),
        });
        self.add(service)
    }

    fn add(&mut self, service: compose::Service) -> Service<'_> {
        if self.services.iter().any(|other| other.name == service.name) {
            let message = format!("a second service `{}`", service.name);
            let problem = Diagnostic::at(service.origin.clone(), message);
            self.problems
                .push(problem.help("give each a name of its own"));
        }
        let index = self.services.len();
        self.services.push(service);
        Service(&mut self.services[index])
    }

    /// Somebody outside who sends `GET`s to an `http://` address, ten in a second unless said
    /// otherwise.
    #[track_caller]
    pub fn client(&mut self, name: &str, url: &str) -> Client<'_> {
        let client = client::client(name, url, &here(), &mut self.problems);
        self.add_client(client)
    }

    /// Clients as typed values, as `strategies::load` makes them.
    pub fn clients(&mut self, clients: impl IntoIterator<Item = file::Client>) -> &mut Self {
        self.scenario.clients.extend(clients);
        self
    }

    fn add_client(&mut self, client: file::Client) -> Client<'_> {
        let index = self.scenario.clients.len();
        self.scenario.clients.push(client);
        Client {
            client: &mut self.scenario.clients[index],
            problems: &mut self.problems,
        }
    }

    /// A client of your own: it starts with the story on a machine outside the system, and ends by
    /// itself, at most ten minutes after the story. What it returns is there for [`Test::check`].
    #[track_caller]
    pub fn workload<T, F, Fut>(&mut self, name: &str, work: F) -> Workload<T>
    where
        T: Send + 'static,
        F: Fn(Host) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let index = self.workloads.len();
        let line = here().line;
        let value = name.to_owned();
        self.workloads
            .push((Located { line, value }, Arc::new(work)));
        Workload::new(index)
    }

    /// Something that breaks.
    #[track_caller]
    pub fn fault(&mut self, fault: impl Into<Fault>) -> &mut Self {
        self.faults.push((here(), fault.into()));
        self
    }

    /// Several things that break, as `strategies::faults` draws them.
    #[track_caller]
    pub fn faults<F: Into<Fault>>(&mut self, faults: impl IntoIterator<Item = F>) -> &mut Self {
        for fault in faults {
            self.fault(fault);
        }
        self
    }

    /// How long the story lasts, for a test without phases. Unless said: until ten seconds after
    /// the last fault.
    pub fn lasts(&mut self, lasts: Duration) -> &mut Self {
        self.lasts = Some(lasts);
        self
    }

    /// The next part of the story, and what is expected of the requests that are sent in it.
    #[track_caller]
    pub fn phase(&mut self, name: &str, lasts: Duration) -> Phase<'_> {
        let phases = &mut self.scenario.phases;
        let index = phases.len();
        phases.push(phase::phase(name, lasts, here().line));
        Phase {
            phase: &mut phases[index],
            file: self.scenario.file.clone(),
            problems: &mut self.problems,
        }
    }

    /// What must hold over the whole run.
    pub fn invariant(&mut self, invariant: Invariant) -> &mut Self {
        self.scenario.invariants.push(invariant);
        self
    }

    /// What must hold over the whole run, as code that panics if it does not: `assert!` and its
    /// kin. It sees the record of the run and what workloads returned.
    pub fn check<F: Fn(&Run) + Send + Sync + 'static>(
        &mut self,
        what: &str,
        check: F,
    ) -> &mut Self {
        self.checks.push((what.to_owned(), Box::new(check)));
        self
    }

    /// The network when nothing is wrong with it.
    pub fn network(&mut self, latency: Duration, jitter: Duration) -> &mut Self {
        self.scenario.network.latency = latency;
        self.scenario.network.jitter = jitter;
        self
    }

    /// Which seeds are played, one after the other until one fails; 0 to 9 unless said otherwise.
    /// In the environment, `SQUALL_SEED=17` and `SQUALL_SEEDS=0..1000` win over it.
    #[track_caller]
    pub fn seeds(&mut self, seeds: impl Seeds) -> &mut Self {
        self.seeds = seeds.range();
        if self.seeds.is_empty() {
            let problem = Diagnostic::at(here(), "no seed in this range");
            self.problems
                .push(problem.help("write for example `0..50`"));
        }
        self
    }
}

/// The line of the test that says something.
#[track_caller]
pub(crate) fn here() -> Origin {
    let place = Location::caller();
    Origin::new(place.file(), place.line())
}
