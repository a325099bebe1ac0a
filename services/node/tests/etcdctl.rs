//! `etcdctl` of the shell beside the real one, against a real etcd: texts and statuses.
//!
//! Needs Debian's packages `etcd-server` and `etcd-client` (3.4):
//! `cargo test -p squall-node --test etcdctl -- --ignored`
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::process::{Child, Command, Stdio};

const ENDPOINT: &str = "127.0.0.1:27179";
const PEER: &str = "http://127.0.0.1:27180";

/// Ends with the test, whatever its outcome.
struct Etcd(Child);

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn etcd(folder: &str) -> Etcd {
    let client = format!("http://{ENDPOINT}");
    let child = Command::new("etcd")
        .args(["--name", "a", "--data-dir", folder])
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", PEER])
        .args(["--initial-advertise-peer-urls", PEER])
        .args(["--initial-cluster", &format!("a={PEER}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Etcd(child)
}

/// Its output and errors without what logs and measures, and its status.
fn run(command: &str, args: &[&str]) -> (Vec<String>, Option<i32>) {
    let (program, first) = match command {
        "etcdctl" => ("etcdctl", None),
        _ => (env!("CARGO_BIN_EXE_squall-node"), Some("shell")),
    };
    let output = Command::new(program)
        .args(first.into_iter().chain(first.map(|_| "etcdctl")))
        .args(args)
        .env("ETCDCTL_API", "3")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| {
        !line.starts_with("{\"level\"")
            && !line.contains("squall-node")
            && !line.contains("ended with status")
    });
    let measured = regex::Regex::new(r#"(took = |"took":").*"#).unwrap();
    let lines = lines.map(|line| measured.replace(line, "$1TIME").into_owned());
    let mut lines: Vec<String> = lines.collect();
    // The two outputs are compared together.
    lines.sort();
    (lines, output.status.code().map(|status| status.min(1)))
}

#[test]
#[ignore = "needs a real etcd and etcdctl"]
fn it_prints_what_the_real_one_prints() {
    let folder = std::env::temp_dir().join(format!("squall-etcdctl-{}", std::process::id()));
    let folder = folder.to_str().unwrap();
    let _etcd = etcd(folder);
    let to = format!("--endpoints={ENDPOINT}");
    // It waits for a connection itself.
    assert_eq!(run("etcdctl", &[&to, "endpoint", "health"]).1, Some(0));
    let away = "--endpoints=127.0.0.1:27199";
    let one_away = format!("--endpoints={ENDPOINT},127.0.0.1:27199");
    let file = format!("{folder}/saved.db");
    let reading: &[&[&str]] = &[
        &[&to, "get", "a"],
        &[&to, "get", "missing"],
        &[&to, "get", "a", "-w", "json"],
        &[&to, "get", "", "--prefix", "--keys-only"],
        &[&to, "get", "", "--from-key", "--print-value-only"],
        &[&to, "get", "a", "c"],
        &[
            &to,
            "get",
            "--prefix",
            "",
            "--sort-by=key",
            "--order=DESCEND",
            "--limit=1",
        ],
        &[&to, "get", "a", "--rev=99"],
        &[&to, "endpoint", "health"],
        &[&to, "endpoint", "health", "--cluster"],
        &[&to, "endpoint", "health", "-w", "json"],
        &[&to, "endpoint", "status"],
        &[&to, "endpoint", "status", "-w", "json"],
        &[&to, "endpoint", "status", "--cluster"],
        &[&to, "member", "list"],
        &[&to, "member", "list", "-w", "json"],
        &[away, "--command-timeout=1s", "endpoint", "health"],
        &[away, "--command-timeout=1s", "endpoint", "status"],
        &[away, "--command-timeout", "300ms", "get", "a"],
        &[&one_away, "--command-timeout=1s", "endpoint", "health"],
        &[&one_away, "--command-timeout=1s", "endpoint", "status"],
        &[&one_away, "member", "list"],
        &[&one_away, "snapshot", "save", &file],
        &[&to, "snapshot", "save", &file],
        &["version"],
    ];
    let writing: &[&[&str]] = &[
        &[&to, "put", "x", "1"],
        &[&to, "put", "x", "2", "--prev-kv"],
        &[&to, "put", "x", "2", "--lease=123"],
        &[&to, "del", "x", "--prev-kv"],
        &[&to, "del", "x"],
        &[&to, "del", "--prefix", "x"],
    ];
    for pair in [["a", "b"], ["b", "c"]] {
        run("etcdctl", &[&to, "put", pair[0], pair[1]]);
    }
    let mut differences = Vec::new();
    for args in reading.iter().chain(writing) {
        let [real, ours] = ["etcdctl", "ours"].map(|command| {
            if writing.contains(args) {
                run("etcdctl", &[&to, "put", "x", "0"]);
            }
            run(command, args)
        });
        if real != ours {
            differences.push(format!("{args:?}\n  real {real:?}\n  ours {ours:?}"));
        }
    }
    let saved = std::fs::metadata(&file).unwrap().len();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(saved > 0);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
