//! The testbed finds bugs: defects that are planted on purpose, and which seed of which scenario
//! shows each of them (docs, "Planted defects").
//!
//! Needs the feature: `cargo test -p squall-tests --features planted --test planted`. That replays
//! what is known. The slow test searches again and prints the table of the docs:
//! `cargo test --release -p squall-tests --features planted --test planted -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

#[path = "planted/defects.rs"]
mod defects;
#[path = "planted/shrunk.rs"]
mod shrunk;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use defects::{DEFECTS, Defect};
use shrunk::shrunk;
use squall_host::Diagnostics;
use squall_record::{RunRecord, Verdict};
use squall_scenario::{Plan, Scenario};
use squall_tests::{plan_of, play, root};

/// The seeds of the slow search.
const SEEDS: Range<u64> = 0..200;

/// A run that shows a defect.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    seed: u64,
    /// The first invariant that does not hold, or else the first expectation of a phase.
    caught_by: String,
}

fn folder() -> PathBuf {
    root().join("tests/planted")
}

/// A scenario of `tests/planted`.
fn open(scenario: &str) -> Scenario {
    let path = folder().join(format!("{scenario}.yaml"));
    Scenario::open(&path).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A scenario with a defect or, with `""`, without.
fn with(scenario: &Scenario, defect: &str) -> Scenario {
    let mut scenario = scenario.clone();
    let environment = &mut scenario.system.environment;
    environment.insert("PLANTED".to_owned(), defect.to_owned());
    scenario
}

fn planned(scenario: &Scenario) -> Result<Plan, Diagnostics> {
    plan_of(scenario.clone(), &folder())
}

/// A scenario of `tests/planted`, with a defect or, with `""`, without.
fn plan(scenario: &str, defect: &str) -> Plan {
    planned(&with(&open(scenario), defect)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The first of `seeds` that shows a defect.
fn find(plan: &Plan, seeds: Range<u64>) -> Option<Found> {
    seeds.into_iter().find_map(|seed| {
        let record = play(plan, seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let caught_by = breaches(&record).into_iter().next()?;
        Some(Found { seed, caught_by })
    })
}

/// All that does not hold, invariants first.
fn breaches(record: &RunRecord) -> Vec<String> {
    let invariants = record.summary.invariants.iter();
    let broken = invariants.filter(|invariant| invariant.holds == Some(false));
    let mut all: Vec<String> = broken.map(|broken| format!("`{}`", broken.name)).collect();
    for phase in &record.summary.phases {
        let expectations = phase.expectations.iter();
        let broken = expectations.filter(|expectation| expectation.holds == Some(false));
        all.extend(broken.map(|broken| format!("{} in \"{}\"", broken.what, phase.name)));
    }
    all
}

fn replay(scenario: &str, defect: &str, seed: u64) -> String {
    format!(
        "replay: set `PLANTED: {defect}` in `system.environment` of tests/planted/{scenario}.yaml, then \
         cargo run --release --features squall-host/planted -- run tests/planted/{scenario}.yaml --seed {seed}"
    )
}

/// Complains unless the system without defects passes.
fn assert_sound(scenario: &str, seeds: impl IntoIterator<Item = u64>) {
    let plan = plan(scenario, "");
    for seed in seeds {
        let record = play(&plan, seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        assert!(
            record.summary.verdict == Verdict::Passed,
            "a false alarm of {scenario} at seed {seed}: {:?}\n{}",
            breaches(&record),
            replay(scenario, "''", seed)
        );
    }
}

#[test]
fn each_defect_is_caught_where_it_was() {
    let mut differ = Vec::new();
    for defect in DEFECTS {
        let Some((seed, caught_by, _)) = defect.found else {
            continue;
        };
        let found = find(&plan(defect.scenario, defect.name), seed..seed + 1);
        let caught_by = caught_by.to_owned();
        if found != Some(Found { seed, caught_by }) {
            let replay = replay(defect.scenario, defect.name, seed);
            differ.push(format!("{}: {found:?}; {replay}", defect.name));
        }
    }
    let differ = differ.join("\n");
    assert!(
        differ.is_empty(),
        "search again with the slow test:\n{differ}"
    );
}

#[test]
fn the_sound_system_passes_at_the_same_seeds() {
    let mut seeds: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for defect in DEFECTS {
        let seed = defect.found.map_or(0, |(seed, ..)| seed);
        seeds.entry(defect.scenario).or_default().insert(seed);
    }
    for (scenario, seeds) in seeds {
        assert_sound(scenario, seeds);
    }
}

#[test]
fn the_code_has_the_defects_that_are_listed() {
    let mut planted = BTreeSet::new();
    let mut folders = vec![root().join("services")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                planted.extend(names_in(&path));
            }
        }
    }
    let listed: BTreeSet<String> = DEFECTS.iter().map(|d| d.name.to_owned()).collect();
    assert_eq!(planted, listed);
    assert_eq!(listed.len(), DEFECTS.len(), "each is listed once");
}

/// What `planted.has("…")` and `planted().has("…")` ask for, but for the host's own tests.
fn names_in(path: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let pieces: Vec<&str> = text.split(".has(\"").collect();
    let asked = pieces.windows(2).filter(|pair| {
        // Others have a `has`, too.
        pair[0].ends_with("planted") || pair[0].ends_with("planted()")
    });
    asked
        .filter(|_| !path.ends_with("services/host/src/planted.rs"))
        .map(|pair| pair[1].split('"').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_docs_have_the_defects_that_are_listed() {
    let docs = std::fs::read_to_string(Path::new(&root()).join("docs/src/planted.md")).unwrap();
    let rows: Vec<&str> = docs.lines().filter(|l| l.starts_with("| `")).collect();
    let listed: Vec<String> = DEFECTS.iter().map(|d| row(d, known(d))).collect();
    assert_eq!(rows, listed, "print the rows with the slow test");
}

fn known(defect: &Defect) -> Option<(Found, String)> {
    defect.found.map(|(seed, caught_by, size)| {
        let caught_by = caught_by.to_owned();
        (Found { seed, caught_by }, size.to_owned())
    })
}

/// A row of the table in the docs. Seeds are tried from 0 on.
fn row(defect: &Defect, found: Option<(Found, String)>) -> String {
    let (caught_by, seeds, size) = match found {
        Some((found, size)) => (found.caught_by, (found.seed + 1).to_string(), size),
        None => {
            let seeds = format!("not found in {}", SEEDS.end);
            ("nothing".to_owned(), seeds, "-".to_owned())
        }
    };
    let Defect {
        name,
        mistake,
        scenario,
        ..
    } = defect;
    format!("| `{name}` | {mistake} | {scenario} | {caught_by} | {seeds} | {size} |")
}

#[test]
#[ignore = "plays 200 seeds of everything, or of the defects that SQUALL_DEFECT names: release"]
fn search_again() {
    let mut differ = Vec::new();
    let wanted = std::env::var("SQUALL_DEFECT").unwrap_or_default();
    let is_wanted = |defect: &&Defect| defect.name.contains(&wanted);
    for defect in DEFECTS.iter().filter(is_wanted) {
        let scenario = open(defect.scenario);
        let found = find(&plan(defect.scenario, defect.name), SEEDS).map(|found| {
            let size = shrunk(&scenario, defect.name, &found).to_string();
            (found, size)
        });
        if found != known(defect) {
            differ.push(defect.name);
        }
        println!("{}", row(defect, found));
    }
    assert!(differ.is_empty(), "not as listed: {differ:?}");
}

#[test]
#[ignore = "plays 200 seeds of everything: release"]
fn the_sound_system_never_fails() {
    let scenarios: BTreeSet<&str> = DEFECTS.iter().map(|defect| defect.scenario).collect();
    for scenario in scenarios {
        assert_sound(scenario, SEEDS);
    }
}
