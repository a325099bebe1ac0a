//! Tests of the whole workspace.
//!
//! | test | what it holds |
//! |---|---|
//! | `architecture` | who may import whom, under which licences, and that every module says what it is for |
//! | `determinism` | one seed, one trace: at two positions in a process, and in two processes |
//! | `testbed` | a run whose testbed breaks has no verdict |
//! | `planted` | defects that are planted on purpose are found |
//! | `kubernetes` | what a story asks of a cluster is checked, and done |
//! | `labs` | every scenario in `scenarios/` ends as its file says |
//! | `tutorials` | so do those of systems as tutorials have them |
//!
//! Deliberately absent: tests of one crate; they are beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use squall_host::{Diagnostics, Host};
use squall_record::RunRecord;
use squall_scenario::file::Scenario;
use squall_scenario::{Plan, Programs, RunError, RunOptions, simulated};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// Every scenario file of the repository, sorted.
pub fn scenarios() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let folders =
        std::fs::read_dir(root().join("scenarios")).expect("there is a folder of scenarios");
    for folder in folders.flatten().filter(|entry| entry.path().is_dir()) {
        let files = std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten();
        found.extend(files.map(|entry| entry.path()).filter(|path| {
            let is_yaml = path
                .extension()
                .is_some_and(|extension| extension == "yaml");
            is_yaml
                && std::fs::read_to_string(path)
                    .is_ok_and(|text| squall_scenario::file::is_scenario(&text))
        }));
    }
    found.sort();
    found
}

/// Reads a scenario, as it stands, with all programs that there are.
pub fn plan(path: &Path) -> Result<Plan, Diagnostics> {
    plan_as(path, None)
}

/// Reads a scenario, as one of its variants or as it stands, with all programs that there are.
pub fn plan_as(path: &Path, variant: Option<&str>) -> Result<Plan, Diagnostics> {
    let folder = path.parent().unwrap_or(Path::new(""));
    plan_of(Scenario::open_as(path, variant)?, folder)
}

/// Makes a plan of a scenario whose files are in `folder`.
pub fn plan_of(scenario: Scenario, folder: &Path) -> Result<Plan, Diagnostics> {
    let programs = squall_node::programs();
    let names: Vec<&str> = programs.keys().copied().collect();
    let programs = Programs {
        names: &names,
        load: &|name| programs.get(name).map(|program| program.load.into()),
        knows: &|command| squall_node::knows(command),
    };
    Plan::of(scenario, folder, &programs)
}

/// Runs a command beside a process, as `squall` does.
pub fn exec(
    host: Host,
    env: BTreeMap<String, String>,
    command: Vec<String>,
) -> BoxFuture<'static, i32> {
    Box::pin(async move { squall_node::exec(&host, &env, &command).await })
}

/// Plays a plan once.
pub fn play(plan: &Plan, seed: u64) -> Result<RunRecord, RunError> {
    play_traced(plan, seed, None)
}

/// Plays a plan once and writes its trace.
pub fn play_traced(plan: &Plan, seed: u64, trace: Option<PathBuf>) -> Result<RunRecord, RunError> {
    let options = RunOptions { seed, trace };
    simulated::run(plan, exec, &options, Arc::new(()))
}
