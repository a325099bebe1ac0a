//! `exec etcd --name …` in the script of a container's main process: the script ends, and the program is
//! the container's.
//!
//! What a program finds wrong with its arguments is told when the container is planned, as if it had been
//! started without a script: variables have the container's values. Deliberately absent: `exec` anywhere but
//! in the script itself, and of commands that only run beside a program.

use std::collections::BTreeMap;

use squall_host::launch::chain;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};

use super::shell::Script;
use super::{Outcome, STATUS_NOT_FOUND};

/// Executables that programs play, as the table of well-known images has them.
const PLAYED: &[(&str, &str)] = &[
    ("etcd", "etcd-stub"),
    ("haproxy", "pg-proxy"),
    ("nginx", "edge"),
    ("postgres", "pg-stub"),
];
/// The binary that holds all of our programs; its first argument names one.
const NODE: &str = "squall-node";

/// Programs that a script can become, by their command lines.
pub(super) struct Programs {
    loaded: BTreeMap<Vec<String>, Loaded>,
    shutdown: Shutdown,
}

/// Understands what stands behind an `exec`.
pub(super) fn becoming(args: &[&str]) -> Result<Vec<String>, String> {
    let words: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    match program(&words) {
        Some(_) => Ok(words),
        None => Err(format!("`exec {}`: no program here", words.join(" "))),
    }
}

/// The program's name, and its arguments.
fn program(words: &[String]) -> Option<(&str, &[String])> {
    let (first, rest) = words.split_first()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    if name == NODE {
        let (name, args) = rest.split_first()?;
        return Some((name, args));
    }
    let played = PLAYED.iter().find(|(executable, _)| *executable == name);
    played.map(|(_, program)| (*program, rest))
}

/// Reads the input of all programs that a script may become, and what is known of them.
pub(super) fn load(
    script: &Script,
    launch: &Launch,
) -> Result<(BTreeMap<Vec<String>, Loaded>, Facts), Diagnostics> {
    let programs = crate::programs();
    let mut all = BTreeMap::new();
    let mut facts = Facts::default();
    for command in script.commands() {
        let words: Vec<String> = command.iter().map(|w| w.replaced(&launch.env)).collect();
        let Some(("exec", words)) = words.split_first().map(|(w, rest)| (w.as_str(), rest)) else {
            continue;
        };
        let Some((name, args)) = program(words) else {
            continue;
        };
        let launch = Launch {
            args: args.to_vec(),
            ..launch.clone()
        };
        if let Some(program) = programs.get(name) {
            let loaded = (program.load)(&launch)?;
            facts.listens.extend(loaded.facts.listens.clone());
            facts
                .names_required
                .extend(loaded.facts.names_required.clone());
            facts
                .without_effect
                .extend(loaded.facts.without_effect.clone());
            all.insert(words.to_vec(), loaded);
        }
    }
    Ok((all, facts))
}

impl Programs {
    pub(super) fn new(loaded: BTreeMap<Vec<String>, Loaded>, shutdown: Shutdown) -> Self {
        Self { loaded, shutdown }
    }

    pub(super) async fn run(&self, words: &[String], host: &Host) -> Outcome {
        let Some(program) = self.loaded.get(words) else {
            return Outcome::status(STATUS_NOT_FOUND);
        };
        match program.start(host.clone(), self.shutdown.clone()).await {
            Ok(()) => Outcome::status(0),
            Err(error) => {
                host.out.line(&chain(&*error));
                Outcome::status(1)
            }
        }
    }
}
