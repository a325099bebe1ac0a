//! The command as its users meet it: exit status, standard output, standard error.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::{err, folder, out, squall};

const SCENARIO: &str = "# a comment
scenario: two
about: >
  Something happens. Then more of it.
system: {compose: docker-compose.yml}
phases: [{phase: p, for: 1s}]
";

#[test]
fn help_is_an_answer_with_examples() {
    let output = squall(&folder("help"), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = out(&output);
    assert!(
        text.contains("Examples:") && text.contains("squall check docker-compose.yml"),
        "{text}"
    );
    assert!(text.contains("254 bad arguments"), "{text}");
    for command in ["run", "list", "check"] {
        let output = squall(&folder("help"), &[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
fn bad_arguments_end_with_254() {
    let folder = folder("arguments");
    let cases: [(&[&str], &str); 5] = [
        (
            &["run", "x.yaml", "--seed", "seven"],
            "invalid value 'seven' for '--seed <N>'",
        ),
        (&["run"], "<FILE>"),
        (
            &["run", "x.yaml", "--format", "xml"],
            "possible values: text, json",
        ),
        (&["rum", "x.yaml"], "unrecognized subcommand 'rum'"),
        (&[], "Usage:"),
    ];
    for (args, wanted) in cases {
        let output = squall(&folder, args);
        assert_eq!(output.status.code(), Some(254), "{args:?}");
        assert!(err(&output).contains(wanted), "{args:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{args:?}");
    }
}

#[test]
fn bad_input_is_shown_with_its_line_and_nothing_starts() {
    let folder = folder("input");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "typo.yaml",
        "scenario: x\nsystem: {compose: c.yml}\nphazes: []\n",
    );
    write("missing.yaml", SCENARIO);
    write(
        "odd.yaml",
        "scenario: x\nsystem:\n  compose: c.yml\n  programs:\n    a: no-such-program\nphases: [{phase: p, for: 1s}]\n",
    );
    let cases: [(&str, &[&str]); 4] = [
        (
            "absent.yaml",
            &[
                "error: absent.yaml: cannot read the scenario",
                "help: `squall list`",
            ],
        ),
        (
            "typo.yaml",
            &[
                "error: typo.yaml:3: unknown key `phazes` in the scenario",
                "help: did you mean `phases`?",
            ],
        ),
        (
            "missing.yaml",
            &["error: missing.yaml:5: no Compose file `docker-compose.yml`"],
        ),
        (
            "odd.yaml",
            &["error: odd.yaml:5: no program `no-such-program`"],
        ),
    ];
    for (file, wanted) in cases {
        for args in [
            &["run", file][..],
            &["run", file, "--twice"],
            &["check", file],
        ] {
            let output = squall(&folder, args);
            if file == "absent.yaml" && args[0] == "check" {
                assert_eq!(output.status.code(), Some(254));
                continue;
            }
            assert_eq!(output.status.code(), Some(254), "{args:?}");
            assert_eq!(out(&output), "", "{args:?}");
            for text in wanted {
                assert!(err(&output).contains(text), "{args:?}: {}", err(&output));
            }
            assert!(!err(&output).contains('\u{1b}'), "no colours in a pipe");
        }
    }
}

#[test]
fn scenarios_are_listed_and_nothing_else() {
    let folder = folder("list");
    std::fs::create_dir_all(folder.join("scenarios/b/.hidden")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(folder.join("scenarios").join(name), text).unwrap();
    write("b/two.yaml", SCENARIO);
    write("b/docker-compose.yml", "services: {}\n");
    write("b/.hidden/x.yaml", SCENARIO);
    write("a.yml", "scenario: one\n");
    write("notes.md", "scenario: none\n");
    let output = squall(&folder, &["list"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        out(&output),
        "one  scenarios/a.yml\ntwo  scenarios/b/two.yaml  Something happens.\n"
    );
    let output = squall(&folder, &["list", "nowhere"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("error: nowhere: cannot be listed"),
        "{}",
        err(&output)
    );
}

#[test]
fn files_are_checked_by_what_they_are() {
    let folder = folder("check");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("unknown.txt", "x");
    write("docker-compose.yml", "services:\n  a:\n    imagee: nginx\n");
    let output = squall(&folder, &["check", "unknown.txt", "docker-compose.yml"]);
    assert_eq!(output.status.code(), Some(254));
    let text = err(&output);
    assert!(
        text.contains("error: unknown.txt: not known what this is"),
        "{text}"
    );
    assert!(text.contains("docker-compose.yml:3"), "{text}");
    assert!(text.contains("imagee"), "{text}");
}

/// A folder with an nginx that answers by itself, and a scenario that asks it.
fn web(name: &str, expect: &str) -> PathBuf {
    let folder = folder(name);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "nginx.conf",
        "worker_processes 4;\nevents {}\nhttp {\n  server {\n    listen 80;\n    location / { return 200 \"hello\"; }\n  }\n}\n",
    );
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.27\n    container_name: web\n    ports: ['8080:80']\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro']\n",
    );
    write(
        "scenario.yaml",
        &format!(
            "scenario: web\nsystem: {{compose: docker-compose.yml}}\nclients:\n  - {{name: load, get: 'http://localhost:8080/', rate: 10/s, timeout: 5s}}\nphases:\n  - {{phase: all, for: 5s, expect: {{{expect}}}}}\n"
        ),
    );
    folder
}

#[test]
fn a_run_ends_with_its_verdict() {
    for (name, expect, code, word) in [
        ("passed", "success: 100%", 0, "passed"),
        ("failed", "success: 0%", 1, "failed"),
        ("unknown", "backends: {a: 100%}", 2, "unknown"),
    ] {
        let output = squall(&web(name, expect), &["run", "scenario.yaml"]);
        let text = out(&output);
        assert_eq!(output.status.code(), Some(code), "{text}{}", err(&output));
        assert!(text.contains("======= all ========"), "{text}");
        assert!(text.contains(&format!("\n{word}: web in 5.")), "{text}");
        assert!(
            text.contains("replay: squall run scenario.yaml --seed 1"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "no colours in a pipe");
        assert_eq!(err(&output), "");
    }
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let folder = web("json", "success: 100%");
    let output = squall(
        &folder,
        &["run", "scenario.yaml", "--seed", "7", "--format", "json"],
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["scenario"], &json["seed"]),
        (&"web".into(), &7.into())
    );
    assert_eq!(
        (&json["verdict"], &json["phases"][0]["requests"]),
        (&"passed".into(), &50.into())
    );
    assert_eq!(json["phases"][0]["by_status"]["200"], 50);
}

#[test]
fn a_run_is_the_same_in_a_second_process() {
    let folder = web("twice", "success: 100%");
    let output = squall(
        &folder,
        &["run", "scenario.yaml", "--twice", "--trace", "first.trace"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        err(&output).starts_with("twice the same: "),
        "{}",
        err(&output)
    );
    assert!(folder.join("first.trace").metadata().unwrap().len() > 0);
}

#[test]
fn a_trace_that_cannot_be_written_is_bad_input() {
    let folder = web("trace", "success: 100%");
    let output = squall(
        &folder,
        &["run", "scenario.yaml", "--trace", "no/such/folder"],
    );
    assert_eq!(output.status.code(), Some(254));
    assert_eq!(out(&output), "");
    assert!(
        err(&output).contains("error: no/such/folder: cannot write the trace: No such file"),
        "{}",
        err(&output)
    );
}

#[test]
fn good_files_are_described_with_what_has_no_effect() {
    let folder = web("good", "success: 100%");
    let output = squall(
        &folder,
        &["check", "scenario.yaml", "docker-compose.yml", "nginx.conf"],
    );
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    assert!(
        text.contains("scenario.yaml: the scenario web: 1 containers, 1 phases, 5s"),
        "{text}"
    );
    assert!(
        text.contains("docker-compose.yml: a Compose file: 1 containers"),
        "{text}"
    );
    assert!(
        text.contains("nginx.conf:1: `worker_processes` has no effect here"),
        "{text}"
    );
}

#[test]
fn a_mistake_in_a_mounted_file_has_its_line_there() {
    let folder = web("mounted", "success: 100%");
    let path = folder.join("nginx.conf");
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("listen", "lisen");
    std::fs::write(path, text).unwrap();
    let output = squall(&folder, &["run", "scenario.yaml"]);
    assert_eq!(
        (output.status.code(), out(&output)),
        (Some(254), String::new())
    );
    assert!(err(&output).contains("nginx.conf:5: "), "{}", err(&output));
}

#[test]
fn a_configuration_is_checked_on_its_own() {
    let folder = web("alone", "success: 100%");
    let path = folder.join("nginx.conf");
    let output = squall(&folder, &["check", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).starts_with("nginx.conf: a configuration of nginx"),
        "{}",
        out(&output)
    );
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("location", "locatoin");
    std::fs::write(path, text).unwrap();
    let output = squall(&folder, &["check", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("error: nginx.conf:6: "),
        "{}",
        err(&output)
    );
}

#[test]
fn fault_documents_are_checked_on_their_own() {
    let folder = folder("faults");
    let good = "apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: kill}\nspec:\n  action: pod-kill\n  mode: all\n  selector: {labelSelectors: {app: a}}\n";
    let path = folder.join("kill.yaml");
    std::fs::write(&path, good).unwrap();
    let output = squall(&folder, &["check", "kill.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "kill.yaml: faults: PodChaos kill\n");
    std::fs::write(&path, good.replace("{labelSelectors: {app: a}}", "{}")).unwrap();
    let output = squall(&folder, &["check", "kill.yaml"]);
    assert_eq!(output.status.code(), Some(254));
    let text = err(&output);
    assert!(
        text.contains("error: kill.yaml:7: the selector is empty"),
        "{text}"
    );
}
