//! Variants of a scenario: what is merged, what is replaced, where mistakes in them are told; and the
//! names of what fails.
#![allow(clippy::unwrap_used)]

use squall_host::Diagnostics;
use squall_record::Verdict;
use squall_scenario::Scenario;
use squall_scenario::file::write::write;
use squall_scenario::file::{Located, title};

const FILE: &str = "scenario: store-killed
about: The store dies.
system:
  compose: c.yml
  environment: {MODE: local, PORT: '8080'}
seed: 3
fails: [no-failed-request, success in \"all of it\"]
phases:
  - {phase: all of it, for: 10s, expect: {success: 100%}}
invariants: [no-failed-request]
variants:
  kvstore:
    system: {environment: {MODE: kvstore}}
  exact:
    system:
      environment: {MODE: exact}
      up_within: 5s
    fails: []
  brief:
    phases:
      - {phase: short, for: 1s}
    fails: no-failed-request
";

fn read(text: &str, variant: Option<&str>) -> Result<Scenario, Diagnostics> {
    Scenario::read_as("x.yaml".into(), text, variant)
}

fn variant(name: &str) -> Scenario {
    read(FILE, Some(name)).unwrap()
}

fn complaints(text: &str, variant: Option<&str>) -> Vec<String> {
    let Err(Diagnostics(list)) = read(text, variant) else {
        return Vec::new();
    };
    let shown = list.iter().map(|one| {
        let line = one.origin.as_ref().unwrap().line;
        format!(
            "{line}: {} / {}",
            one.message,
            one.help.as_deref().unwrap_or("")
        )
    });
    shown.collect()
}

fn fails(scenario: &Scenario) -> Vec<&str> {
    scenario.fails.iter().map(|name| &*name.value).collect()
}

#[test]
fn a_file_is_played_as_it_stands_unless_a_variant_is_asked_for() {
    let base = read(FILE, None).unwrap();
    assert_eq!(base.name, "store-killed");
    assert_eq!(base.system.environment["MODE"], "local");
    assert_eq!(base.verdict, Verdict::Failed, "`fails` says so");
    assert_eq!(
        fails(&base),
        ["no-failed-request", "success in \"all of it\""]
    );
    let named = FILE.replacen("  exact:\n", "  local: {}\n  exact:\n", 1);
    let mut named = read(&named, Some("local")).unwrap();
    assert_eq!(named.name, "store-killed (local)", "the same by a name");
    named.name.clone_from(&base.name);
    assert_eq!(fails(&named), fails(&base));
    assert_eq!(named.system, base.system);
    let title = title(&"x.yaml".into(), FILE).unwrap();
    assert_eq!(title.variants, ["kvstore", "exact", "brief"]);
}

#[test]
fn maps_are_merged_and_all_else_is_replaced() {
    let kvstore = variant("kvstore");
    assert_eq!(kvstore.name, "store-killed (kvstore)");
    let environment: Vec<(&str, &str)> = kvstore
        .system
        .environment
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(environment, [("MODE", "kvstore"), ("PORT", "8080")]);
    assert_eq!(kvstore.seed, Some(3));
    assert_eq!(kvstore.phases.len(), 1);
    let exact = variant("exact");
    assert_eq!(
        exact.system.up_within.as_secs(),
        5,
        "a key that the file has not"
    );
    assert_eq!((exact.verdict, fails(&exact).len()), (Verdict::Passed, 0));
    let brief = variant("brief");
    let phases: Vec<&str> = brief.phases.iter().map(|one| &*one.name.value).collect();
    assert_eq!(phases, ["short"]);
    assert_eq!(fails(&brief), ["no-failed-request"]);
}

#[test]
fn a_variant_is_written_resolved() {
    let brief = variant("brief");
    let text = write(&brief, "");
    assert!(!text.contains("\nvariants"), "{text}");
    assert!(text.contains("\nfails: [no-failed-request]\n"), "{text}");
    assert!(!text.contains("verdict"), "it follows: {text}");
    let again = read(&text, None).unwrap();
    assert_eq!(
        (again.name.as_str(), fails(&again)),
        ("store-killed (brief)", fails(&brief))
    );
}

#[test]
fn a_mistake_in_a_variant_has_the_line_where_it_was_written() {
    let text = FILE.replace("for: 1s}", "for: 1 parsec}");
    assert_eq!(
        complaints(&text, None),
        [""; 0],
        "the file as it stands is good"
    );
    let told = complaints(&text, Some("brief"));
    assert!(
        told[0].starts_with("21: `1 parsec` is no duration"),
        "{told:?}"
    );
    let text = FILE.replace("up_within: 5s", "up_withn: 5s");
    let told = complaints(&text, Some("exact"));
    assert_eq!(
        told,
        ["17: unknown key `up_withn` in system / did you mean `up_within`?"]
    );
    // What a variant takes over is wrong where the file has it.
    let text = FILE.replace("PORT: '8080'", "PORT: []");
    assert!(complaints(&text, Some("kvstore"))[0].starts_with("5: "));
}

#[test]
fn what_cannot_be_a_variant_is_told_whichever_is_asked_for() {
    for asked in [None, Some("kvstore")] {
        let told = |from: &str, to: &str| complaints(&FILE.replacen(from, to, 1), asked);
        assert_eq!(
            told("  brief:\n", "  brief:\n    scenario: other\n"),
            [
                "20: `scenario` in the variant `brief` / a variant replaces parts of the story, and has its name from its key"
            ]
        );
        assert_eq!(
            told(
                "  exact:\n",
                "  same: {seed: 3, system: {environment: {MODE: local}}}\n  exact:\n"
            ),
            [
                "14: the variant `same` changes nothing / say in it what is different, or nothing: `{}` is the file as it stands"
            ]
        );
        assert_eq!(
            told("  exact:\n", "  a b: {seed: 4}\n  exact:\n"),
            ["14: `a b` is no name of a variant / use letters, digits, `-`, `_` and `.`"]
        );
        assert_eq!(
            told("  exact:\n", "  empty:\n  exact:\n"),
            ["14: a variant is empty, not a map / write `key: value`, each on a line of its own"]
        );
    }
    assert_eq!(
        complaints(FILE, Some("kvstor")),
        ["0: the scenario has no variant `kvstor` / did you mean `kvstore`?"]
    );
    assert_eq!(
        complaints(
            "scenario: x\nsystem: {compose: c}\nphases: [{phase: p, for: 1s}]\n",
            Some("a")
        ),
        ["0: the scenario has no variant `a` / there is none"]
    );
}

#[test]
fn what_fails_does_not_pass() {
    let text = FILE.replace("seed: 3", "verdict: passed");
    assert_eq!(
        complaints(&text, None),
        [
            "7: `fails` beside `verdict: passed` / what fails makes the verdict failed: leave one of them out"
        ]
    );
    assert_eq!(complaints(&text, Some("exact")), [""; 0]);
    let names = read(FILE, None).unwrap().fails;
    let lines: Vec<u32> = names.iter().map(|Located { line, .. }| *line).collect();
    assert_eq!(lines, [7, 7]);
}
