//! What is played for a table: each scenario and variant with each seed, in a process of its own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use squall_explore::Breach;
use squall_explore::isolated::{Ended, Limits, Pool, Waited};
use squall_explore::sweep::{Counts, Outcome, Played, Verdict, label};
use squall_record::{Fate, RunRecord, Summary};
use squall_scenario::{Plan, RunOptions, file, simulated};

use super::args::TableArgs;
use super::cells::LONGEST;
use crate::args::Chance;
use crate::exit::{Exit, complain, complain_all, say};
use crate::sweep::interrupt::Interrupt;
use crate::sweep::progress::Progress;
use crate::{explore, programs, scenarios};

/// The client that a table of payments is about.
const CLIENT: &str = "transfers";

/// How often it is shown that time passes.
const TICK: Duration = Duration::from_millis(500);

/// What makes a row.
pub(super) struct Case {
    file: PathBuf,
    /// Without its variant.
    scenario: String,
    variant: Option<String>,
    plan: Plan,
}

/// A row: what came of a case.
pub(super) struct Row {
    pub(super) file: PathBuf,
    pub(super) scenario: String,
    pub(super) variant: Option<String>,
    /// In the order of their seeds.
    pub(super) runs: Vec<Run>,
}

impl Row {
    pub(super) fn label(&self) -> String {
        label(&self.file.display().to_string(), self.variant.as_deref())
    }

    /// What decides one of its runs.
    pub(super) fn chance(&self, seed: u64) -> Chance {
        Chance {
            variant: self.variant.clone(),
            seed: Some(seed),
            explore: false,
        }
    }
}

/// What came of one run.
#[derive(Serialize)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) verdict: Verdict,
    /// The judgements that do not hold.
    pub(super) fails: Vec<String>,
    /// What invariants count, and what is counted of the client's requests.
    pub(super) figures: BTreeMap<String, i64>,
    /// How it differs from what its file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contradiction: Option<String>,
}

/// Reads all scenarios and variants; complains of all that is wrong with them.
pub(super) fn open(args: &TableArgs) -> Result<Vec<Case>, Exit> {
    let mut files = Vec::new();
    for path in &args.paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = scenarios::below(path).map_err(|error| {
            complain(&error);
            Exit::BadInput
        })?;
        files.extend(found.into_iter().map(|(path, _)| path));
    }
    let mut cases = Vec::new();
    let mut is_good = true;
    for path in files {
        // What cannot be read is told when it is opened as it stands.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let title = file::title(&path.display().to_string().into(), &text).ok();
        let (scenario, variants) = title
            .map(|title| (title.name, title.variants))
            .unwrap_or_default();
        let base = (variants.is_empty() || args.base).then_some(None);
        for variant in base.into_iter().chain(variants.into_iter().map(Some)) {
            let plan =
                programs::with(|programs| Plan::open_as(&path, variant.as_deref(), programs));
            match plan {
                Ok(plan) => cases.push(Case {
                    file: path.clone(),
                    scenario: scenario.clone(),
                    variant,
                    plan,
                }),
                Err(diagnostics) => {
                    complain_all(&diagnostics);
                    is_good = false;
                }
            }
        }
    }
    if is_good && cases.is_empty() {
        say("error: no scenario to play\n    help: `squall list DIR` shows what is found");
        is_good = false;
    }
    is_good.then_some(cases).ok_or(Exit::BadInput)
}

/// What a child hands back.
#[derive(Serialize, Deserialize)]
struct Measured {
    played: Played,
    /// Of the client: how many requests, what became of them, and the longest time to an answer or failure.
    counts: BTreeMap<String, i64>,
}

impl Case {
    /// The seeds, and whether the file speaks of each of them.
    fn seeds(&self, args: &TableArgs) -> Vec<(u64, bool)> {
        let own = self.plan.scenario.seed;
        match args.seeds {
            Some(seeds) => {
                let speaks_of = |seed| own.is_none_or(|own| own == seed);
                seeds.range().map(|seed| (seed, speaks_of(seed))).collect()
            }
            None => vec![(own.unwrap_or(explore::SEED), true)],
        }
    }

    fn play(&self, seed: u64, client: Option<&str>) -> Measured {
        let options = RunOptions { seed, trace: None };
        let played = simulated::run(&self.plan, programs::exec, &options, Arc::new(()));
        let counts = match &played {
            Ok(record) => measure(record, self.client(client)),
            Err(_) => BTreeMap::new(),
        };
        Measured {
            played: played.map(|record| record.summary).into(),
            counts,
        }
    }

    /// Whose requests are measured; all clients' if `None`.
    fn client<'a>(&self, asked: Option<&'a str>) -> Option<&'a str> {
        let mut clients = self.plan.scenario.clients.iter();
        let has_usual = clients.any(|client| client.name.value == CLIENT);
        asked.or(has_usual.then_some(CLIENT))
    }
}

fn measure(record: &RunRecord, client: Option<&str>) -> BTreeMap<String, i64> {
    let names = ["requests", "acknowledged", "refused", "unknown"];
    let mut counts: BTreeMap<String, i64> = names.map(|name| (name.to_owned(), 0)).into();
    let of_client = |name: &str| client.is_none_or(|client| client == name);
    let samples = record.samples.iter();
    for sample in samples.filter(|sample| of_client(sample.client.as_str())) {
        let fate = match sample.fate() {
            Fate::Acknowledged => names[1],
            Fate::Refused => names[2],
            Fate::Unknown => names[3],
        };
        for name in [names[0], fate] {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
        let longest = counts.entry(LONGEST.to_owned()).or_default();
        let ms = i64::try_from(sample.latency_us.div_ceil(1000)).unwrap_or(i64::MAX);
        *longest = ms.max(*longest);
    }
    counts
}

/// Plays all cases.
pub(super) fn play(args: &TableArgs, cases: Vec<Case>) -> Result<Vec<Row>, Exit> {
    let work = cases.iter().enumerate().flat_map(|(number, case)| {
        let seeds = case.seeds(args).into_iter();
        seeds.map(move |(seed, is_declared)| (number, seed, is_declared))
    });
    let work: Vec<(usize, u64, bool)> = work.collect();
    let ended = play_each(args, &cases, &work).map_err(|error| {
        complain(&*error);
        Exit::BrokenTestbed
    })?;
    let Some(ended) = ended else {
        say("interrupted");
        return Err(Exit::Unknown);
    };
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for ((number, seed, is_declared), ended) in work.into_iter().zip(ended) {
        runs[number].push(run(&cases[number], seed, is_declared, ended));
    }
    let rows = cases.into_iter().zip(runs).map(|(case, runs)| Row {
        file: case.file,
        scenario: case.scenario,
        variant: case.variant,
        runs,
    });
    Ok(rows.collect())
}

/// What each piece of work came to; `None` if somebody ended it.
fn play_each(
    args: &TableArgs,
    cases: &[Case],
    work: &[(usize, u64, bool)],
) -> Result<Option<Vec<Ended<Measured>>>, Box<dyn std::error::Error>> {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = args.jobs.unwrap_or_else(cores).get();
    let interrupt = Interrupt::new()?;
    let mut progress = Progress::new(work.len() as u64, None);
    let mut counts = Counts::default();
    let mut pool: Pool<usize, Measured> = Pool::new(Limits::default());
    let mut left = work.iter().enumerate();
    let mut ended = BTreeMap::new();
    loop {
        while pool.len() < jobs
            && let Some((number, (case, seed, _))) = left.next()
        {
            let client = args.client.as_deref();
            pool.start(number, || cases[*case].play(*seed, client))?;
        }
        match pool.wait(Some(Instant::now() + TICK), Some(interrupt.as_fd()))? {
            Waited::Ended(number, how) => {
                counts.runs += 1;
                counts.passed += 1; // what did not end well is told at the end
                ended.insert(number, how);
            }
            Waited::Time => {}
            Waited::Interrupt => return Ok(None),
            Waited::Nobody => break,
        }
        progress.show(&counts);
    }
    progress.clear();
    Ok(Some(ended.into_values().collect()))
}

fn run(case: &Case, seed: u64, is_declared: bool, ended: Ended<Measured>) -> Run {
    let mut figures = BTreeMap::new();
    if let Ended::Value(measured) = &ended {
        figures.clone_from(&measured.counts);
        if let Played::Judged(summary) = &measured.played {
            add_figures(&mut figures, summary);
        }
    }
    let ended = ended.map(|measured| measured.played);
    let scenario = &case.plan.scenario;
    let outcome = Outcome::of(&scenario.name, "", seed, &ended, Duration::ZERO);
    let (fails, contradiction) = match &ended {
        Ended::Value(Played::Judged(summary)) => {
            let fails = Breach::all_of(summary);
            let contradiction = is_declared.then(|| scenario.contradiction(summary));
            let contradiction = contradiction.flatten().map(|how| format!("it says {how}"));
            (fails.iter().map(Breach::to_string).collect(), contradiction)
        }
        _ => {
            let why = outcome.findings.first().map(|finding| finding.text.clone());
            (
                Vec::new(),
                Some(format!("the testbed broke: {}", why.unwrap_or_default())),
            )
        }
    };
    Run {
        seed,
        verdict: outcome.verdict,
        fails,
        figures,
        contradiction,
    }
}

/// What the invariants count. Where two count different things under one name, the later one's has the
/// invariant's name before it.
fn add_figures(figures: &mut BTreeMap<String, i64>, summary: &Summary) {
    for invariant in &summary.invariants {
        for (name, value) in &invariant.figures {
            match figures.get(name) {
                Some(other) if other != value => {
                    figures.insert(format!("{}.{name}", invariant.name), *value);
                }
                _ => {
                    figures.insert(name.clone(), *value);
                }
            }
        }
    }
}
