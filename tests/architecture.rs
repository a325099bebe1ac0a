//! The crate graph is the architecture (docs, "Architecture"); these are its rules.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// `cargo metadata`, of the workspace alone or with all that it depends on.
fn metadata(extra: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(extra)
        .current_dir(squall_tests::root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

struct Member {
    folder: String,
    /// What it is built with; not what it is tested with.
    imports: Vec<String>,
}

fn members() -> BTreeMap<String, Member> {
    let root = squall_tests::root();
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let member = |package: &Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let folder = manifest
            .parent()
            .unwrap()
            .strip_prefix(&root)
            .unwrap()
            .display()
            .to_string();
        let dependencies = package["dependencies"].as_array().unwrap();
        let imports = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let imports = imports
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect();
        (
            package["name"].as_str().unwrap().to_owned(),
            Member { folder, imports },
        )
    };
    packages.iter().map(member).collect()
}

fn is_ours(name: &str) -> bool {
    name == "squall" || name.starts_with("squall-")
}

#[test]
fn services_import_the_host_and_never_the_simulator_nor_each_other() {
    let allowed = ["squall-host", "squall-resilient", "squall-etcd"];
    for (name, member) in members() {
        if !member.folder.starts_with("services/") || name == "squall-node" {
            continue;
        }
        for import in member.imports.iter().filter(|import| is_ours(import)) {
            assert!(
                allowed.contains(&import.as_str()),
                "{name} imports {import}; services meet on the wire"
            );
        }
        let turmoil = member
            .imports
            .iter()
            .find(|import| import.starts_with("turmoil"));
        assert_eq!(
            turmoil, None,
            "{name}: the simulated network is the engine's"
        );
    }
}

#[test]
fn the_simulator_imports_what_its_layer_may() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("squall-fault", &[] as &[&str]),
        ("squall-engine", &["squall-fault", "squall-host"]),
        (
            "squall-calibrate",
            &["squall-engine", "squall-fault", "squall-host"],
        ),
        (
            "squall-cluster",
            &["squall-fault", "squall-host", "squall-record"],
        ),
        (
            "squall-chaos",
            &["squall-host", "squall-fault", "squall-cluster"],
        ),
        ("squall-record", &[]),
        ("squall-check", &["squall-record"]),
        ("squall-report", &["squall-record"]),
        (
            "squall-explore",
            &[
                "squall-host",
                "squall-fault",
                "squall-scenario",
                "squall-record",
                "squall-check",
            ],
        ),
        (
            "squall",
            &[
                "squall-fault",
                "squall-host",
                "squall-node",
                "squall-cluster",
                "squall-scenario",
                "squall-explore",
                "squall-record",
                "squall-check",
                "squall-report",
            ],
        ),
        (
            "squall-scenario",
            &[
                "squall-host",
                "squall-chaos",
                "squall-cluster",
                "squall-engine",
                "squall-fault",
                "squall-record",
                "squall-check",
            ],
        ),
    ]);
    let members = members();
    for (name, allowed) in allowed {
        let ours = members[name]
            .imports
            .iter()
            .filter(|import| is_ours(import));
        for import in ours {
            assert!(
                allowed.contains(&import.as_str()),
                "{name} imports {import}"
            );
        }
    }
}

#[test]
fn an_example_runs_without_the_simulator() {
    let members = members();
    let examples = || {
        members
            .values()
            .filter(|m| m.folder.starts_with("examples/"))
    };
    assert!(examples().next().is_some());
    for example in examples() {
        let ours = example.imports.iter().filter(|import| is_ours(import));
        assert_eq!(
            ours.collect::<Vec<_>>(),
            ["squall-host"],
            "{}",
            example.folder
        );
    }
}

#[test]
fn production_does_not_link_the_engine() {
    let members = members();
    let mut reached = vec!["squall-node".to_owned()];
    let mut next = 0;
    while let Some(name) = reached.get(next).cloned() {
        next += 1;
        for import in members[&name]
            .imports
            .iter()
            .filter(|import| is_ours(import))
        {
            if !reached.contains(import) {
                reached.push(import.clone());
            }
        }
    }
    assert!(reached.contains(&"squall-host".to_owned()));
    assert!(
        !reached.contains(&"squall-engine".to_owned()),
        "{reached:?}"
    );
}

#[test]
fn every_crate_takes_its_lints_and_edition_from_the_workspace() {
    for (name, member) in members() {
        let manifest =
            fs::read_to_string(squall_tests::root().join(&member.folder).join("Cargo.toml"))
                .unwrap();
        for wanted in [
            "[lints]\nworkspace = true",
            "edition.workspace = true",
            "license.workspace = true",
        ] {
            assert!(manifest.contains(wanted), "{name}: add `{wanted}`");
        }
        let described = manifest
            .lines()
            .any(|line| line.starts_with("description = \"") && line.len() > 20);
        assert!(described, "{name}: say in `description` what it is for");
    }
}

/// All Rust files of the workspace's members.
fn sources() -> Vec<PathBuf> {
    let root = squall_tests::root();
    let mut found = Vec::new();
    for member in members().values() {
        walk(&root.join(&member.folder), &mut found);
    }
    assert!(found.len() > 50, "the walk finds the sources");
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Defects are planted for `tests/planted.rs`; whoever else turned them on would ship them.
#[test]
fn nothing_but_a_feature_of_the_tests_turns_planted_defects_on() {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = metadata(&["--filter-platform", &platform]);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let is_host = |node: &&Value| node["id"].as_str().unwrap().contains("services/host");
    let host = nodes.iter().find(is_host).unwrap();
    let features = host["features"].as_array().unwrap();
    assert!(!features.contains(&"planted".into()), "{features:?}");
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let features = package["features"].as_object().unwrap();
        let asks = |needs: &Value| needs.to_string().contains("squall-host/planted");
        assert!(
            name == "squall-tests" || !features.values().any(asks),
            "{name} has a feature that turns them on"
        );
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in sources() {
        if path.ends_with("tests.rs") {
            continue; // the tests of the module that it belongs to
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{}: open with `//!`: what it is for",
            path.display()
        );
    }
}

#[test]
fn no_module_keeps_a_mutable_global() {
    // The boundary to libc looks its functions up once; the panic hook is installed once; a name for
    // an in-memory database must differ from every other in the process and is never shown.
    let allowed = ["sim/engine/src/boundary.rs", "sim/engine/src/broken.rs"];
    for path in sources() {
        let shown = path
            .strip_prefix(squall_tests::root())
            .unwrap()
            .display()
            .to_string();
        if allowed.contains(&shown.as_str()) || !shown.contains("/src/") {
            continue;
        }
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let is_static = line
                .trim_start()
                .trim_start_matches("pub(crate) ")
                .starts_with("static ");
            let is_mutable = [
                "Mutex",
                "RwLock",
                "Atomic",
                "OnceLock",
                "LazyLock",
                "OnceCell",
                "static mut",
            ]
            .iter()
            .any(|kind| line.contains(kind));
            let is_excused = line.contains("// process-wide:");
            assert!(
                !(is_static && is_mutable) || is_excused,
                "{shown}:{}: a global that one run leaves to the next; if it can never show, say why \
                 with `// process-wide: …`",
                index + 1
            );
        }
    }
}

#[test]
fn dependencies_come_from_one_registry_under_known_licences() {
    const LICENCES: [&str; 11] = [
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "ISC",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
    ];
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = metadata(&["--filter-platform", &platform]);
    let members = members();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if members.contains_key(name) {
            continue;
        }
        let source = package["source"].as_str().unwrap_or_default();
        assert!(
            source.starts_with("registry+"),
            "{name} comes from {source}"
        );
        let licence = package["license"]
            .as_str()
            .unwrap_or_default()
            .replace('/', " OR ");
        // One alternative of the expression must be known in all of its parts.
        let is_known = licence.split(" OR ").any(|alternative| {
            let parts = alternative
                .split(" AND ")
                .map(|part| part.trim_matches(['(', ')', ' ']));
            parts.into_iter().all(|part| LICENCES.contains(&part))
        });
        assert!(is_known, "{name} is licensed `{licence}`");
    }
}
