//! Every scenario in `scenarios/`, and each of its variants, ends as its file says (`verdict`, `fails`),
//! at the seed that `squall run` takes and at some others. One test for each lab, so that they run beside each other.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use squall_record::RunRecord;
use squall_scenario::{Plan, file};
use squall_tests::{plan_as, play, root, scenarios};

/// What to say of a run that did not pass.
fn complaint(path: &Path, variant: Option<&str>, seed: u64, record: &RunRecord) -> String {
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
    let shown = path.strip_prefix(root()).unwrap().display();
    let variant = variant.map(|name| format!(" --variant {name}"));
    let variant = variant.unwrap_or_default();
    format!(
        "{:?}\n{}\nreplay: cargo run --release -- run {shown}{variant} --seed {seed}",
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
fn every_scenario_of_splitdim_ends_as_it_says() {
    if root().join("scenarios/splitdim").is_dir() {
        end_as_they_say("splitdim");
    }
}

#[test]
fn every_scenario_of_the_counter_ends_as_it_says() {
    end_as_they_say("ha-counter");
}

#[test]
fn every_lab_is_looked_at() {
    let looked_at = ["postgres-compose", "postgres-k8s", "splitdim", "ha-counter"];
    let folder = |path: &PathBuf| path.parent().unwrap().file_name().unwrap().to_owned();
    for lab in scenarios().iter().map(folder) {
        assert!(looked_at.iter().any(|known| *known == lab), "{lab:?}");
    }
}

/// Plays all scenarios of a lab, and each of their variants.
fn end_as_they_say(lab: &str) {
    let of_lab = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with(lab));
    let scenarios: Vec<PathBuf> = scenarios().into_iter().filter(of_lab).collect();
    assert!(scenarios.len() >= 7, "the labs are found");
    for path in scenarios {
        let text = std::fs::read_to_string(&path).unwrap();
        let title = file::title(&path.display().to_string().into(), &text).unwrap();
        // Of a story that is told several times, one seed each is enough.
        let usual: &[u64] = if title.variants.is_empty() {
            &[1, 2, 3]
        } else {
            &[1]
        };
        let variants = title.variants.iter().map(|name| Some(name.as_str()));
        let mut base = None;
        for variant in [None].into_iter().chain(variants) {
            let plan = plan_as(&path, variant).unwrap_or_else(|problems| panic!("{problems}"));
            // A variant that is the file as it stands, by a name, is the same story.
            let mut story = (*plan.scenario).clone();
            story.name.clear();
            if base.as_ref() == Some(&story) {
                continue;
            }
            base.get_or_insert(story);
            ends_as_it_says(&path, variant, &plan, usual);
        }
    }
}

/// A file with a seed of its own speaks of that seed.
fn ends_as_it_says(path: &Path, variant: Option<&str>, plan: &Plan, usual: &[u64]) {
    let own = plan.scenario.seed.map(|seed| vec![seed]);
    for seed in own.unwrap_or(usual.to_vec()) {
        let record =
            play(plan, seed).unwrap_or_else(|broken| panic!("{}: {broken}", path.display()));
        if let Some(contradiction) = plan.scenario.contradiction(&record.summary) {
            panic!(
                "it says {contradiction}\n{}",
                complaint(path, variant, seed, &record)
            );
        }
    }
}
