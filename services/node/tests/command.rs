//! The binary as a user meets it.

use std::process::{Command, Output};

fn node(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_squall-node"))
        .args(args)
        .output()
        .expect("the binary runs")
}

#[test]
fn help_shows_examples() {
    let output = node(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["squall-node SERVICE", "Examples:", "RUST_LOG", "254"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn list_names_every_program() {
    let output = node(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .collect();
    let programs: Vec<&str> = squall_node::programs().into_keys().collect();
    assert_eq!(names, programs);
}

#[test]
fn bad_arguments_end_with_254() {
    for args in [&["no-such-service"][..], &[], &["exec"], &["--nonsense"]] {
        let output = node(args);
        assert_eq!(output.status.code(), Some(254), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_command_can_be_run() {
    assert_eq!(
        node(&["exec", "sh", "-c", "false || exit 3"]).status.code(),
        Some(3)
    );
    assert_eq!(node(&["exec", "no-such-command"]).status.code(), Some(127));
}
