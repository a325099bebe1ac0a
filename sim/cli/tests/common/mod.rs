//! The command as its tests call it: a fresh folder, a run of the binary, what it wrote.
#![allow(dead_code)] // each test uses some of it

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An nginx that answers by itself.
pub(crate) const NGINX: &str = "events {}\nhttp {\n  server {\n    listen 80;\n    location / { return 200 \"hello\"; }\n  }\n}\n";

/// A folder for one test, fresh.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It may be there from an earlier run.
    drop(std::fs::remove_dir_all(&path));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The command in a folder, without what the surroundings would have it do.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command
        .args(args)
        .current_dir(folder)
        .env_remove("JOB_COMPLETION_INDEX")
        .env_remove("CLICOLOR_FORCE");
    command
}

pub(crate) fn squall(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
