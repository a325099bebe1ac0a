//! Variants and tables as their users meet them: options, replay commands, notes, formats, READMEs.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::{NGINX, err, folder, out, squall};

const SCENARIO: &str = "scenario: web
about: It answers. Always.
system: {compose: docker-compose.yml}
clients:
  - {name: load, get: 'http://localhost:8080/', rate: 10/s, timeout: 5s}
  - {name: transfers, get: 'http://localhost:8080/', rate: 2/s, timeout: 5s}
phases:
  - {phase: all, for: 5s, expect: {success: 100%}}
invariants: [no-failed-request]
variants:
  broken:
    system: {environment: {CONF: broken}}
    fails: [no-failed-request, success in \"all\"]
  killed:
    phases:
      - phase: all
        for: 5s
        explore: {faults: [kill], services: [web]}
        steps: [{at: 2s, kill: web}]
    fails: [no-failed-request]
";

/// A folder with an nginx that answers by itself, and a scenario with two variants.
fn web(name: &str) -> PathBuf {
    let folder = folder(name);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("nginx.conf", NGINX);
    write("broken.conf", &NGINX.replace("return 200", "return 503"));
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.27\n    container_name: web\n    ports: ['8080:80']\n    volumes: ['./${CONF:-nginx}.conf:/etc/nginx/nginx.conf:ro']\n",
    );
    write("web.yaml", SCENARIO);
    folder
}

fn change(folder: &std::path::Path, from: &str, to: &str) {
    let path = folder.join("web.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_variant_is_played_when_it_is_asked_for() {
    let folder = web("variants-run");
    for (args, code, wanted) in [
        (
            vec!["run", "web.yaml"],
            0,
            "replay: squall run web.yaml --seed 1",
        ),
        (
            vec!["run", "web.yaml", "--variant", "broken"],
            1,
            "failed: web (broken) in",
        ),
        (
            vec!["run", "web.yaml", "--variant", "killed"],
            1,
            "replay: squall run web.yaml --variant killed --seed 1",
        ),
    ] {
        let output = squall(&folder, &args);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?} {}",
            err(&output)
        );
        assert!(out(&output).contains(wanted), "{}", out(&output));
        assert_eq!(err(&output), "", "it ends as it says");
    }
    let output = squall(&folder, &["run", "web.yaml", "--variant", "borken"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("did you mean `broken`?"),
        "{}",
        err(&output)
    );
    let output = squall(
        &folder,
        &["run", "web.yaml", "--variant", "broken", "--twice"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).starts_with("twice the same: "),
        "{}",
        err(&output)
    );
}

#[test]
fn a_run_that_fails_in_another_way_is_noted() {
    let folder = web("variants-note");
    change(
        &folder,
        "fails: [no-failed-request, success in \"all\"]",
        "fails: [no-failed-request]",
    );
    let output = squall(&folder, &["run", "web.yaml", "--variant", "broken"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "note: web.yaml says `fails: [no-failed-request]`, and what fails is: no-failed-request, success in \"all\"\n"
    );
    // Another seed is none of the file's business.
    let output = squall(
        &folder,
        &["run", "web.yaml", "--variant", "broken", "--seed", "2"],
    );
    assert_eq!(err(&output), "");
}

#[test]
fn all_variants_are_checked_and_listed() {
    let folder = web("variants-check");
    let output = squall(&folder, &["check", "web.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).contains(", variants: broken, killed"),
        "{}",
        out(&output)
    );
    let output = squall(&folder, &["list", "."]);
    assert_eq!(
        out(&output),
        "web  ./web.yaml  It answers. [broken, killed]\n"
    );
    change(&folder, "kill: web}", "kill: wbe}");
    change(&folder, "success in \"all\"]", "success in \"al\"]");
    let output = squall(&folder, &["check", "web.yaml"]);
    assert_eq!(output.status.code(), Some(254));
    let told = err(&output);
    assert!(
        told.contains("error: web.yaml:19: no service `wbe` in the system"),
        "{told}"
    );
    assert!(
        told.contains("error: web.yaml:13: nothing that is judged is called `success in \"al\"`")
            && told.contains("did you mean `success in \"all\"`?"),
        "{told}"
    );
}

#[test]
fn sweeps_and_what_is_shrunk_and_drawn_are_of_the_variant() {
    let folder = web("variants-sweep");
    let output = squall(
        &folder,
        &[
            "sweep",
            "web.yaml",
            "--variant",
            "broken",
            "--seeds",
            "4..6",
            "--output",
            "o.jsonl",
        ],
    );
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let text = out(&output);
    for wanted in [
        "web.yaml (broken)         2         0         2",
        "replay: squall run web.yaml --variant broken --seed 4",
        "shrink: squall shrink web.yaml --variant broken --seed 4",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    let output = squall(&folder, &["merge", "o.jsonl"]);
    assert!(
        out(&output).contains("run web.yaml --variant broken --seed 4"),
        "{}",
        out(&output)
    );
    let output = squall(
        &folder,
        &["sweep", ".", "--variant", "none", "--seeds", "1"],
    );
    assert_eq!(output.status.code(), Some(254), "no file has it");

    let output = squall(&folder, &["shrink", "web.yaml", "--variant", "killed"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let text = std::fs::read_to_string(folder.join("web-killed-shrunk.yaml")).unwrap();
    assert!(text.contains("\nscenario: web-killed-shrunk\n"), "{text}");
    assert!(text.contains("\nfails: [no-failed-request]\n"), "{text}");
    assert!(!text.contains("\nvariants"), "{text}");
    let output = squall(&folder, &["run", "web-killed-shrunk.yaml"]);
    assert_eq!(
        (output.status.code(), err(&output)),
        (Some(1), String::new())
    );

    let output = squall(
        &folder,
        &["draw", "web.yaml", "--variant", "killed", "--seed", "2"],
    );
    let text = out(&output);
    assert!(
        text.contains("squall run web.yaml --variant killed --explore --seed 2"),
        "{text}"
    );
    assert!(
        !text.contains("\nfails"),
        "drawn faults do what they do: {text}"
    );
}

#[test]
fn a_table_has_a_row_for_each_variant() {
    let folder = web("table");
    let output = squall(
        &folder,
        &[
            "table",
            "web.yaml",
            "--format",
            "csv",
            "--columns",
            "requests",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        out(&output),
        "scenario,variant,requests,verdict,fails,longest_ms\n\
         web,broken,10,failed,\"no-failed-request, success in \"\"all\"\"\",2\n\
         web,killed,10,failed,no-failed-request,2\n",
        "of `transfers`"
    );
    let args = [
        "table", ".", "--base", "--seeds", "0..3", "--client", "load", "--format", "markdown",
    ];
    let output = squall(&folder, &args);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "| scenario | variant | requests | acknowledged | refused | unknown | verdict | fails | longest answer |",
            "|---|---|---:|---:|---:|---:|---|---|---:|",
            "| web | - | 50 | 50 | 0 | 0 | passed | - | 2 ms |",
        ]
    );
    assert_eq!(lines.len(), 5, "{text}");
    let output = squall(
        &folder,
        &["table", "web.yaml", "--format", "json", "--jobs", "1"],
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[1]["variant"], "killed");
    assert_eq!(json[1]["runs"][0]["figures"]["requests"], 10);
    let output = squall(&folder, &["table", "web.yaml", "--columns", "sums"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("no run has a figure `sums`"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_row_that_does_not_end_as_its_file_says_is_told() {
    let folder = web("table-declared");
    change(&folder, "    fails: [no-failed-request]\n", "");
    let output = squall(&folder, &["table", "web.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "not as declared: web.yaml (killed): it says `verdict: passed`, and the verdict is: failed\n  replay: squall run web.yaml --variant killed --seed 1\n"
    );
    // Of a file with a seed, other seeds end as they like.
    change(&folder, "about: ", "seed: 1\nabout: ");
    let output = squall(&folder, &["table", "web.yaml", "--seed", "2"]);
    assert_eq!(
        (output.status.code(), err(&output)),
        (Some(0), String::new())
    );
}

#[test]
fn the_tables_of_a_readme_are_made_by_their_commands() {
    let folder = web("table-update");
    let path = folder.join("README.md");
    let empty = "# Web\n\n<!-- table: squall table web.yaml\n     --columns requests -->\n<!-- /table -->\n\nand\n<!-- table: squall table web.yaml --base -->\nold\n<!-- /table -->\nthe end\n";
    std::fs::write(&path, empty).unwrap();
    let check = ["table", "--update", "README.md", "--check"];
    let output = squall(&folder, &check);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("README.md:3: this table is not what its command makes"),
        "{}",
        err(&output)
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        empty,
        "--check writes nothing"
    );
    let output = squall(&folder, &["table", "--update", "README.md"]);
    assert_eq!(
        (output.status.code(), err(&output)),
        (Some(0), String::new())
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains(
            "| web | killed | 10 | failed | no-failed-request | 2 ms |\n<!-- /table -->\n\nand\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("| web | - | 10 | 10 | 0 | 0 | passed | - | 2 ms |"),
        "{text}"
    );
    assert!(
        text.ends_with("<!-- /table -->\nthe end\n") && !text.contains("old"),
        "{text}"
    );
    assert_eq!(squall(&folder, &check).status.code(), Some(0));
    for (text, wanted) in [
        ("no table", "there is no table in it"),
        (
            "<!-- table: squall table x -->",
            "README.md:1: a table has no end",
        ),
        (
            "<!-- table: squall list --> <!-- /table -->",
            "README.md:1: this makes no table",
        ),
        (
            "\n<!-- table: squall tabel x --> <!-- /table -->",
            "README.md:2: no command",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let output = squall(&folder, &["table", "--update", "README.md"]);
        assert_eq!(output.status.code(), Some(254), "{text}");
        assert!(err(&output).contains(wanted), "{}", err(&output));
    }
}
