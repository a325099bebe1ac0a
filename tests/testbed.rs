//! A run whose testbed breaks has no verdict, and the error names the host that did it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;

use squall_host::{Diagnostics, Facts, Launch, Loaded};
use squall_scenario::{Plan, Programs, RunError, RunOptions, simulated};

fn panics(_: &Launch) -> Result<Loaded, Diagnostics> {
    Ok(Loaded::new(
        Facts::default(),
        async |_, _| -> Result<(), std::io::Error> { panic!("a defect of the service") },
    ))
}

fn starts_a_thread(_: &Launch) -> Result<Loaded, Diagnostics> {
    Ok(Loaded::new(
        Facts::default(),
        async |_, _| -> Result<(), std::io::Error> {
            // The engine refuses it; the service takes no notice.
            let _ = std::thread::Builder::new().spawn(|| ());
            std::future::pending().await
        },
    ))
}

/// Plays `steady` with this program in the place of the application.
fn play_with(load: squall_host::launch::Load) -> RunError {
    let all = squall_node::programs();
    let programs = Programs {
        names: &["users-api"],
        load: &|name| match name {
            "users-api" => Some(load.into()),
            name => all.get(name).map(|program| program.load.into()),
        },
        knows: &|command| squall_node::knows(command),
    };
    let path = squall_tests::root().join("scenarios/postgres-compose/steady.yaml");
    let plan = Plan::open(&path, &programs).unwrap_or_else(|problems| panic!("{problems}"));
    simulated::run(
        &plan,
        squall_tests::exec,
        &RunOptions::default(),
        Arc::new(()),
    )
    .unwrap_err()
}

#[test]
fn a_panic_in_a_service_breaks_the_testbed() {
    let error = play_with(panics);
    let RunError::Broken { host, what, .. } = &error else {
        panic!("{error}")
    };
    assert!(host.starts_with("backend"), "{error}");
    assert!(what.contains("a defect of the service"), "{error}");
}

#[test]
fn a_thread_in_a_service_breaks_the_testbed() {
    let error = play_with(starts_a_thread);
    let RunError::Broken { host, what, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        host.starts_with("backend") && what.contains("thread"),
        "{error}"
    );
}
