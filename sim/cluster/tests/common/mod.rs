//! Test programs whose configuration says what their facts are.
#![allow(dead_code)] // Each test file uses its part.

pub(crate) mod kubernetes;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use squall_cluster::compose::{self, Options};
use squall_cluster::plan::{self, Plan, Surroundings};
use squall_host::launch::Loader;
use squall_host::{Diagnostic, Diagnostics, Facts, Launch, Loaded, Origin};

/// Reads the configuration that the arguments name, if any: lines of `listen PORT`, `server NAME`,
/// `tune WHAT`, `bad`.
fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let mut facts = Facts::default();
    let path = match launch.args.iter().position(|arg| arg == "-f") {
        Some(at) => launch.args[at + 1].clone(),
        None => "/etc/nginx/nginx.conf".to_owned(),
    };
    if let Ok(text) = launch.files.read(&path) {
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.content.lines()) {
            let origin = Origin::new(text.shown_as.clone(), number);
            match line.split_once(' ').unwrap_or((line, "")) {
                ("listen", port) => {
                    let address: SocketAddr = format!("0.0.0.0:{port}").parse().unwrap();
                    facts.listens.push((address, Some(origin)));
                }
                ("server", name) => facts.names_required.push((name.to_owned(), Some(origin))),
                ("tune", what) => facts.without_effect.push((what.to_owned(), origin)),
                (word, _) => problems.push(Diagnostic::at(origin, format!("unknown `{word}`"))),
            }
        }
        Diagnostics::check(problems)?;
    }
    if launch.env.contains_key("BROKEN") {
        return Err(Diagnostic::new("BROKEN is set").into());
    }
    Ok(Loaded::new(facts, |_, shutdown| async move {
        shutdown.requested().await;
        Ok::<(), std::io::Error>(())
    }))
}

pub(crate) fn find(name: &str) -> Option<Loader> {
    [
        "edge",
        "pg-proxy",
        "pg-stub",
        "users-api",
        "worker",
        "shell",
    ]
    .contains(&name)
    .then(|| load.into())
}

pub(crate) fn knows(command: &[String]) -> bool {
    let line = command.join(" ");
    ["curl", "pg_isready", "true", "probe"]
        .iter()
        .any(|known| line.contains(known))
}

/// Plans a compose file's text; `programs` as in a scenario.
pub(crate) fn plan_text(text: &str, programs: &[(&str, &str)]) -> Result<Plan, Diagnostics> {
    let project = compose::read_text(
        "lab/docker-compose.yml",
        text,
        &BTreeMap::new(),
        &Options::default(),
    )?;
    plan_project(&project, programs)
}

pub(crate) fn plan_project(
    project: &compose::Project,
    programs: &[(&str, &str)],
) -> Result<Plan, Diagnostics> {
    let programs = programs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let around = Surroundings {
        programs: &programs,
        load: &find,
        knows: &knows,
    };
    plan::plan(project, &around)
}
