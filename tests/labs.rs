//! Every scenario in `scenarios/` ends as its file says, at the seed that `squall run` takes and at
//! some others. One test for each lab, so that they run beside each other.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use squall_record::RunRecord;
use squall_tests::{plan, play, scenarios};

/// What to say of a run that did not pass.
fn complaint(path: &Path, seed: u64, record: &RunRecord) -> String {
    let expectations = record.summary.phases.iter().flat_map(|phase| {
        let broken = phase
            .expectations
            .iter()
            .filter(|expectation| expectation.holds != Some(true));
        broken.map(move |broken| {
            format!("  {} in \"{}\": {}", broken.what, phase.name, broken.actual)
        })
    });
    let invariants = record
        .summary
        .invariants
        .iter()
        .filter(|invariant| invariant.holds != Some(true));
    let lines: Vec<String> = expectations
        .chain(invariants.map(|broken| format!("  {}: {}", broken.name, broken.detail)))
        .collect();
    let shown = path.strip_prefix(squall_tests::root()).unwrap().display();
    format!(
        "{:?}\n{}\nreplay: cargo run --release -- run {shown} --seed {seed}",
        record.summary.verdict,
        lines.join("\n")
    )
}

#[test]
fn every_scenario_on_compose_ends_as_it_says() {
    end_as_they_say("postgres-compose");
}

#[test]
fn every_scenario_on_kubernetes_ends_as_it_says() {
    end_as_they_say("postgres-k8s");
}

#[test]
fn every_lab_is_looked_at() {
    let looked_at = ["postgres-compose", "postgres-k8s"];
    let folder = |path: &PathBuf| path.parent().unwrap().file_name().unwrap().to_owned();
    for lab in scenarios().iter().map(folder) {
        assert!(looked_at.iter().any(|known| *known == lab), "{lab:?}");
    }
}

/// Plays all scenarios of a lab.
fn end_as_they_say(lab: &str) {
    let of_lab = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with(lab));
    let scenarios: Vec<PathBuf> = scenarios().into_iter().filter(of_lab).collect();
    assert!(scenarios.len() >= 7, "the labs are found");
    for path in scenarios {
        let plan = plan(&path).unwrap_or_else(|problems| panic!("{problems}"));
        // A file with a seed of its own speaks of that seed.
        let seeds = match plan.scenario.seed {
            Some(seed) => vec![seed],
            None => vec![1, 2, 3],
        };
        for seed in seeds {
            let record =
                play(&plan, seed).unwrap_or_else(|broken| panic!("{}: {broken}", path.display()));
            assert!(
                record.summary.verdict == plan.scenario.verdict,
                "{}",
                complaint(&path, seed, &record)
            );
        }
    }
}
